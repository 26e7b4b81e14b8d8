"""COCO annotations as tools write them and people have them: what is listed, what is refused, and what is told."""

import codecs
import json
import pickle
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gapscope.errors import SourceError
from gapscope.sources import Box, Entry, Source, open_source
from gapscope.sources.annotations.source import MARGIN, AnnotatedImages
from gapscope.sources.coco.boxes import segmentation_edges
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import STATUSES, Rejected

Picture = Callable[[int], bytes]
Json = dict[str, Any]


def listed(location: object, *, objects: bool = False) -> tuple[Source, list[Entry], ListingNotes]:
    """A source as a worker gets it, its entries, which must be the same each time, and what it noticed."""
    source: Source = pickle.loads(pickle.dumps(open_source("real", str(location), objects=objects)))
    notes = ListingNotes()
    entries = list(source.entries(notes))
    assert list(source.entries()) == entries
    assert list(open_source("real", source.location, objects=objects).entries()) == entries
    assert len({entry.uri for entry in entries}) == len(entries)
    assert {entry.status for entry in entries} <= set(STATUSES)
    assert "\n" not in notes.describe()
    return source, entries, notes


def names(entries: Sequence[Entry]) -> list[str]:
    return [entry.uri.rpartition("/")[2] for entry in entries]


def categories(entry: Entry) -> list[str | None]:
    """The categories of an image's objects."""
    assert entry.annotations is not None
    return [each.category for each in entry.annotations.objects]


def contents(source: Source, entries: Sequence[Entry]) -> list[bytes]:
    return [source.read(entry) for entry in entries]


def write(path: Path, images: list[Json], annotations: Sequence[Json] = (), categories: Sequence[Json] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def refusal(location: object, *, objects: bool = False) -> str:
    with pytest.raises(SourceError) as caught:
        open_source("real", str(location), objects=objects)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def annotations(folder: Path) -> Path:
    """Annotations of two images, one that leads out and one that is not there."""
    images = [
        {"id": 7, "file_name": "a.png"},
        {"id": 8, "file_name": "deep/d.jpg"},
        {"id": 9, "file_name": "../out.png"},
        {"id": 10, "file_name": "gone.png"},
    ]
    objects = [
        {"id": 2, "image_id": 8, "category_id": 1, "bbox": [1, 2, 4, 2], "area": 8.5},
        {"id": 11, "image_id": 7, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16},
        {"id": 3, "image_id": 7, "category_id": 5, "bbox": [0, 0, -1, 4]},
        {"id": 4, "image_id": 7, "category_id": 1, "bbox": [0, 0, 4, 4], "iscrowd": 1},
        {"id": 5, "image_id": 7, "category_id": 1, "bbox": ["0", None]},
        {"id": 6, "image_id": 10, "category_id": 1, "bbox": [0, 0, 4, 4]},
    ]
    return write(folder / "annotations.json", images, objects, [{"id": 1, "name": "cat"}])


def test_the_images_of_a_file(annotations: Path, picture: Picture) -> None:
    source, entries, _ = listed(annotations)
    assert [entry.status for entry in entries] == ["listed", "listed", "bad-name", "missing"]
    assert contents(source, entries[:2]) == [picture(1), picture(3)]


@pytest.mark.parametrize(
    "location", ["annotations/instances_photos.json", "annotations/instances_photos.json::../photos"]
)
def test_images_are_found_beside_the_file(tmp_path: Path, annotations: Path, location: str) -> None:
    (tmp_path / "annotations").mkdir()
    annotations.rename(tmp_path / "annotations" / "instances_photos.json")
    _, entries, _ = listed(tmp_path / location)
    assert [entry.status for entry in entries] == ["listed", "listed", "bad-name", "missing"]
    (tmp_path / "annotations" / "instances_photos.json").rename(tmp_path / "other.json")
    assert "name the folder of its images" in refusal(tmp_path / "other.json")


def test_the_objects_of_a_file_with_a_margin(annotations: Path, picture: Picture) -> None:
    source, entries, notes = listed(annotations, objects=True)
    assert names(entries) == ["a.png#3", "a.png#5", "a.png#11", "d.jpg#2", "gone.png#6"]
    assert [entry.status for entry in entries] == ["bad-box", "bad-box", "listed", "listed", "missing"]
    assert (entries[2].box or ())[:4] == pytest.approx((0, 0, 4.4, 4.4))
    assert (entries[3].box or ())[:4] == pytest.approx((0.6, 1.8, 4.8, 2.4))
    assert entries[3].values == {"category": "cat", "area": 8.5}
    assert contents(source, entries[2:4]) == [picture(1), picture(3)]
    assert {what: passed.count for what, passed in notes.passed_over.items()} == {
        "crowd annotations": 1,
        "images without annotations": 1,
    }
    assert "such as 5" in notes.describe()


def test_images_and_objects_that_are_named_twice_or_not_at_all(folder: Path, picture: Picture) -> None:
    boxes: list[Json] = [{"image_id": 7, "bbox": [0, 0, 4, 4]}] * 2 + [{"id": 3, "image_id": 8, "bbox": [1, 1, 2, 2]}]
    images = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "a.png"}, {"id": 9, "file_name": "\ud800.png"}]
    path = write(folder / "annotations.json", images, boxes)
    source, entries, _ = listed(path)
    assert names(entries) == ["a.png", "a.png#2", "\\ud800.png"]
    assert entries[2].status == "bad-name"
    assert contents(source, entries[:2]) == [picture(1)] * 2
    source, entries, _ = listed(path, objects=True)
    assert names(entries) == ["a.png#None", "a.png#None.2", "a.png#3"]
    assert contents(source, entries) == [picture(1)] * 3


