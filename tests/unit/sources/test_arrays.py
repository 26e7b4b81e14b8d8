"""Images in arrays: NumPy files, archives of them, Zarr and OME-Zarr; what is one picture, and what is none."""

import io
import tracemalloc
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from open_and_list import open_and_list, told

from gapscope.decode.picture import decode
from gapscope.errors import SourceError
from gapscope.settings import Preprocess
from gapscope.sources import Entry, Source, open_source
from gapscope.sources.rejects import Rejected


def numbered(shape: Sequence[int], dtype: str = "uint8") -> NDArray[Any]:
    """An array whose every value differs from its neighbors."""
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


def arrays(source: Source, entries: list[Entry]) -> list[NDArray[Any]]:
    return [np.load(io.BytesIO(source.read(entry))) for entry in entries]


@pytest.mark.parametrize("shape", [(5, 6, 8), (5, 6, 8, 1), (5, 6, 8, 3), (5, 6, 8, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
def test_rows_of_an_array_are_images(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    values: Any = (np.random.default_rng(0).random(shape) * (1 if dtype == "float32" else 200)).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    zarr.save_array(tmp_path / "a.zarr", values)
    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    group.create_array("deep/images", data=values, chunks=(2, *shape[1:]))
    for location in ("a.npy", "a.zarr", "group.zarr::deep/images"):
        source, entries = open_and_list(tmp_path / location)
        assert [entry.uri for entry in entries] == [f"{tmp_path}/{location}#{row}" for row in range(5)]
        for row in (0, 4, 1, 2, 3):
            np.testing.assert_array_equal(np.load(io.BytesIO(source.read(entries[row]))), values[row])


def test_rows_of_an_array_decode(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((1, 40, 40, 3), 90, np.uint8))
    source, entries = open_and_list(tmp_path / "a.npy")
    assert (decode(source.read(entries[0]), Preprocess(size=64)).pixels == 90).all()


@pytest.mark.parametrize("dtype", ["int8", "int16", ">i4", "int64", "uint64", "float16", "float64"])
def test_a_row_keeps_its_own_type(tmp_path: Path, dtype: str) -> None:
    values = numbered((2, 6, 8), dtype)
    np.save(tmp_path / "a.npy", values)
    rows = arrays(*open_and_list(tmp_path / "a.npy"))
    assert rows[0].dtype == np.dtype(dtype)
    np.testing.assert_array_equal(rows, values)


PICTURES = {
    "gray": ((48, 64), (48, 64), None),
    "rgb": ((48, 64, 3), (48, 64, 3), None),
    "rgba": ((48, 64, 4), (48, 64, 4), None),
    "thin": ((48, 64, 1), (48, 64, 1), None),
    "channels first": ((3, 48, 64), (48, 64, 3), (1, 2, 0)),
}


@pytest.mark.parametrize(("shape", "expected", "order"), PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("store", ["npy", "npz", "zarr"])
def test_one_picture_is_one_image_and_told(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...], order: Any, store: str
) -> None:
    values = numbered(shape)
    save(tmp_path / f"a.{store}", {"scan": values} if store == "npz" else values)
    source, entries = open_and_list(tmp_path / f"a.{store}")
    (row,) = arrays(source, entries)
    assert row.shape == expected
    np.testing.assert_array_equal(row, values.transpose(order) if order else values)
    assert "is one picture of 48 x 64 pixels" in told(source)
    assert ("channels first" in told(source)) == (order is not None)


def save(path: Path, values: Any, *, packed: bool = False) -> None:
    if path.suffix == ".npz":
        (np.savez_compressed if packed else np.savez)(path, **values)
    elif path.suffix == ".zarr":
        zarr.save_array(path, values)
    else:
        np.save(path, values)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((5, 3, 48, 64), (0, 2, 3, 1)),
        ((5, 1, 48, 64), (0, 2, 3, 1)),
        ((5, 4, 48, 64), (0, 2, 3, 1)),
        # Both could be the channels.
        ((5, 3, 48, 4), None),
        ((5, 3, 48, 1), None),
    ],
)
@pytest.mark.parametrize("store", ["npy", "zarr"])
def test_channels_that_come_first_are_put_last(tmp_path: Path, shape: tuple[int, ...], order: Any, store: str) -> None:
    values = numbered(shape)
    save(tmp_path / f"a.{store}", values)
    source, entries = open_and_list(tmp_path / f"a.{store}")
    assert len(entries) == 5
    np.testing.assert_array_equal(arrays(source, entries), values.transpose(order) if order else values)
    assert ("come before height and width" in told(source)) == (order is not None)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((5, 48, 64, 8), "uint8", "seem to have 8; which of them to keep is yours to choose"),
        ((5, 13, 48, 64), "uint16", "seem to have 13"),
        ((480, 640, 8), "uint8", "seem to have 8"),
        ((480, 640, 2), "uint8", "seem to have 2"),
        ((7,), "uint8", r"\(7,\) uint8: an array of images has the shape \(N, H, W\)"),
        ((2, 3, 4, 5, 6), "uint8", "an array of images has the shape"),
        ((3, 0, 4, 3), "uint8", "no pixels"),
        ((3, 8, 8), "complex64", "holds integers, floats or booleans"),
        ((3, 8, 8), "datetime64[s]", "holds integers, floats or booleans"),
    ],
)
def test_an_array_that_is_no_images_says_why(tmp_path: Path, shape: tuple[int, ...], dtype: str, message: str) -> None:
    save(tmp_path / "a.npy", np.zeros(shape, dtype))
    save(tmp_path / "a.npz", {"x": np.zeros(shape, dtype)})
    for name in ("a.npy", "a.npz", "a.npz::x"):
        with pytest.raises(SourceError, match=message) as caught:
            open_source("real", str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_what_cannot_be_read_as_an_array_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_text("words")
    (tmp_path / "bad.npz").write_text("words")
    (tmp_path / "gzip.npy").write_bytes(b"\x1f\x8b" + bytes(99))
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.zeros((3, 4, 5), np.uint8)))
    np.savez(tmp_path / "columns.npz", a=np.asfortranarray(np.zeros((3, 4, 5), np.uint8)))
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object))
    np.savez(tmp_path / "objects.npz", a=np.array([{}, {}], object))
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.uint8))
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    for location, message in {
        "bad.npy": "cannot be read as a NumPy file",
        "bad.npz": "cannot be read as an archive of NumPy files: it has no table of contents",
        "gzip.npy": "it is compressed with gzip; unpack it",
        "columns.npy": "Fortran order",
        "columns.npz": "Fortran order",
        "objects.npy": "pickled Python objects, which may run code",
        "objects.npz": "pickled Python objects, which may run code",
        "a.npy::b": "holds one array",
        "group.zarr": "holds no array of images",
        "none.zarr": "cannot be read as Zarr",
        "none.npy": "no such file",
        "none.npz": "no such file",
        "vectors:a.npy": "vectors have the shape",
    }.items():
        prefix, colon, name = location.rpartition("vectors:")
        with pytest.raises(SourceError, match=message) as caught:
            open_source("real", f"{prefix}{colon}{tmp_path}/{name}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("store", ["npy", "npz", "zarr"])
def test_images_before_a_source_makes_floats_a_picture(tmp_path: Path, store: str) -> None:
    values = numbered((48, 64), "float32")
    save(tmp_path / f"a.{store}", {"x": values} if store == "npz" else values)
    assert len(list(open_source("real", f"{tmp_path}/a.{store}").entries())) == 48
    source, entries = open_and_list(f"images:{tmp_path}/a.{store}")
    assert source.location == f"images:{tmp_path}/a.{store}"
    assert all(entry.uri.startswith(f"{tmp_path}/a.{store}") for entry in entries)
    np.testing.assert_array_equal(arrays(source, entries), [values])


def test_images_may_stand_before_any_source_and_no_other_word_may(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    (folder / "list.txt").write_text("a.png\n")
    (folder / "images:x").mkdir()
    (folder / "images:x" / "c.png").write_bytes((folder / "a.png").read_bytes())
    for location, count in {".": 5, "*.png": 2, "list.txt": 1}.items():
        source, entries = open_and_list(f"images:{location}")
        assert source.location.startswith(f"images:{folder}")
        assert len(entries) == count
    assert len(open_and_list("./images:x")[1]) == 1
    for odd in ("Images:a.npy", "image:a.npy", "C:a.npy", "images::a.npy"):
        with pytest.raises(SourceError, match=r"no such file|there is no folder"):
            open_source("real", odd)


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_of_an_archive_are_read_by_rows(tmp_path: Path, packed: bool) -> None:
    values = np.random.default_rng(0).integers(0, 4, (600, 40, 50, 3), np.uint8)
    save(tmp_path / "a.npz", {"labels": np.arange(600), "images": values, "K": np.eye(3)}, packed=packed)
    for location in ("a.npz", "a.npz::images", "a.npz::images.npy"):
        source, entries = open_and_list(tmp_path / location)
        assert [entry.uri for entry in entries] == [f"{tmp_path}/a.npz::images#{row}" for row in range(600)]
        assert told(source) == f"in array images of {tmp_path}/a.npz; "
    with ThreadPoolExecutor(4) as threads:
        for rows in (range(600), range(599, -1, -97), (5, 400, 6, 401)):
            read = threads.map(lambda row: np.load(io.BytesIO(source.read(entries[row]))), rows)
            np.testing.assert_array_equal(list(read), values[list(rows)])


def test_an_array_whose_own_name_ends_as_its_file_does_can_be_named(tmp_path: Path) -> None:
    values = {"x.npy": numbered((5, 20, 30)), "x": numbered((6, 20, 30)), "y.npy": numbered((7, 20, 30))}
    save(tmp_path / "a.npz", values)
    for given, name in (("x.npy", "x.npy"), ("x", "x"), ("x.npy.npy", "x.npy"), ("y.npy", "y.npy")):
        source, entries = open_and_list(f"{tmp_path}/a.npz::{given}")
        assert entries[0].uri == f"{tmp_path}/a.npz::{name}#0"
        np.testing.assert_array_equal(arrays(source, entries), values[name])
    with pytest.raises(SourceError, match=r"there is no array y; there are x\.npy, x, y\.npy"):
        open_source("real", f"{tmp_path}/a.npz::y")
    save(tmp_path / "b.npz", {"y.npy": values["y.npy"]})
    assert len(open_and_list(tmp_path / "b.npz")[1]) == 7


def test_a_large_packed_array_takes_little_memory(tmp_path: Path) -> None:
    head = {"descr": "|u1", "fortran_order": False, "shape": (120, 1000, 1000)}
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, head)
        for row in range(120):
            member.write(bytes([row]) * 1_000_000)
    source, entries = open_and_list(tmp_path / "a.npz")
    tracemalloc.start()
    for row in (0, 119, 60, 61):
        assert np.load(io.BytesIO(source.read(entries[row])))[[0, -1], [0, -1]].tolist() == [row, row]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000


def test_an_archive_that_claims_more_than_it_holds_is_refused_or_rejected(tmp_path: Path) -> None:
    def write(shape: tuple[int, ...], data: bytes) -> None:
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", file.getvalue() + data)

    write((10**12, 20, 20), bytes(4000))
    with pytest.raises(SourceError, match="cut off: it holds 10 of the 1,000,000,000,000 images"):
        open_source("real", f"{tmp_path}/a.npz")
    write((10, 20, 20), bytes(4000))
    whole = (tmp_path / "a.npz").read_bytes()
    size = (4000 + 128).to_bytes(4, "little")
    (tmp_path / "b.npz").write_bytes(whole.replace(size, (10**9).to_bytes(4, "little")))
    with pytest.raises(SourceError, match="can unpack to"):
        open_source("real", f"{tmp_path}/b.npz")
    write((10, 20, 20), bytes(2000))
    half = (2000 + 128).to_bytes(4, "little")
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes().replace(half, size))
    source, entries = open_and_list(tmp_path / "c.npz")
    assert len(arrays(source, entries[:5])) == 5
    with pytest.raises(Rejected) as caught:
        source.read(entries[5])
    assert caught.value.status == "broken"


