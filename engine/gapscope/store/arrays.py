"""Arrays of results: created whole, checked for missing chunks, and marked done once they are on disk."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import SuffixByteRequest
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from gapscope.errors import DamageError
from gapscope.store.ahead import map_ahead
from gapscope.store.atomic import flush
from gapscope.store.location import Location, zarr_store
from gapscope.store.run_store import RunStore

CHUNK_ROWS = 65536
"""Rows per chunk."""
_CRC_BYTES = 4
_REQUESTS = 16
_WORTH_THREADS = 3
"""Threads read an array from so many chunks on."""


def row_slices(count: int) -> Iterator[slice]:
    """Yield slices of `CHUNK_ROWS` of so many rows, the last one shorter: what is read of a large array at a time.

    Example:
        >>> [(part.start, part.stop) for part in row_slices(100_000)]
        [(0, 65536), (65536, 100000)]
    """
    for start in range(0, count, CHUNK_ROWS):
        yield slice(start, min(start + CHUNK_ROWS, count))


def positions_of(rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each wanted row in ascending distinct `rows`; any position for a row that is not there.

    Where no row is left out, which is usual, nothing is searched.

    Example:
        >>> positions_of(np.array([0, 1, 2]), np.array([2, -1])), positions_of(np.array([4, 7]), np.array([7, 9]))
        (array([2, 0]), array([1, 1]))
    """
    last = len(rows) - 1
    found = wanted if rows[0] == 0 and rows[-1] == last else np.searchsorted(rows, wanted)
    return found.clip(0, last)


def create_array(
    run: RunStore, path: str, shape: tuple[int, ...], dtype: np.dtype[Any], fill_value: float | None = None
) -> zarr.Array[Any]:
    """Create an array in place of an existing one.

    Args:
        run: the run.
        path: of the array within the run, such as `layout.zarr/P3`.
        shape: of the array.
        dtype: of its values.
        fill_value: what stands where nothing is written; -1 for integers and NaN for floats by default.
    """
    store, _, member = path.partition("/")
    zarr.open_group(zarr_store(run.path / store), mode="a", zarr_format=3)
    if fill_value is None:
        fill_value = -1 if dtype.kind == "i" else float("nan")
    run.close(path)
    return zarr.create_array(
        zarr_store(run.path / store),
        name=member,
        shape=shape,
        dtype=dtype,
        chunks=(max(1, min(shape[0], CHUNK_ROWS)), *shape[1:]),
        compressors=[ZstdCodec(level=0), Crc32cCodec()],
        fill_value=fill_value,
        config={"write_empty_chunks": True},
        overwrite=True,
    )


def write_array(run: RunStore, path: str, values: NDArray[Any], attributes: Mapping[str, Any] | None = None) -> None:
    """Write a whole array and its attributes, and mark it done last."""
    array = create_array(run, path, values.shape, values.dtype)
    array[...] = values
    mark_array_done(run, path, array, attributes)


def mark_array_done(
    run: RunStore, path: str, array: "zarr.Array[Any]", attributes: Mapping[str, Any] | None = None
) -> None:
    """Record that an array is on disk, whole; it is flushed first."""
    flush(run.path / path)
    array.attrs.update({**(attributes or {}), "done": True})


def read_array(run: RunStore, path: str) -> NDArray[Any]:
    """Return all values of an array.

    Raises:
        DamageError: a chunk is missing.
    """
    check_chunks(run, path)
    return np.asarray(run.array(path)[...])


def check_chunks(run: RunStore, path: str) -> None:
    """Check that an array is there whole, before some of it is read.

    Raises:
        DamageError: a chunk is missing.
    """
    if lacks_chunks(run, path):
        raise DamageError(f"{run.path / path} lacks a part; see `gapscope verify {run.path}`")


def take_rows(array: "zarr.Array[Any]", rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows of an array, in any order, reading a chunk at a time."""
    if not len(rows):
        return np.empty((0, *array.shape[1:]), array.dtype)
    order = np.argsort(rows, kind="stable")
    taken = take_ascending(array, rows[order])
    values = np.empty_like(taken)
    values[order] = taken
    return values


def take_ascending(array: "zarr.Array[Any]", rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return ascending rows of an array, reading a chunk at a time."""
    if not len(rows):
        return np.empty((0, *array.shape[1:]), array.dtype)
    cuts = np.searchsorted(rows, np.arange(0, array.shape[0] + CHUNK_ROWS, CHUNK_ROWS))
    parts = [rows[first:last] for first, last in pairwise(cuts) if first < last]
    if len(parts) < _WORTH_THREADS:
        taken = [_take_from_chunk(array, part) for part in parts]
        return taken[0] if len(taken) == 1 else np.concatenate(taken)
    return np.concatenate(list(map_ahead(lambda part: _take_from_chunk(array, part), parts)))


def _take_from_chunk(array: "zarr.Array[Any]", rows: NDArray[np.int64]) -> NDArray[Any]:
    first, last = int(rows[0]), int(rows[-1])
    values = np.asarray(array[first : last + 1])
    return values if len(rows) == last + 1 - first else values[rows - first]


def chunk_checksums(run: RunStore, path: str) -> bytes:
    """Return the CRC-32C of each chunk of an array, four bytes each: they change with the content.

    A chunk ends with its checksum, so little is read. A chunk that is missing adds nothing.
    """
    array = run.array(path)
    store, folder = array.store, array.path
    chunks = [(number, *[0] * (array.ndim - 1)) for number in range(array.cdata_shape[0])]

    def checksum(chunk: tuple[int, ...]) -> bytes:
        name = f"{folder}/{array.metadata.encode_chunk_key(chunk)}"
        end = sync(store.get(name, default_buffer_prototype(), SuffixByteRequest(_CRC_BYTES)))
        return b"" if end is None else end.to_bytes()

    return b"".join(map_ahead(checksum, chunks, _REQUESTS))


def lacks_chunks(run: RunStore, path: str) -> bool:
    """Return whether an array that is marked done lacks a chunk, which would be read as the fill value."""
    try:
        array = run.open_array(path)
    except FileNotFoundError:
        return False
    return bool(array.attrs.get("done", False)) and array.nchunks_initialized != array.nchunks


def is_done(run: RunStore, path: str) -> bool:
    """Return whether an array is on disk, whole."""
    return bool(array_attributes(run, path).get("done", False)) and not lacks_chunks(run, path)


def has_array(run: RunStore, path: str) -> bool:
    """Return whether an array is there, whole or not."""
    try:
        run.open_array(path)
    except FileNotFoundError:
        return False
    return True


def array_attributes(run: RunStore, path: str) -> dict[str, Any]:
    """Return an array's attributes as they are on disk now; nothing where there is no such array."""
    try:
        return dict(run.open_array(path).attrs.asdict())
    except FileNotFoundError:
        return {}


def member_names(store: Location) -> list[str]:
    """Return the names of a Zarr store's arrays and groups, sorted; nothing where there is no such store."""
    try:
        return sorted(name for name, _ in zarr.open_group(zarr_store(store), mode="r").members())
    except FileNotFoundError:
        return []
