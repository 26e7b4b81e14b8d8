"""COCO's panoptic segmentation: things are objects, stuff is none, and the pixels are those of the PNG."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated import covered, objects_of, read_images
from numpy.typing import NDArray
from PIL import Image

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Edges
from gapscope.sources.annotations.panoptic import Panoptic, open_panoptic

Picture = Callable[[int], bytes]
Json = dict[str, Any]

PERSON, CAR, SKY = 1, 3, 187
CATEGORIES = [
    {"supercategory": "person", "isthing": 1, "id": PERSON, "name": "person", "color": [220, 20, 60]},
    {"supercategory": "vehicle", "isthing": 1, "id": CAR, "name": "car"},
    {"supercategory": "sky", "isthing": 0, "id": SKY, "name": "sky-other-merged"},
]
PERSON_ID, CAR_ID, SKY_ID = 3226956, 5069153, 16711935


def segments() -> NDArray[np.int64]:
    """The ids of the pixels of an image of 40 x 30 pixels: a person in two parts, a car, and sky."""
    ids = np.full((30, 40), SKY_ID)
    ids[5:15, 4:10] = ids[7:12, 12:14] = PERSON_ID
    ids[20:26, 10:35] = CAR_ID
    return ids


def save(path: Path, ids: NDArray[np.int64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = np.stack([ids % 256, ids // 256 % 256, ids // 256**2], axis=-1)
    Image.fromarray(colors.astype(np.uint8)).save(path)


def segment(own_id: Any, category: Any, bbox: Any = None, **more: Any) -> Json:
    return {"id": own_id, "category_id": category, "iscrowd": 0, "area": 70, "bbox": bbox, **more}


def write(folder: Path, picture: Picture, *annotated: list[Any]) -> Path:
    """Write a panoptic file with an image for each list of segments."""
    path = folder / "annotations" / "panoptic_val2017.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    images, annotations = list[Json](), list[Json]()
    for number, own in enumerate(annotated, 1):
        name = f"{number:012}"
        (folder / "val2017").mkdir(exist_ok=True)
        (folder / "val2017" / f"{name}.png").write_bytes(picture(number))
        images.append({"id": number, "file_name": f"{name}.png", "width": 40, "height": 30})
        annotations.append({"image_id": number, "file_name": f"{name}.png", "segments_info": own})
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return path


def opened(path: Path, part: str | None = None) -> Panoptic:
    return open_panoptic(str(path), part, str(path) + ("" if part is None else f"::{part}"))


def test_things_are_objects_with_their_pixels(tmp_path: Path, picture: Picture) -> None:
    path = write(
        tmp_path,
        picture,
        [
            segment(PERSON_ID, PERSON, [4, 5, 10, 10]),
            segment(SKY_ID, SKY, [0, 0, 40, 30]),
            segment(CAR_ID, CAR, iscrowd=1),
        ],
        [],
    )
    save(path.parent / "panoptic_val2017" / "000000000001.png", segments())
    entries, told = read_images(opened(path))
    assert [entry.uri for entry in entries] == [f"{tmp_path}/val2017/{number:012}.png" for number in (1, 2)]
    person, car = objects_of(entries[0])
    assert (person.id, person.category, person.area) == (str(PERSON_ID), "person", 70)
    assert person.edges == Edges(4, 5, 14, 15)
    # A segment without a box has that of its pixels.
    assert (car.category, car.edges, car.crowd) == ("car", Edges(10, 20, 35, 26), True)
    for each, own_id in ((person, PERSON_ID), (car, CAR_ID)):
        assert each.outline is not None
        assert np.array_equal(covered(each.outline, 40, 30), segments() == own_id)
    assert objects_of(entries[1]) == ()
    assert "segments of stuff, which are no objects (1" in told
    assert read_images(opened(path, str(tmp_path / "val2017")))[0] == entries


def test_without_its_png_a_segment_has_its_box(tmp_path: Path, picture: Picture) -> None:
    path = write(tmp_path, picture, [segment(PERSON_ID, PERSON, [4, 5, 10, 10]), segment(CAR_ID, CAR)])
    entries, told = read_images(opened(path))
    person, car = objects_of(entries[0])
    assert (person.edges, person.outline) == (Edges(4, 5, 14, 15), None)
    assert "no such file" in car.error
    assert "PNGs of segments that cannot be read (1" in told


def test_a_png_that_is_not_the_images_is_told(tmp_path: Path, picture: Picture) -> None:
    path = write(tmp_path, picture, *([segment(PERSON_ID, PERSON)] for _ in range(4)))
    folder = path.parent / "panoptic_val2017"
    save(folder / "000000000001.png", segments()[:20])
    Image.new("L", (40, 30)).save(folder / "000000000002.png")
    (folder / "000000000003.png").write_bytes(b"no PNG")
    save(folder / "000000000004.png", segments())
    (folder / "000000000004.png").write_bytes((folder / "000000000004.png").read_bytes()[:60])
    entries, told = read_images(opened(path))
    errors = [objects_of(entry)[0].error for entry in entries]
    for error, expected in zip(errors, ("not as large", "not colors", "no PNG", "cannot be decoded"), strict=True):
        assert expected in error
    assert "PNGs of segments that cannot be read (4" in told


def test_ids_are_matched_as_they_are_meant_and_odd_segments_are_told(tmp_path: Path, picture: Picture) -> None:
    odd = [segment(None, "3", [1, 2, 3, 4]), segment(4, 99, [1, 2, 3, 4]), segment("x", PERSON, ["x"])]
    path = write(tmp_path, picture, [*odd, segment(6, None, [1, 2, 3, 4])])
    save(path.parent / "panoptic_val2017" / "000000000001.png", segments())
    entries, told = read_images(opened(path))
    found = [(each.category, bool(each.error)) for each in objects_of(entries[0])]
    assert found == [("car", False), (None, False), ("person", True), (None, False)]
    assert "ids that are written differently" in told
    assert "the file has none of that id, such as 99 (1 in all)" in told


@pytest.mark.parametrize(
    "odd", [[7], [{"id": 1}], 7, [segment(1, {})]], ids=["numbers", "no category", "number", "object"]
)
def test_segments_that_are_none_are_refused(tmp_path: Path, picture: Picture, odd: Any) -> None:
    with pytest.raises(SourceError, match="segments_info") as caught:
        opened(write(tmp_path, picture, odd))
    assert "\n" not in str(caught.value)


def test_images_that_are_missing_are_refused(tmp_path: Path, picture: Picture) -> None:
    path = write(tmp_path, picture, [segment(1, PERSON)])
    (tmp_path / "val2017" / "000000000001.png").unlink()
    with pytest.raises(SourceError, match="name the folder of its images"):
        opened(path)