def group(path: Path, stored: dict[str, NDArray[Any]]) -> None:
    root = zarr.open_group(path, mode="w")
    for name, values in stored.items():
        root.create_array(name, data=values)


@pytest.mark.parametrize("store", ["npz", "zarr"])
def test_several_arrays_of_images_are_refused_with_their_names(tmp_path: Path, store: str) -> None:
    stored = {
        "b": numbered((4, 20, 30, 3)),
        "a": numbered((5, 20, 30)),
        "labels": np.arange(5),
        "flat": numbered((5, 9)),
    }
    if store == "npz":
        save(tmp_path / "a.npz", stored)
    else:
        group(tmp_path / "a.zarr", {f"deep/{name}" if name == "a" else name: one for name, one in stored.items()})
    listed = {
        "npz": r"name one of a\.npz::b \(4, 20, 30, 3\) uint8, a\.npz::a \(5, 20, 30\) uint8$",
        "zarr": r"name one of a\.zarr::b \(4, 20, 30, 3\) uint8, a\.zarr::deep/a \(5, 20, 30\) uint8$",
    }
    with pytest.raises(SourceError, match=listed[store]):
        open_source("real", f"{tmp_path}/a.{store}")
    name = "a" if store == "npz" else "deep/a"
    source, entries = open_and_list(f"{tmp_path}/a.{store}::{name}")
    np.testing.assert_array_equal(arrays(source, entries), stored["a"])
    assert source.origin == f"in array {name} of {tmp_path}/a.{store}"
    if store == "zarr":
        assert len(open_and_list(f"{tmp_path}/a.zarr::deep")[1]) == 5
    with pytest.raises(SourceError, match=r"no array nowhere|cannot be read as Zarr"):
        open_source("real", f"{tmp_path}/a.{store}::nowhere")