@pytest.mark.parametrize("ids", [(3, 3), ("x", "x"), (3, "3"), (3.0, 3), ("3.0", 3)])
@pytest.mark.parametrize("objects", [False, True])
def test_two_images_with_one_id_are_refused(folder: Path, ids: tuple[Any, Any], objects: bool) -> None:
    images = [{"id": own, "file_name": name} for own, name in zip((*ids, 4), ("a.png", "b.png", "c.png"), strict=True)]
    path = write(folder / "a.json", images, [{"id": 1, "image_id": ids[0], "bbox": [0, 0, 4, 4]}])
    message = refusal(path, objects=objects)
    assert "a.png and b.png have the same id" in message
    assert f"{ids[1]}" in message


def test_one_image_that_a_merged_file_lists_twice_is_read_once(folder: Path) -> None:
    one = [{"id": 3, "file_name": "deep/d.jpg"}, {"id": 4, "file_name": "a.png"}]
    boxes: list[Json] = [{"id": own, "image_id": own, "bbox": [0, 0, own, 4]} for own in (3, 4)]
    other = [{"id": 3, "file_name": "deep\\d.jpg"}, {"id": 5, "file_name": "b.png"}]
    path = write(folder / "a.json", one + other, [*boxes, boxes[0], {"id": 3, "image_id": 3, "bbox": [1, 1, 2, 2]}])
    _, entries, notes = listed(path)
    assert names(entries) == ["d.jpg", "a.png", "b.png"]
    assert notes.passed_over["images listed twice"].count == 1
    _, entries, notes = listed(path, objects=True)
    assert names(entries) == ["d.jpg#3", "d.jpg#3.2", "a.png#4"]
    assert notes.passed_over["annotations listed twice"].count == 1
    assert "annotations that share an id, such as 3" in notes.describe()


@pytest.mark.parametrize(
    ("own", "used"), [(3, "3"), ("3", 3), (3, 3.0), (3.0, 3), (3, "3.0"), ("003", 3), (3, " 03 "), ("3", "03")]
)
def test_ids_that_are_written_differently_mean_the_same(folder: Path, own: Any, used: Any) -> None:
    images = [{"id": own, "file_name": "a.png"}, {"id": "other", "file_name": "b.png"}]
    box = {"id": 1, "image_id": used, "category_id": used, "bbox": [0, 0, 4, 4]}
    path = write(folder / "a.json", images, [box], [{"id": own, "name": "cat"}, {"id": "x", "name": "dog"}])
    _, entries, notes = listed(path, objects=True)
    assert names(entries) == ["a.png#1"]
    assert entries[0].values["category"] == "cat"
    assert not notes.passed_over.get("annotations of unknown images")
    assert len(notes.guesses) == 2
    for key, guess in zip(("image_id", "category_id"), notes.guesses, strict=True):
        assert "written differently" in guess
        assert key in guess
    _, entries, _ = listed(path)
    assert [categories(entry) for entry in entries] == [["cat"], []]


