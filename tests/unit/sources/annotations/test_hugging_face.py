"""Columns of objects in Parquet as the Hugging Face hub has them: how they are found, and how boxes are meant."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotated import objects_of, read_images

from gapscope.sources.annotations.annotation import Edges
from gapscope.sources.annotations.hugging_face.dataset import HuggingFace, open_hugging_face
from gapscope.sources.parquet.images import open_parquet_images
from gapscope.sources.patterns import expand_files

Picture = Callable[[int], bytes]

BOXES = [[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 20.5, 8.0]], [], [[7.0, 8.0, 9.0, 10.0]]]
CATEGORIES = [[0, 1], [], [1]]
LABEL = {"names": ["cat", "dog"], "_type": "ClassLabel"}
EXPECTED = [
    [("cat", Edges(1, 2, 4, 6)), ("dog", Edges(5, 6, 25.5, 14))],
    [],
    [("dog", Edges(7, 8, 16, 18))],
]


def write(path: Path, picture: Picture, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    """Write images with further columns, which all have as many rows."""
    count = len(next(iter(columns.values())))
    cells = [{"bytes": picture(number), "path": None} for number in range(count)]
    image = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({"image": image, **columns})
    if features is not None:
        info = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, path, row_group_size=2)
    return path


def named(location: object) -> tuple[tuple[str, ...], str | None, str, None]:
    """The arguments by which files are opened as a table of images; a pattern names several."""
    path, _, column = str(location).partition("::")
    return tuple(expand_files(path)), column or None, str(location), None


def opened(location: object) -> HuggingFace:
    table = open_parquet_images(*named(location))
    assert table is not None
    reader = open_hugging_face(table)
    assert reader is not None
    return reader


def found(reader: HuggingFace) -> tuple[list[list[tuple[str | None, Edges | None]]], str]:
    entries, told = read_images(reader)
    return [[(each.category, each.edges) for each in objects_of(entry)] for entry in entries], told


def lists() -> pa.Array:
    rows = [{"bbox": boxes, "category": own} for boxes, own in zip(BOXES, CATEGORIES, strict=True)]
    box = pa.list_(pa.float32(), 4)
    return pa.array(rows, pa.struct([("bbox", pa.list_(box)), ("category", pa.list_(pa.int64()))]))


def structs() -> pa.Array:
    rows = [
        [{"bbox": box, "category": category} for box, category in zip(boxes, own, strict=True)]
        for boxes, own in zip(BOXES, CATEGORIES, strict=True)
    ]
    return pa.array(rows, pa.list_(pa.struct([("bbox", pa.list_(pa.float64())), ("category", pa.int64())])))


FORMS: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, Any]]] = {
    "struct of lists": (
        lambda: {"objects": lists()},
        {"objects": {"bbox": {"feature": {}, "_type": "List"}, "category": {"feature": LABEL, "_type": "List"}}},
    ),
    "struct of lists as it was written before": (
        lambda: {"objects": lists()},
        {"objects": {"feature": {"bbox": {}, "category": LABEL}, "_type": "Sequence"}},
    ),
    "list of structs": (
        lambda: {"objects": structs()},
        {"objects": {"feature": {"bbox": {}, "category": LABEL}, "_type": "List"}},
    ),
    "list of structs in brackets": (
        lambda: {"objects": structs()},
        {"objects": [{"bbox": {}, "category": LABEL}]},
    ),
    "columns": (
        lambda: {"bbox": BOXES, "category": CATEGORIES},
        {"bbox": {}, "category": {"feature": LABEL, "_type": "Sequence"}},
    ),
    "names as text": (
        lambda: {"bboxes": BOXES, "labels": [["cat", "dog"], [], ["dog"]], "label": [1, 2, 3]},
        {},
    ),
    "another struct": (
        lambda: {"faces": pa.array([{"boxes": boxes, "class_names": own} for boxes, own in zip(
            BOXES, [["cat", "dog"], None, ["dog"]], strict=True)])},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_objects_are_found_in_every_form(tmp_path: Path, picture: Picture, form: str) -> None:
    columns, features = FORMS[form]
    path = write(tmp_path / "train.parquet", picture, columns(), features)
    for location in (path, f"{path}::image"):
        reader = opened(location)
        objects, told = found(reader)
        assert objects == EXPECTED
        assert "are read as left, top, width and height" in told
        entries = list(reader.table.entries())
        assert [reader.read(entry) for entry in entries] == [picture(number) for number in range(3)]


def test_ids_areas_crowds_and_sizes_are_kept(tmp_path: Path, picture: Picture) -> None:
    rows = [
        {"id": [41, 42], "bbox": [[1, 2, 3, 4], [1, 2, 3, 4]], "area": [12, 9.5], "iscrowd": [0, 1], "category": [0]}
    ]
    path = write(tmp_path / "a.parquet", picture, {"objects": rows, "width": [8], "height": [6]})
    entries, told = read_images(opened(path))
    first, second = objects_of(entries[0])
    assert (first.id, first.area, first.crowd, first.category) == ("41", 12, False, "0")
    assert (second.id, second.area, second.crowd, second.category) == ("42", 9.5, True, None)
    assert entries[0].annotations is not None
    assert (entries[0].annotations.width, entries[0].annotations.height) == (8, 6)
    assert "no names for its categories" in told


def test_one_box_per_row_is_one_object(tmp_path: Path, picture: Picture) -> None:
    path = write(tmp_path / "a.parquet", picture, {"bbox": [[1, 2, 3, 4], [5, 6, 7, 8]], "label": ["cat", "dog"]})
    objects, _ = found(opened(path))
    assert [[edges for _, edges in own] for own in objects] == [[Edges(1, 2, 4, 6)], [Edges(5, 6, 12, 14)]]


def corners(*, wrong: int = 0) -> list[list[list[float]]]:
    """Boxes as left, top, right and bottom, in images of 100 x 80 pixels."""
    boxes = [[[10.0, 5.0, 95.0, 75.0], [60.0, 40.0, 99.0, 80.0]] for _ in range(100)]
    for row in range(wrong):
        boxes[row][0] = [10.0, 5.0, 8.0, 75.0]
    return boxes


def test_corners_are_told_from_width_and_height_by_what_fits(tmp_path: Path, picture: Picture) -> None:
    sizes = {"width": [100] * 100, "height": [80] * 100}
    path = write(tmp_path / "corners.parquet", picture, {"objects": [{"bbox": own} for own in corners()], **sizes})
    objects, told = found(opened(path))
    assert [edges for _, edges in objects[0]] == [Edges(10, 5, 95, 75), Edges(60, 40, 99, 80)]
    assert "left, top, right and bottom, since they do not fit into the images otherwise" in told
    # A few boxes that are wrong do not decide.
    path = write(tmp_path / "wrong.parquet", picture, {"bbox": corners(wrong=2), **sizes})
    objects, told = found(opened(path))
    assert objects[0][0][1] is None
    assert objects[5][0][1] == Edges(10, 5, 95, 75)
    # Where no column has the sizes of images, their files have.
    ordered = [[[2.0, 1.0, 7.0, 6.0], [5.0, 3.0, 8.0, 6.0]]] * 40
    path = write(tmp_path / "sizes.parquet", picture, {"bbox": ordered})
    assert found(opened(path))[0][39] == [(None, Edges(2, 1, 7, 6)), (None, Edges(5, 3, 8, 6))]
    # Boxes that reach beyond their images in either way are widths and heights.
    path = write(tmp_path / "beyond.parquet", picture, {"bbox": [[[50, 50, 500, 500]]] * 100, **sizes})
    assert "width and height" in found(opened(path))[1]


def test_fractions_are_no_pixels(tmp_path: Path, picture: Picture) -> None:
    path = write(tmp_path / "a.parquet", picture, {"bbox": [[[0.5, 0.5, 0.25, 0.25]]]})
    entries, _ = read_images(opened(path))
    assert "fractions" in objects_of(entries[0])[0].error


def test_broken_boxes_are_objects_with_a_reason(tmp_path: Path, picture: Picture) -> None:
    boxes = [
        [1.0, 2.0, 3.0],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        None,
        [1.0, 2.0, float("nan"), 4.0],
        [1.0, 2.0, -3.0, 4.0],
        [9.0] * 4,
    ]
    rows = [{"bbox": boxes, "category": [7, -1, None, 0, 1]}, None]
    path = write(tmp_path / "a.parquet", picture, {"objects": rows}, {"objects": {"category": LABEL}})
    entries, told = read_images(opened(path))
    objects = objects_of(entries[0])
    assert [bool(each.error) for each in objects] == [True] * 5 + [False]
    assert [each.category for each in objects] == [None, None, None, "cat", "dog", None]
    assert "has no name for its number, such as 7" in told
    assert objects_of(entries[1]) == ()


def test_a_later_file_may_lack_the_columns_or_be_damaged(tmp_path: Path, picture: Picture) -> None:
    write(tmp_path / "1.parquet", picture, {"objects": lists()})
    write(tmp_path / "2.parquet", picture, {"caption": ["a"] * 3})
    whole = write(tmp_path / "3.parquet", picture, {"objects": lists()}).read_bytes()
    (tmp_path / "3.parquet").write_bytes(whole[: len(whole) // 2])
    reader = opened(tmp_path / "*.parquet")
    entries, told = read_images(reader)
    assert [entry.status for entry in entries] == ["listed"] * 6 + ["broken"]
    assert [len(objects_of(entry)) for entry in entries] == [2, 0, 1, 0, 0, 0, 0]
    assert f"rows whose objects cannot be read (3, such as {tmp_path}/2.parquet#0)" in told


@pytest.mark.parametrize(
    "columns",
    [
        {"caption": ["a"]},
        {"embedding": [[0.1, 0.2, 0.3, 0.4]]},
        {"objects": [{"category": [1]}]},
        {"bbox": ["1 2 3 4"]},
    ],
    ids=["text", "vector", "no boxes", "boxes as text"],
)
def test_other_columns_are_no_objects(tmp_path: Path, picture: Picture, columns: dict[str, Any]) -> None:
    table = open_parquet_images(*named(write(tmp_path / "a.parquet", picture, columns)))
    assert table is not None
    assert open_hugging_face(table) is None


def test_metadata_that_lies_is_passed_over(tmp_path: Path, picture: Picture) -> None:
    lies: tuple[Any, ...] = (7, {"category": {"names": 3}}, {"category": [[[[]]]]})
    for objects_feature in lies:
        path = write(tmp_path / "a.parquet", picture, {"objects": lists()}, {"objects": objects_feature})
        objects, _ = found(opened(path))
        assert [[name for name, _ in own] for own in objects] == [["0", "1"], [], ["1"]]


def test_a_row_may_not_claim_any_number_of_objects(tmp_path: Path, picture: Picture) -> None:
    many = pa.array([[[1.0, 2.0, 3.0, 4.0]] * 1_100_000], pa.list_(pa.list_(pa.float32())))
    path = write(tmp_path / "a.parquet", picture, {"bbox": many})
    assert path.stat().st_size < 2**20
    entries, told = read_images(opened(path))
    assert objects_of(entries[0]) == ()
    assert "rows whose objects cannot be read (1" in told