def test_a_group_with_one_array_of_images_needs_no_name(tmp_path: Path) -> None:
    values = numbered((5, 20, 30))
    group(tmp_path / "folder", {"x/images": values, "x/labels": np.arange(5), "x/box": numbered((5, 4), "int64")})
    source, entries = open_and_list(tmp_path / "folder")
    np.testing.assert_array_equal(arrays(source, entries), values)
    assert [entry.uri for entry in entries] == [f"{tmp_path}/folder::x/images#{row}" for row in range(5)]
    assert source.origin == f"in array x/images of {tmp_path}/folder"


def write_ome(path: Path, version: str, axes: str, full: NDArray[Any], chunks: tuple[int, ...]) -> None:
    root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    for number, values in enumerate((full, full[..., ::2, ::2])):
        root.create_array(f"res/{number}", shape=values.shape, dtype=values.dtype, chunks=chunks)[...] = values
    kinds = {"c": "channel", "t": "time"}
    multiscale = {
        "axes": [{"name": name, "type": kinds.get(name, "space")} for name in axes],
        "datasets": [{"path": f"res/{number}"} for number in range(2)],
    }
    if version == "0.4":
        root.attrs["multiscales"] = [multiscale | {"version": "0.4"}]
    else:
        root.attrs["ome"] = {"version": version, "multiscales": [multiscale]}