def test_ids_that_are_the_same_everywhere_are_no_guess(folder: Path) -> None:
    for own in (3, "3", 3.0, "x"):
        images = [{"id": own, "file_name": "a.png"}]
        box = {"id": 1, "image_id": own, "category_id": own, "bbox": [0, 0, 4, 4]}
        path = write(folder / f"{own}{type(own).__name__}.json", images, [box], [{"id": own, "name": "cat"}])
        _, entries, notes = listed(path, objects=True)
        assert [entry.values["category"] for entry in entries] == ["cat"]
        assert notes.describe() == ""


def test_an_id_that_could_mean_two_images_means_none(folder: Path) -> None:
    images = [{"id": own, "file_name": name} for own, name in (("3", "a.png"), ("03", "b.png"), (None, "c.png"))]
    boxes = [{"id": own, "image_id": used, "bbox": [0, 0, 4, 4]} for own, used in enumerate(("3", "03", 3, "003"))]
    _, entries, notes = listed(write(folder / "a.json", images, boxes), objects=True)
    assert names(entries) == ["a.png#0", "b.png#1"]
    assert notes.passed_over["annotations of unknown images"].count == 2


@pytest.mark.parametrize("objects", [False, True])
def test_annotations_of_unknown_images_are_counted(folder: Path, objects: bool) -> None:
    used = (17, None, "cat", 1, float("nan"), True)
    boxes = [{"id": own, "image_id": value, "bbox": [0, 0, 4, 4]} for own, value in enumerate(used)]
    path = write(folder / "a.json", [{"id": 1, "file_name": "a.png"}, {"id": None, "file_name": "b.png"}], boxes)
    _, entries, notes = listed(path, objects=objects)
    assert names(entries) == (["a.png#3"] if objects else ["a.png", "b.png"])
    assert "annotations of unknown images (5, such as image_id 17)" in notes.describe()


def test_a_file_whose_annotations_fit_no_image_is_refused_for_objects_alone(folder: Path) -> None:
    boxes = [{"id": 1, "image_id": "000139.jpg", "bbox": [0, 0, 4, 4]}]
    path = write(folder / "a.json", [{"id": 139, "file_name": "a.png"}], boxes)
    message = refusal(path, objects=True)
    assert 'image_id "000139.jpg"' in message
    assert "id 139" in message
    assert len(listed(path)[1]) == 1


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"caption": "a cat"}, "captions"),
        ({"bbox": [0, 0, 4, 4], "iscrowd": 1}, "crowds"),
        (None, "has no annotations"),
    ],
)
def test_a_file_without_objects_is_refused_for_objects_alone(
    folder: Path, annotation: Json | None, message: str
) -> None:
    boxes = [] if annotation is None else [{"id": 1, "image_id": 1, **annotation}]
    path = write(folder / "a.json", [{"id": 1, "file_name": "a.png"}], boxes)
    assert message in refusal(path, objects=True)
    assert len(listed(path)[1]) == 1


def test_crowds_and_images_without_annotations_are_counted(folder: Path) -> None:
    images = [{"id": own, "file_name": name} for own, name in enumerate(("a.png", "b.png", "deep/c.PNG", "deep/d.jpg"))]
    crowds = [0, 1, True, "1", "0", False, None, 1.0, float("nan")]
    boxes = [{"id": own, "image_id": 2, "bbox": [0, 0, 4, 4], "iscrowd": crowd} for own, crowd in enumerate(crowds)]
    _, entries, notes = listed(write(folder / "a.json", images, boxes), objects=True)
    assert names(entries) == [f"c.PNG#{own}" for own in (0, 4, 5, 6, 8)]
    assert "crowd annotations (4, such as id 1)" in notes.describe()
    assert "images without annotations (3, such as a.png)" in notes.describe()


# Boxes.


def boxes_of(folder: Path, *annotations: Json, **image: Any) -> tuple[list[Entry], ListingNotes]:
    numbered = [{"id": own, "image_id": 1, **annotation} for own, annotation in enumerate(annotations)]
    path = write(folder / "boxes.json", [{"id": 1, "file_name": "a.png", **image}], numbered)
    return listed(path, objects=True)[1:]


def without_margin(box: Box | None) -> tuple[float, ...]:
    assert box is not None
    width, height = box.width / (1 + 2 * MARGIN), box.height / (1 + 2 * MARGIN)
    return box.left + width * MARGIN, box.top + height * MARGIN, width, height


