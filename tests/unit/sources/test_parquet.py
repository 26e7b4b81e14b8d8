"""Images in Parquet: which column holds them, in which form, and what becomes of files that are otherwise."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from open_and_list import contents, names, open_and_list, told
from PIL import Image

from gapscope.errors import SourceError
from gapscope.sources import open_source
from gapscope.sources.rejects import Rejected

Picture = Callable[[int], bytes]

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def structs(images: list[bytes]) -> pa.Array:
    return pa.array([{"bytes": image, "path": "x.png"} for image in images], STRUCT)


def test_parquet_files_hold_images_and_columns(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "beside.png").write_bytes(picture(99))
    for part in range(2):
        rows: list[dict[str, Any]] = [
            {"bytes": picture(part * 100 + number), "path": f"{number}.png"} for number in range(70)
        ]
        rows[3] = {"bytes": None, "path": "beside.png"}
        rows[4] = {"bytes": None, "path": "../../etc/passwd"}
        table = pa.table({"image": rows, "label": [number % 3 for number in range(70)], "caption": ["a"] * 70})
        pq.write_table(table, tmp_path / f"train-{part}.parquet", row_group_size=40)
    source, entries = open_and_list(tmp_path / "train-*.parquet")
    assert source.columns == {"label": "number", "caption": "text"}
    assert len(entries) == 140
    assert entries[75].uri.endswith("train-1.parquet#5")
    assert entries[75].values == {"label": 2.0, "caption": "a"}
    # In any order, also backwards over the ends of batches and row groups.
    for row in (0, 1, 69, 2, 68, 35, 34, 33, 32, 31, 41, 40, 39, 139, 70):
        assert source.read(entries[row]) == picture(row if row < 70 else row + 30)
    assert source.read(entries[3]) == picture(99)
    with pytest.raises(Rejected) as caught:
        source.read(entries[4])
    assert caught.value.status == "bad-name"
    assert "../../etc/passwd" in caught.value.error


def test_a_row_of_plain_bytes_may_hold_no_image(tmp_path: Path, picture: Picture) -> None:
    pq.write_table(pa.table({"jpg": [picture(1), None, b""], "id": [1, 2, 3]}), tmp_path / "a.parquet")
    source, entries = open_and_list(tmp_path / "a.parquet")
    assert source.read(entries[0]) == picture(1)
    for entry in entries[1:]:
        with pytest.raises(Rejected, match="holds no image"):
            source.read(entry)


def text(image: bytes) -> str:
    return base64.b64encode(image).decode()


def url_text(image: bytes) -> str:
    return "data:image/png;base64," + base64.urlsafe_b64encode(image).decode().rstrip("=")


FORMS: dict[str, Callable[[list[bytes]], pa.Array]] = {
    "binary": lambda images: pa.array(images, pa.binary()),
    "large_binary": lambda images: pa.array(images, pa.large_binary()),
    "binary_view": lambda images: pa.array(images, pa.binary_view()),
    "fixed_size": lambda images: pa.array([image.ljust(200, b"\0") for image in images], pa.binary(200)),
    "struct": structs,
    "dictionary": lambda images: pa.array(images, pa.binary()).dictionary_encode(),
    "string": lambda images: pa.array([text(image) for image in images]),
    "large_string": lambda images: pa.array([url_text(image) for image in images], pa.large_string()),
    "string_view": lambda images: pa.array([text(image) for image in images], pa.string_view()),
    "string_dictionary": lambda images: pa.array([text(image) for image in images]).dictionary_encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_come_in_every_form_that_arrow_has(tmp_path: Path, picture: Picture, form: str) -> None:
    images = [picture(number) for number in range(40)]
    column = FORMS[form](images)
    pq.write_table(pa.table({"id": list(range(40)), "image": column}), tmp_path / "a.parquet", row_group_size=25)
    for location in ("a.parquet", "a.parquet::image"):
        source, entries = open_and_list(tmp_path / location)
        assert source.columns == {"id": "number"}
        assert [data.rstrip(b"\0") for data in contents(source, entries)] == [image.rstrip(b"\0") for image in images]
        assert f"from column image of {tmp_path}/a.parquet;" in told(source)


@pytest.mark.parametrize("listed", [pa.list_, pa.large_list])
@pytest.mark.parametrize("item", [STRUCT, pa.binary()], ids=["struct", "binary"])
def test_a_list_of_images_is_a_row_per_image(tmp_path: Path, picture: Picture, item: Any, listed: Any) -> None:
    images = [[picture(10 * row + place) for place in range(row % 4)] for row in range(50)]
    cells = [[{"bytes": one, "path": "x"} if item == STRUCT else one for one in row] for row in images]
    table = pa.table(
        {"drive": [f"d{row}" for row in range(50)], "cameras": pa.array([*cells[:-1], None], listed(item))}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=30)
    source, entries = open_and_list(tmp_path / "a.parquet")
    expected = [(row, place) for row in range(49) for place in range(row % 4)]
    assert names(entries) == [f"a.parquet#{row}.{place}" for row, place in expected]
    assert [entry.values for entry in entries] == [{"drive": f"d{row}"} for row, _ in expected]
    assert contents(source, entries) == [images[row][place] for row, place in expected]
    # Row 49, whose list is null, and every fourth of the others.
    assert "rows without images (14," in told(source)


def columns_of(picture: Picture) -> dict[str, pa.Array]:
    images, masks = [picture(number) for number in range(6)], [picture(200 + number) for number in range(6)]
    return {
        "image": pa.array(images),
        "mask": pa.array(masks),
        "struct": structs(images),
        "mask struct": structs(masks),
        "id": pa.array([bytes([number]) * 20 for number in range(6)]),
        "base64": pa.array([text(image) for image in images]),
        "text": pa.array(["word"] * 6),
        "nothing": pa.array([None] * 6, pa.binary()),
        "path struct": pa.array([{"bytes": None, "path": "x.png"}] * 6, STRUCT),
    }


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"mask": "mask", "image": "image"}, "image"),
        ({"id": "id", "image": "struct"}, "image"),
        ({"bytes": "mask", "picture of it": "struct"}, "picture of it"),
        ({"Segmentation Mask": "mask struct", "front": "struct"}, "front"),
        ({"image": "struct", "mask": "mask struct", "depth": "mask struct"}, "image"),
        ({"thumb": "mask", "IMG-Data": "image", "other": "mask"}, "IMG-Data"),
        ({"imageHash": "id", "file": "image", "sha256": "id"}, "file"),
        ({"image_id": "id", "blob": "image", "label": "mask"}, "blob"),
        ({"mask": "mask", "caption": "text"}, "mask"),
        ({"content": "id", "upload": "base64"}, "upload"),
        ({"image": "nothing", "id": "id"}, "image"),
        ({"image": "path struct", "audio": "mask struct"}, "image"),
        ({"photo": "image", "raw": "base64"}, "photo"),
    ],
)
def test_the_column_of_the_images_is_told_from_others(
    tmp_path: Path, picture: Picture, columns: dict[str, str], chosen: str
) -> None:
    made = columns_of(picture)
    pq.write_table(pa.table({name: made[what] for name, what in columns.items()}), tmp_path / "a.parquet")
    source = open_source("real", f"{tmp_path}/a.parquet")
    assert source.origin == f"from column {chosen} of {tmp_path}/a.parquet"
    # What else holds images is told, whatever its name.
    others = [name for name, what in columns.items() if name != chosen and what in ("image", "mask", "mask struct")]
    if others and columns[chosen] != "base64":
        assert f"other columns of images ({len(others)}, such as ::{others[0]})" in told(source)
    if columns[chosen] in ("image", "struct", "base64"):
        assert contents(source, list(source.entries())) == [picture(number) for number in range(6)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"front": "struct", "rear": "struct"}, "columns front and rear may each hold the images.*::front"),
        ({"image": "image", "jpg": "mask"}, "columns image and jpg"),
        ({"a": "image", "b": "mask", "c": "text"}, "columns a and b"),
        ({"mask": "mask", "depth": "image"}, "columns mask and depth"),
    ],
)
def test_several_columns_of_images_are_refused(
    tmp_path: Path, picture: Picture, columns: dict[str, str], message: str
) -> None:
    made = columns_of(picture)
    pq.write_table(pa.table({name: made[what] for name, what in columns.items()}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=message):
        open_source("real", f"{tmp_path}/a.parquet")
    named, other = list(columns)[:2]
    source = open_source("real", f"{tmp_path}/a.parquet::{named}")
    assert source.origin == f"from column {named} of {tmp_path}/a.parquet"
    assert other not in source.columns


@pytest.mark.parametrize("column", ["label", "id", "tags", "no such"])
def test_a_named_column_without_images_is_refused_with_what_there_is(
    tmp_path: Path, picture: Picture, column: str
) -> None:
    made = columns_of(picture)
    table = {"image": made["image"], "label": list(range(6)), "id": made["id"], "tags": [["x"]] * 6}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=rf"column {column}.* image \(binary\), label \(int64\), id") as caught:
        open_source("real", f"{tmp_path}/a.parquet::{column}")
    assert "\n" not in str(caught.value)


def test_a_table_of_paths_is_a_list_whatever_bytes_are_in_it(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "b.png").write_bytes(picture(2))
    pq.write_table(pa.table({"hash": [b"abc", b"def"], "path": ["b.png", "b.png"]}), tmp_path / "a.parquet")
    for location in ("a.parquet", "a.parquet::path"):
        source, entries = open_and_list(tmp_path / location)
        assert source.columns == {}
        assert contents(source, entries) == [picture(2)] * 2


def test_bytes_that_are_no_images_are_refused_where_nothing_names_paths(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"abc", b"def"], "label": ["cat", "dog"]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"no column holds images.* image \(binary\), label \(string\)"):
        open_source("real", f"{tmp_path}/a.parquet")


def test_files_that_lack_the_column_are_a_rejected_row_each(tmp_path: Path, picture: Picture) -> None:
    images = [picture(1), picture(2)]
    pq.write_table(pa.table({"image": images, "city": ["a", "b"], "n": [1, 2]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"jpg": images, "city": ["a", "b"], "n": [1, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"image": [1, 2]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"image": structs(images), "city": [5, 6]}), tmp_path / "3.parquet")
    (tmp_path / "4.parquet").write_bytes(b"\x1f\x8bno table")
    source, entries = open_and_list(tmp_path / "*.parquet")
    assert [entry.status for entry in entries] == ["listed"] * 2 + ["missing"] * 2 + ["listed"] * 2 + ["broken"]
    assert "no column image of images; there are jpg, city, n" in entries[2].error
    assert "compressed with gzip" in entries[6].error
    assert contents(source, [entry for entry in entries if entry.status == "listed"]) == images * 2
    # A column that has another type in a file would not fit the index.
    assert [entry.values for entry in entries[4:6]] == [{}, {}]
    assert "columns that a file lacks or has in another type" in told(source)
    entries = open_and_list(f"{tmp_path}/{{0,none}}.parquet")[1]
    assert [(entry.status, entry.error) for entry in entries[2:]] == [("missing", "there is no such file")]


def test_text_that_is_no_image_is_rejected_and_long_text_is_no_metadata(tmp_path: Path, picture: Picture) -> None:
    cells = [*[text(picture(1))] * 4, "no image!", None, "", "data:image/png,raw"]
    table = {"image": cells, "story": ["x" * 9000 + str(row) for row in range(8)], "a": ["b"] * 8}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    source, entries = open_and_list(tmp_path / "a.parquet")
    assert source.columns == {"a": "text"}
    statuses = []
    for entry in entries[4:]:
        with pytest.raises(Rejected) as caught:
            source.read(entry)
        statuses.append(caught.value.status)
    assert statuses == ["broken", "missing", "missing", "broken"]


def test_lists_that_claim_more_items_than_there_are_bytes_are_not_read(tmp_path: Path, picture: Picture) -> None:
    lists = pa.array([[None] * 1_000_000] * 3, pa.list_(pa.binary()))
    pq.write_table(pa.table({"image": lists, "jpg": [picture(1)] * 3}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    source, entries = open_and_list(tmp_path / "a.parquet")
    assert contents(source, entries) == [picture(1)] * 3
    with pytest.raises(SourceError, match="column image holds no images"):
        open_source("real", f"{tmp_path}/a.parquet::image")


def test_little_is_read_to_find_the_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)).save(file, "PNG")
    rows = [file.getvalue() + bytes([row]) for row in range(100)]
    pq.write_table(pa.table({"a": rows, "id": [b"abc"] * 100}), tmp_path / "a.parquet", write_batch_size=10)
    size, read = (tmp_path / "a.parquet").stat().st_size, 0

    class Counting(io.FileIO):
        def read(self, length: int | None = -1) -> bytes:
            nonlocal read
            data = super().read(-1 if length is None else length)
            read += len(data)
            return data

    monkeypatch.setattr("gapscope.sources.parquet.file.open_container", Counting)
    open_source("real", f"{tmp_path}/a.parquet")
    assert read < size / 3