OME = {
    "tczyx": ((2, 3, 5, 12, 16), (0, 2, 3, 4, 1)),
    "czyx": ((3, 5, 12, 16), (1, 2, 3, 0)),
    "tzyx": ((2, 5, 12, 16), (0, 1, 2, 3)),
    "zcyx": ((5, 1, 12, 16), (0, 2, 3, 1)),
    "cyx": ((4, 12, 16), (1, 2, 0)),
    "yx": ((12, 16), (0, 1)),
}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", OME)
def test_ome_zarr_gives_its_full_resolution(tmp_path: Path, axes: str, version: str) -> None:
    shape, order = OME[axes]
    full = numbered(shape, "uint16")
    write_ome(tmp_path / "a.ome.zarr", version, axes, full, tuple(min(2, size) if size < 9 else 8 for size in shape))
    source, entries = open_and_list(tmp_path / "a.ome.zarr")
    image_shape = (12, 16, shape[axes.index("c")]) if "c" in axes else (12, 16)
    expected = full.transpose(order).reshape(-1, *image_shape)
    assert entries[0].uri == f"{tmp_path}/a.ome.zarr::res/0#0"
    np.testing.assert_array_equal(arrays(source, entries), expected)
    np.testing.assert_array_equal(arrays(source, entries[::-1]), expected[::-1])
    assert f"the axes are {', '.join(axes)}" in told(source)
    source, entries = open_and_list(f"{tmp_path}/a.ome.zarr::res/1")
    np.testing.assert_array_equal(arrays(source, entries), expected[:, ::2, ::2])


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("tcyx", (2, 5, 12, 16), "with the axes t, c, y, x: it has 5 channels"),
        ("tyxc", (2, 12, 16, 3), "with the axes t, y, x, c: y and x must come last"),
        ("qyx", (2, 12, 16), "does not know q"),
        ("zyx", (2, 2, 12, 16), "each axis needs a name"),
    ],
)
def test_ome_zarr_with_other_axes_is_refused_by_their_names(
    tmp_path: Path, axes: str, shape: tuple[int, ...], message: str
) -> None:
    write_ome(tmp_path / "a.zarr", "0.5", axes, numbered(shape), shape)
    with pytest.raises(SourceError, match=message):
        open_source("real", str(tmp_path / "a.zarr"))