def runs_of(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs down the columns, the first outside the object, one pixel after the other."""
    runs, inside = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != inside:
            runs.append(0)
            inside = pixel
        runs[-1] += 1
    return runs


def packed(runs: Sequence[int]) -> str:
    """COCO's text for runs: five bits a character, as differences from the fourth run on."""
    text = ""
    for place, run in enumerate(runs):
        left = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits, left = left & 31, left >> 5
            more = left != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


@given(
    arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.booleans(), fill=st.booleans()),
    st.sampled_from(["list", "text", "bytes"]),
)
def test_the_box_of_a_mask_is_that_of_its_pixels(mask: NDArray[np.bool_], written: str) -> None:
    runs = runs_of(mask)
    counts = {"list": runs, "text": packed(runs), "bytes": str(packed(runs).encode())}[written]
    segmentation = {"size": list(mask.shape), "counts": counts}
    if not mask.any():
        with pytest.raises(Rejected, match="no area"):
            segmentation_edges(segmentation, (0, 0))
        return
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    expected = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert segmentation_edges(segmentation, (mask.shape[1], mask.shape[0])) == expected


def test_packed_runs_as_they_are_known_from_elsewhere() -> None:
    # A square of 3 x 3 pixels at column 2 and row 1 of a picture of 5 x 6, packed by hand.
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:5] = True
    assert runs_of(mask) == [11, 3, 2, 3, 2, 3, 6]
    assert packed(runs_of(mask)) == ";320004"
    assert segmentation_edges({"size": [5, 6], "counts": ";320004"}, (6, 5)) == (2, 1, 5, 4)


@pytest.mark.parametrize(
    "mask",
    [
        {"size": [10**9, 10**9], "counts": [0, 10**17]},
        {"size": [10**400, 4], "counts": [16]},
        {"size": [2**31, 2**31], "counts": [1, 10**4000]},
        {"size": [4, 4], "counts": [20, -8, 4]},
        {"size": [4, 4], "counts": [2, 4]},
        {"size": [4, 4], "counts": [2, 4.5, 9.5]},
        {"size": [4, 4], "counts": [2, None, 14]},
        {"size": [4, 4], "counts": [[2, 14]]},
        {"size": [4, 4], "counts": "o" * 10**6},
        {"size": [4, 4], "counts": "\u00ff" * 9},
        {"size": [4, 4], "counts": "o"},
        {"size": [4, 4], "counts": None},
        {"size": [4, 4]},
        {"size": [], "counts": [16]},
        {"size": [0, 4], "counts": [0]},
        {"size": ["4", "4"], "counts": [2, 14]},
        {"counts": [2, 14]},
        {"size": [4, 4], "counts": [16]},
    ],
)
def test_a_mask_that_is_broken_hostile_or_empty_is_a_bad_box(mask: Json) -> None:
    with pytest.raises(Rejected) as caught:
        segmentation_edges(mask, (0, 0))
    assert caught.value.status == "bad-box"


def test_a_huge_mask_costs_its_number_of_runs() -> None:
    side = 2**31
    runs = [side * 7 + 5, 9, side * (side - 8) + side - 14]
    for counts in (runs, packed(runs)):
        assert segmentation_edges({"size": [side, side], "counts": counts}, (side, side)) == (7, 5, 8, 14)


def test_a_mask_of_another_size_than_its_image_is_a_bad_box(folder: Path) -> None:
    masks = [{"segmentation": {"size": size, "counts": [4, 2, 42]}} for size in ([6, 8], [8, 6], [4, 12])]
    entries, _ = boxes_of(folder, *masks, width=8, height=6)
    assert [entry.status for entry in entries] == ["listed", "bad-box", "bad-box"]
    assert "not as large as its image" in entries[1].error


SEGMENTATIONS = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.sampled_from(["size", "counts"]), inner),
)


@given(SEGMENTATIONS)
def test_any_segmentation_has_a_box_or_is_rejected(segmentation: Any) -> None:
    with suppress(Rejected):
        left, top, right, bottom = segmentation_edges(segmentation, (0, 0))
        assert left < right
        assert top < bottom


POINTS = st.lists(st.tuples(st.integers(0, 500), st.floats(0, 500)), min_size=3, max_size=9)


