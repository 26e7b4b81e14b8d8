"""Vectors that datasets bring: where they are read from, how levels are called, and what is refused."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import zarr
from numpy.typing import NDArray

from gapscope import SourceError
from gapscope.sources import open_source
from gapscope.sources.notes import ListingNotes
from gapscope.sources.vectors.dataset import VectorDataset, has_images, vectors_of
from gapscope.sources.vectors.vectors import MemoryVectors, Vectors, level_name

ROWS, LENGTH = 50, 12
VALUES = np.random.default_rng(5).normal(size=(ROWS, LENGTH)).astype(np.float32)


def lists(values: NDArray[Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def table(**columns: Any) -> pa.Table:
    return pa.table({"path": [f"{row}.jpg" for row in range(ROWS)], "clip": lists(VALUES)} | columns)


def write_ipc(path: Path, content: pa.Table, *, stream: bool) -> None:
    writer = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, writer(file, content.schema) as sink:
        sink.write_table(content, 7)


WRITERS: Mapping[str, Callable[[Path], object]] = {
    "v.npy": lambda path: np.save(path, VALUES),
    "v.npz": lambda path: np.savez(path, clip=VALUES, labels=np.arange(ROWS)),
    "packed.npz": lambda path: np.savez_compressed(path, clip=VALUES),
    "v.zarr": lambda path: zarr.open_group(path, mode="w").create_array("clip", data=VALUES, chunks=(8, 5)),
    "v.parquet": lambda path: pq.write_table(table().drop_columns("path"), path, row_group_size=9),
    "ragged.parquet": lambda path: pq.write_table(pa.table({"clip": [row.tolist() for row in VALUES]}), path),
    "v.arrow": lambda path: write_ipc(path, table().drop_columns("path"), stream=False),
    "stream.arrow": lambda path: write_ipc(path, table().drop_columns("path"), stream=True),
}


def vectors_in(location: Path | str) -> Mapping[str, Vectors]:
    return vectors_of(open_source("real", str(location)))


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_gives_the_same_vectors_in_any_order(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    own = vectors_in(tmp_path / name)
    (level,) = own
    assert level == ("vectors" if name == "v.npy" else "clip")
    vectors = own[level]
    assert vectors.shape == (ROWS, LENGTH)
    expected = VALUES.astype(vectors.dtype)
    for start, stop in ((0, 7), (7, ROWS), (3, 21), (0, ROWS), (40, ROWS + 9)):
        np.testing.assert_array_equal(vectors.read(start, stop), expected[start:stop])


@pytest.mark.parametrize(("stored", "kept"), [("f2", "f2"), ("f4", "f4"), ("f8", "f4"), (">f4", "f4")])
def test_float16_and_float32_stay_as_they_are(stored: str, kept: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VALUES.astype(stored))
    (vectors,) = vectors_in(tmp_path / "v.npy").values()
    assert vectors.dtype == np.dtype(kept)
    np.testing.assert_array_equal(vectors.read(0, ROWS), VALUES.astype(stored).astype(kept))


def test_two_dimensions_of_floats_are_vectors_and_of_integers_a_picture_unless_a_word_decides(tmp_path: Path) -> None:
    np.save(tmp_path / "floats.npy", VALUES)
    np.save(tmp_path / "integers.npy", np.arange(600).reshape(20, 30))

    def kind(location: str) -> tuple[bool, int, str]:
        source, notes = open_source("real", location), ListingNotes()
        return isinstance(source, VectorDataset), len(list(source.entries(notes))), notes.describe()

    floats, integers = str(tmp_path / "floats.npy"), str(tmp_path / "integers.npy")
    is_vectors, count, told = kind(floats)
    assert (is_vectors, count) == (True, ROWS)
    assert "floats of two dimensions are vectors; write images: before the source if not" in told
    assert kind(f"images:{floats}")[:2] == (False, 1)
    is_vectors, count, told = kind(integers)
    assert (is_vectors, count) == (False, 1)
    assert "one picture of 20 x 30 pixels; write vectors: before the source" in told
    assert kind(f"vectors:{integers}")[:2] == (True, 20)


def test_a_level_is_called_as_its_column_or_as_is_given(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VALUES)
    np.savez(tmp_path / "v.npz", clip=VALUES, dino=VALUES[:, :4])
    pq.write_table(table(**{"a.b": lists(VALUES)}), tmp_path / "t.parquet")
    assert list(vectors_in(f"{tmp_path}/v.npy::mine")) == ["mine"]
    assert list(vectors_in(f"{tmp_path}/v.npz")) == ["clip", "dino"]
    assert list(vectors_in(f"{tmp_path}/v.npz::dino")) == ["dino"]
    assert list(vectors_in(f"{tmp_path}/t.parquet::clip,a.b")) == ["clip", "a_b"]
    assert level_name("x" * 99) == "x" * 32


def test_a_table_that_names_images_is_a_list_until_a_column_of_vectors_is_named(tmp_path: Path) -> None:
    pq.write_table(table(label=["u", "v"] * 25), tmp_path / "t.parquet")
    assert not vectors_in(tmp_path / "t.parquet")
    source = open_source("real", f"{tmp_path}/t.parquet::clip")
    assert list(vectors_of(source)) == ["clip"]
    assert [entry.values["label"] for entry in source.entries()] == ["u", "v"] * 25
    # None of the images is there, and names are no files then.
    assert not has_images(source)
    (tmp_path / "0.jpg").write_bytes(b"bytes of an image")
    source = open_source("real", f"{tmp_path}/t.parquet::clip")
    first = next(iter(source.entries()))
    assert has_images(source)
    assert first.uri == str(tmp_path / "0.jpg")
    assert source.read(first) == b"bytes of an image"


def test_an_arrow_file_lists_no_images_so_that_its_vectors_are_meant(tmp_path: Path) -> None:
    write_ipc(tmp_path / "t.arrow", table(), stream=False)
    source = open_source("real", str(tmp_path / "t.arrow"))
    assert list(vectors_of(source)) == ["clip"]
    assert [entry.uri for entry in source.entries()][:2] == ["0.jpg", "1.jpg"]


def test_a_table_with_images_in_it_gives_them_beside_its_vectors(tmp_path: Path) -> None:
    images = [{"bytes": b"\xff\xd8\xff" + bytes([row]) * 40, "path": f"{row}.jpg"} for row in range(ROWS)]
    pq.write_table(pa.table({"image": images, "clip": lists(VALUES)}), tmp_path / "t.parquet")
    source = open_source("real", f"{tmp_path}/t.parquet::clip")
    entries = list(source.entries())
    assert source.read(entries[3]) == images[3]["bytes"]


def test_rows_without_a_vector_of_the_right_length_are_nan(tmp_path: Path) -> None:
    rows: list[list[float] | None] = [row.tolist() for row in VALUES]
    rows[3], rows[4] = [1.0, 2.0], None
    pq.write_table(pa.table({"clip": rows}), tmp_path / "t.parquet")
    (vectors,) = vectors_in(tmp_path / "t.parquet").values()
    values = vectors.read(0, ROWS)
    assert np.flatnonzero(np.isnan(values).all(axis=1)).tolist() == [3, 4]
    np.testing.assert_array_equal(np.delete(values, [3, 4], 0), np.delete(VALUES, [3, 4], 0))


def test_a_row_that_is_named_again_is_another_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "a"], "clip": lists(VALUES[:3])}), tmp_path / "t.parquet")
    notes = ListingNotes()
    entries = open_source("real", f"{tmp_path}/t.parquet").entries(notes)
    assert [entry.uri for entry in entries] == ["a", "b", "a#2"]
    assert "named again" in notes.describe()


@pytest.mark.parametrize("kind", ["numpy", "torch", "bfloat16", "zarr", "lists"])
def test_arrays_of_every_library_are_vectors(kind: str) -> None:
    arrays: dict[str, Any] = {
        "numpy": VALUES,
        "torch": torch.from_numpy(VALUES).requires_grad_(),
        "bfloat16": torch.from_numpy(VALUES).bfloat16(),
        "zarr": zarr.create_array({}, data=VALUES),
        "lists": VALUES.tolist(),
    }
    vectors = MemoryVectors("real::clip", arrays[kind])
    tolerance = 1e-2 if kind == "bfloat16" else 0
    np.testing.assert_allclose(vectors.read(10, 30), VALUES[10:30], rtol=tolerance)
    assert vectors.dtype == np.float32


def test_a_signature_differs_where_the_numbers_do() -> None:
    other = VALUES.copy()
    other[-1, -1] += 1
    signatures = {MemoryVectors("v", values).signature for values in (VALUES, VALUES.copy(), other, VALUES[:-1])}
    assert len(signatures) == 3


def bad_archives(folder: Path) -> dict[str, str]:
    np.save(folder / "empty.npy", VALUES[:0])
    np.save(folder / "texts.npy", np.array([["a", "b"]]))
    np.save(folder / "deep.npy", VALUES.reshape(5, 10, 12))
    np.save(folder / "columns.npy", np.asfortranarray(VALUES))
    np.savez(folder / "counts.npz", a=VALUES, b=VALUES[:-1])
    twice: dict[str, Any] = {"a.b": VALUES, "a_b": VALUES}
    np.savez(folder / "twice.npz", **twice)
    (folder / "cut.npy").write_bytes((folder / "columns.npy").read_bytes()[:900].replace(b"True", b"False"))
    np.save(folder / "whole.npy", VALUES)
    (folder / "cut.npy").write_bytes((folder / "whole.npy").read_bytes()[:900])
    pq.write_table(table(whole=pa.array([[1, 2]] * ROWS)), folder / "t.parquet")
    write_ipc(folder / "t.arrow", pa.table({"path": ["a.jpg"]}), stream=False)
    (folder / "words.arrow").write_text("no Arrow file")
    return {
        "vectors:empty.npy": "this is 0 x 12",
        "vectors:texts.npy": "vectors are floats",
        "vectors:deep.npy": "this is 5 x 10 x 12",
        "columns.npy": "Fortran order",
        "counts.npz": "different numbers of vectors at its levels: a 50, b 49",
        "twice.npz": "both be level a_b",
        "cut.npy": "cut off",
        "t.parquet::whole": "holds integers (int64), and vectors are floats",
        "t.parquet::clip,path": "column path holds no vectors; there are clip, whole",
        "vectors:t.parquet::path": "column path holds no vectors",
        "t.arrow": "is an Arrow file without vectors",
        "words.arrow": "cannot be read as an Arrow file",
        "vectors:.": "vectors are read from .npy, .npz, .parquet, .zarr, .arrow, .feather",
        "whole.npy::all": "another name than all",
    }


def test_what_is_no_vectors_is_refused_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for location, message in bad_archives(tmp_path).items():
        with pytest.raises(SourceError, match=re.escape(message)) as refused:
            open_source("real", location)
        assert "\n" not in str(refused.value), location


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((3, 4), np.int64), "holds integers (int64)"),
        (np.ones(5), "this is 5"),
        ([[1.0], [1.0, 2.0]], "is no array of vectors"),
        (np.array([["a"]]), "vectors are floats"),
    ],
)
def test_arrays_that_are_no_vectors_are_refused(array: Any, message: str) -> None:
    with pytest.raises(SourceError, match=re.escape(message)):
        MemoryVectors("real::clip", array)