def test_a_plate_of_ome_zarr_images_lists_them(tmp_path: Path) -> None:
    for number in range(2):
        write_ome(tmp_path / "a.zarr" / str(number), "0.5", "zyx", numbered((4, 12, 16)), (1, 12, 16))
    (tmp_path / "a.zarr" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(SourceError, match=r"a\.zarr::0/res/0 \(4, 12, 16\) uint8, a\.zarr::1/res/0 "):
        open_source("real", f"{tmp_path}/a.zarr")
    assert len(open_and_list(f"{tmp_path}/a.zarr::1")[1]) == 4


def test_of_a_store_only_the_chunks_of_the_images_are_read(tmp_path: Path) -> None:
    full = numbered((6, 12, 16))
    write_ome(tmp_path / "a.zarr", "0.5", "zyx", full, (2, 12, 16))
    for chunk in (tmp_path / "a.zarr" / "res" / "0" / "c").glob("[12]/0/0"):
        chunk.write_bytes(b"damaged")
    source, entries = open_and_list(tmp_path / "a.zarr")
    np.testing.assert_array_equal(arrays(source, entries[:2]), full[:2])
    with pytest.raises(Rejected) as caught:
        source.read(entries[2])
    assert caught.value.status == "unreadable"


def test_an_image_that_no_memory_holds_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    shape = (2, 2**17, 2**17)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(1, 64, 64), dtype="uint8")
    source, entries = open_and_list(tmp_path / "a.zarr")
    with pytest.raises(Rejected) as caught:
        source.read(entries[0])
    assert caught.value.status == "too-large"