@given(st.lists(POINTS, min_size=1, max_size=3))
def test_the_box_of_polygons_holds_all_their_points_and_no_more(polygons: list[list[tuple[float, float]]]) -> None:
    points = np.array([point for polygon in polygons for point in polygon])
    segmentation = [np.ravel(polygon).tolist() for polygon in polygons]
    if (np.ptp(points, axis=0) == 0).any():
        with pytest.raises(Rejected, match="no area"):
            segmentation_edges(segmentation, (0, 0))
        return
    edges = segmentation_edges(segmentation, (0, 0))
    assert edges == (*points.min(0), *points.max(0))
    assert segmentation_edges([[1, 2], *segmentation], (0, 0)) == edges
    if len(polygons) == 1:
        assert segmentation_edges(segmentation[0], (0, 0)) == edges


@pytest.mark.parametrize("bbox", [None, [], [0, 0, 0, 0], [2, 1, 0, 0], [None] * 4, [float("nan")] * 4])
def test_a_segmentation_stands_in_for_a_box_that_says_nothing(folder: Path, bbox: Any) -> None:
    outline, mask = [[2, 1, 6, 1, 4, 5]], {"size": [6, 8], "counts": packed([13, 4, 2, 4, 25])}
    given_box = {"bbox": [1, 1, 2, 2], "segmentation": outline}
    entries, notes = boxes_of(
        folder, {"bbox": bbox, "segmentation": outline}, {"segmentation": mask}, given_box, {"bbox": bbox}
    )
    assert without_margin(entries[0].box) == pytest.approx((2, 1, 4, 4))
    assert without_margin(entries[1].box) == pytest.approx((2, 1, 2, 4))
    assert without_margin(entries[2].box) == pytest.approx((1, 1, 2, 2))
    assert entries[3].status == "bad-box"
    assert "annotations without a box have that of their polygons or mask (2 in all)" in notes.describe()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"width": 200, "height": 100}, (200, 100)),
        ({"width": 200.5, "height": 100}, (200.5, 100)),
        ({}, (0, 0)),
        ({"width": "200", "height": None}, (0, 0)),
        ({"width": -1, "height": float("nan")}, (0, 0)),
        ({"width": 10**400, "height": [3]}, (0, 0)),
    ],
)
def test_a_box_knows_the_image_that_it_was_measured_in(
    folder: Path, image: Json, expected: tuple[float, float]
) -> None:
    ((entry,), _) = boxes_of(folder, {"bbox": [150, 2, 100, 300]}, **image)
    assert entry.box is not None
    assert entry.box[4:6] == expected
    # Nothing is cut off at these sides: they may be those of the image before it is turned upright.
    assert without_margin(entry.box)[2:] == pytest.approx((100, 300)) or entry.box.top == 0
    assert entry.box.left + entry.box.width == pytest.approx(260)


# Files and folders as tools lay them out.


@pytest.mark.parametrize(
    ("file", "named", "image"),
    [
        ("labels.json", "a.jpg", "data/a.jpg"),  # FiftyOne
        ("result.json", "images/a.jpg", "images/a.jpg"),  # Label Studio and its variants
        ("result.json", "images\\a.jpg", "images/a.jpg"),
        ("result.json", "../../label-studio/data/media/upload/1/a.jpg", "images/a.jpg"),
        ("result.json", "/data/upload/1/a.jpg", "images/a.jpg"),
        ("result.json", "..\\..\\media\\upload\\1\\a.jpg", "images/a.jpg"),
        ("result.json", "/data/local-files/?d=photos%5Ca.jpg", "images/a.jpg"),
        ("result.json", "images/a%20b.jpg", "images/a b.jpg"),
        ("result.json", "https://host/upload/a.jpg?token=1/2", "images/a.jpg"),
        ("result.json::images", "images/a.jpg", "images/a.jpg"),
        ("result.json::images", "C:\\set\\images\\deep\\a.jpg", "images/deep/a.jpg"),
        ("train/_annotations.coco.json", "a.jpg", "train/a.jpg"),  # Roboflow
        ("annotations/instances_default.json", "a.jpg", "images/a.jpg"),  # CVAT
        ("annotations/instances_default.json", "a.jpg", "images/default/a.jpg"),
        ("annotations/instances_default.json", "images/a.jpg", "images/a.jpg"),
        ("annotations/instances_val2017.json", "a.jpg", "val2017/a.jpg"),  # COCO
        ("annotations/instances_val2017.json", "val2017/a.jpg", "val2017/a.jpg"),
        ("annotations/train.json", "x/a.jpg", "train/x/a.jpg"),
    ],
)
def test_images_are_found_where_tools_put_them(
    tmp_path: Path, picture: Picture, file: str, named: str, image: str
) -> None:
    (tmp_path / image).parent.mkdir(parents=True)
    (tmp_path / image).write_bytes(picture(5))
    (tmp_path / "a.jpg").write_bytes(picture(9))
    location = tmp_path / "set" / file
    (tmp_path / "set").mkdir()
    (tmp_path / image.partition("/")[0]).rename(tmp_path / "set" / image.partition("/")[0])
    write(Path(str(location).partition("::")[0]), [{"id": 1, "file_name": named}])
    source, (entry,), notes = listed(location)
    assert entry.status == "listed"
    assert source.read(entry) == picture(5)
    assert str(tmp_path / "set") in source.origin
    assert isinstance(source, AnnotatedImages)
    if Path(source.reader.folder, named).exists():  # type: ignore[attr-defined]
        assert notes.describe() == ""
    else:
        (guess,) = notes.guesses
        assert f" for {named} (1 in all)" in guess


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_match_however_they_are_encoded(tmp_path: Path, picture: Picture, written: Any, stored: Any) -> None:
    file = tmp_path / "images" / unicodedata.normalize(stored, "Zoë é.png")
    file.parent.mkdir()
    file.write_bytes(picture(1))
    name = unicodedata.normalize(written, "Zoë é.png")
    source, (entry,), notes = listed(write(tmp_path / "a.json", [{"id": 1, "file_name": name}]))
    assert source.read(entry) == picture(1)
    assert "accents" in notes.describe()


