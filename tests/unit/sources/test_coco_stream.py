import io
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from gapscope.errors import SourceError
from gapscope.sources.coco import json_stream
from gapscope.sources.coco.annotation_file import read_annotations
from gapscope.sources.coco.json_stream import read_pieces


def _odd_content(seed: int) -> dict[str, Any]:
    """A file with names of any script, ids as numbers and text, and annotations in no order."""
    draw = random.Random(seed)
    names = ["a.jpg", "straße/ü.png", "猫.jpg", "\U0001f600.jpg", 'quote".jpg', "back\\slash.jpg"]
    images = [
        {"id": number, "file_name": f"{number}-{draw.choice(names)}", "width": 8, "note": ["[", "]"]}
        for number in range(20)
    ]
    annotations = [
        {
            "id": number,
            "image_id": draw.randrange(22),
            "bbox": [1, 2.5, draw.random(), 1e-3],
            "text": draw.choice(names),
        }
        for number in range(60)
    ]
    return {"info": {"year": 2017, "images": []}, "annotations": annotations, "images": images, "n": 12, "none": None}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("indent", "ascii_only"), [(None, True), (2, False)])
def test_a_file_read_in_pieces_holds_what_it_holds_as_a_whole(
    seed: int, indent: int | None, ascii_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", 1 + 7 * seed)
    content = _odd_content(seed)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    data = file.read_bytes()
    pieces = list(read_pieces(io.BytesIO(data)))
    assert [piece.value for piece in pieces if piece.in_list and piece.key == "images"] == content["images"]
    for piece in pieces:
        if piece.in_list or piece.key in ("info", "n"):
            assert json.loads(data[piece.start : piece.stop]) == piece.value
    coco = read_annotations(str(file))
    for image in content["images"]:
        own = [each for each in content["annotations"] if each["image_id"] == image["id"]]
        assert coco.annotations.of(image["id"]) == own
    assert list(coco.annotations) == [each for each in content["annotations"] if each["image_id"] < 20]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a"}', '{"a": 1', '{"a": [1, ]}', '{"a": [1 2]}', "{} {}", "{1: 2}", "\xff"]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(read_pieces(io.BytesIO(text.encode("latin-1"))))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_other_encodings_and_numbers_that_are_none_are_read(encoding: str, tmp_path: Path) -> None:
    content = _odd_content(3)
    content["annotations"][0]["area"] = float("nan")
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)
    coco = read_annotations(str(file))
    assert [image["file_name"] for image in coco.images] == [image["file_name"] for image in content["images"]]
    assert len(list(coco.annotations)) == sum(each["image_id"] < 20 for each in content["annotations"])


def test_annotations_take_no_memory_but_for_their_places(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    polygon = [[number / 7 for number in range(100)]]
    with file.open("w") as text:
        text.write('{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}], "annotations": [')
        text.write(
            ",".join(
                json.dumps({"id": number, "image_id": 1 + number % 2, "segmentation": polygon})
                for number in range(20_000)
            )
        )
        text.write("]}")
    assert file.stat().st_size > 30_000_000
    tracemalloc.start()
    coco = read_annotations(str(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
    assert len(coco.annotations.of(2)) == 10_000


def test_a_file_that_changes_while_it_is_read_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 5, "image_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    file.write_text(json.dumps(content))
    coco = read_annotations(str(file))
    file.write_text(" " * file.stat().st_size)
    with pytest.raises(SourceError, match="changed while it was read"):
        coco.annotations.of(1)