def test_a_name_that_leads_out_never_does(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    for name in ("secret.png", "set/images/here.png"):
        (tmp_path / name).write_bytes(picture(1))
    out = ["../secret.png", "../../secret.png", "/secret.png", str(tmp_path / "secret.png"), "images/../../secret.png"]
    written = [*out, "..\\secret.png", "%2e%2e/secret.png", "images/..", "..", "", "/", "a\0b.png", "\ud800/secret.png"]
    images = [{"id": own, "file_name": name} for own, name in enumerate([*written, "images/here.png"])]
    for location in ("a.json", "a.json::images"):
        write(tmp_path / "set" / "a.json", images)
        _, entries, _ = listed(tmp_path / "set" / location)
        assert [entry.status for entry in entries[: len(out)]] == ["bad-name"] * len(out)
        assert [entry.uri for entry in entries if entry.status == "listed"] == [str(tmp_path / "set/images/here.png")]


def test_files_that_share_a_base_name_are_not_mixed_up(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "images").mkdir()
    for number, name in enumerate(("1.png", "2.png", "3.png")):
        (tmp_path / "images" / name).write_bytes(picture(number))
    written = ["/upload/a/1.png", "/upload/b/1.png", "/upload/a/2.png", "x\\3.png", "3.png"]
    path = write(tmp_path / "result.json", [{"id": own, "file_name": name} for own, name in enumerate(written)])
    source, entries, notes = listed(path)
    assert [entry.status for entry in entries] == ["bad-name", "bad-name", "listed", "missing", "listed"]
    assert all("another image's name ends alike" in entries[place].error for place in (0, 1, 3))
    assert [source.read(entries[place]) for place in (2, 4)] == [picture(1), picture(2)]
    assert "2.png for /upload/a/2.png (1 in all)" in notes.describe()
    assert [entry.annotations and entry.annotations.image for entry in entries] == [entry.uri for entry in entries]


def test_frames_of_the_same_name_in_several_folders_are_told_apart(tmp_path: Path, picture: Picture) -> None:
    written = []
    for number in range(6):
        folder = tmp_path / "images" / f"scene{number // 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number % 2}.png").write_bytes(picture(number))
        written.append(f"D:\\drives\\scene{number // 2}\\{number % 2}.png")
    path = write(tmp_path / "result.json", [{"id": own, "file_name": name} for own, name in enumerate(written)])
    source, entries, _ = listed(path)
    assert contents(source, entries) == [picture(number) for number in range(6)]


def test_the_folder_that_has_most_of_the_images_is_taken(tmp_path: Path, picture: Picture) -> None:
    for folder, numbers in {"images": range(1), "val": range(30, 60), "data": range(30, 36)}.items():
        (tmp_path / folder).mkdir()
        for number in numbers:
            (tmp_path / folder / f"{number}.png").write_bytes(picture(number))
    path = write(tmp_path / "instances_val.json", [{"id": own, "file_name": f"{own}.png"} for own in range(60)])
    source, entries, notes = listed(path)
    assert source.origin.endswith(f"with images from {tmp_path}/val")
    assert [entry.status for entry in entries] == ["missing"] * 30 + ["listed"] * 30
    assert notes.describe() == ""
    for number in range(36, 60):
        (tmp_path / "data" / f"{number}.png").write_bytes(picture(0))
    assert f"{tmp_path}/data has files of the same names, which are not taken" in listed(path)[2].guesses


# Other files.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 1, "category_id": 2, "bbox": [0, 0, 4, 4], "score": 0.9}], "a COCO results file.*give"),
        ([{"image_id": 1, "category_id": 2, "segmentation": {}, "score": 0.9}], "a COCO results file.*give"),
        ({"classes": ["cat"], "labels": {"a": [{"label": 0}]}}, "FiftyOne.*COCO"),
        ({"samples": [{"filepath": "data/a.jpg"}]}, "FiftyOne.*COCO"),
        ({"version": "5.0", "shapes": [], "imagePath": "a.jpg", "imageData": None}, "Labelme.*COCO"),
        ({"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": []}}, "VGG Image Annotator.*COCO"),
        ({"info": {}, "categories": {}, "items": []}, "Datumaro.*COCO"),
        ([{"image": "a.jpg", "annotations": []}], "CreateML.*COCO"),
        ([{"name": "a.jpg", "labels": []}], "Scalabel.*COCO"),
        (["a.jpg"], r"list of text.*\.txt"),
        ({"annotations": [], "categories": []}, "no `images`"),
        ({"words": 1}, "no `images`"),
        ([{"path": "a.jpg"}], r"list of objects.*\.jsonl"),
        ([], "not a COCO annotation file"),
        (3, "not a COCO annotation file"),
        ({"images": [{"id": 1, "coco_url": "http://host/a.jpg"}]}, "`file_name`: one has only id, coco_url"),
        ({"images": [{"id": 1, "file_name": 139}]}, "`file_name` is not text"),
        ({"images": [{"id": [1], "file_name": "a.png"}]}, "`id` in `images` is neither a number nor text"),
    ],
)
def test_another_layout_is_refused_by_its_name(folder: Path, content: Any, message: str) -> None:
    (folder / "a.json").write_text(json.dumps(content))
    assert re.search(message, refusal(folder / "a.json"))


def test_json_lines_under_the_name_of_json_say_so(folder: Path) -> None:
    (folder / "a.json").write_text('{"path": "a.png"}\n{"path": "b.png"}\n')
    assert ".jsonl" in refusal(folder / "a.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_in_any_encoding_of_json_with_odd_numbers(folder: Path, encoding: str) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": float("inf")}, {"id": float("nan"), "file_name": "b.png"}],
        "annotations": [
            {"id": 1, "image_id": 1, "bbox": [0, 0, 4, 4], "area": float("nan"), "category_id": None},
            {"id": 1, "image_id": 1, "bbox": [0, 0, float("inf"), 4], "category_id": 1},
            {"id": None, "image_id": 1, "bbox": [0, 0, 1.7e308, 4], "category_id": True},
        ],
        "categories": [{"id": 1, "name": "cät"}, {"id": 1, "name": "dog"}, {"id": None, "name": "none"}],
    }
    (folder / "a.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert (folder / "a.json").read_bytes().startswith(codecs.BOM_UTF8) == (encoding == "utf-8-sig")
    _, entries, notes = listed(folder / "a.json", objects=True)
    assert [entry.status for entry in entries] == ["listed", "bad-box", "bad-box"]
    assert [entry.values["category"] for entry in entries] == [None, "cät", None]
    assert "annotations that share an id, such as 1," in notes.describe()
    assert "category 1 is both cät and dog, and the first is taken" in notes.describe()


def test_a_file_that_changes_is_read_again(folder: Path) -> None:
    path = write(folder / "a.json", [{"id": 1, "file_name": "a.png"}])
    assert names(listed(path)[1]) == ["a.png"]
    write(path, [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}])
    assert names(listed(path)[1]) == ["a.png", "b.png"]


KEYS = ("images", "file_name", "annotations", "image_id", "bbox", "id", "name", "categories", "category_id")
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS[:3], JSON)) | JSON)
def test_any_json_is_a_dataset_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.mktemp("coco") / "a.json"
    path.write_text(json.dumps(content))
    with suppress(SourceError):
        list(open_source("real", f"{path}::.", objects=True).entries())
