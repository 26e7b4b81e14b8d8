"""Vectors in arrays of two dimensions: in a NumPy file, an archive of NumPy files, or a Zarr store."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError, one_line
from gapscope.sources.arrays.layout import describe_array
from gapscope.sources.arrays.numpy_rows import archive_headers, archived_bytes, read_header
from gapscope.sources.arrays.zarr_rows import open_zarr_node, zarr_arrays
from gapscope.sources.files import modified_ns_if_there, open_container, read_part, size_of
from gapscope.sources.rejects import Rejected
from gapscope.sources.vectors.vectors import (
    UNNAMED,
    Vectors,
    add_level,
    as_kept,
    check_shape,
    kept_dtype,
    level_name,
)

if TYPE_CHECKING:
    import zarr

_MAX_CHUNK_BYTES = 2**30
_READ_BYTES = 64 * 2**20


class NumpyVectors:
    """Vectors in a NumPy file, or in a member of an archive of such files.

    Args:
        where: of the file or the member, for messages.
        read: returns a number of bytes from an offset in the file on.
        size: length of the file in bytes.
        signature: a text that differs where the file does.
        integers: whether the user said that integers are vectors.

    Raises:
        SourceError: it holds no vectors, or less than it claims.
    """

    def __init__(
        self, where: str, read: Callable[[int, int], bytes], size: int, signature: str, *, integers: bool
    ) -> None:
        header = read_header(where, read, size)
        self.where, self.signature = where, signature
        self._read, self._start, self._stored = read, header.length, header.dtype
        self.shape = check_shape(header.shape, where)
        self.dtype = kept_dtype(header.dtype, where, integers=integers)
        if header.fortran_order and min(self.shape) > 1:
            raise SourceError(f"{where}: is stored in Fortran order; save it in C order (numpy.ascontiguousarray)")
        self._row_bytes = self.shape[1] * header.dtype.itemsize
        n_rows = (size - self._start) // self._row_bytes
        if n_rows < self.shape[0]:
            raise SourceError(f"{where}: is cut off: it holds {n_rows:,} of the {self.shape[0]:,} vectors it claims")

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the vectors of images `start` to `stop` (exclusive)."""
        stop = min(stop, self.shape[0])
        values = np.empty((max(stop - start, 0), self.shape[1]), self.dtype)
        step = max(1, _READ_BYTES // self._row_bytes)
        for first in range(start, stop, step):
            rows = min(step, stop - first)
            try:
                data = self._read(self._start + first * self._row_bytes, rows * self._row_bytes)
            except Rejected as error:
                raise SourceError(f"{self.where}: cannot be read ({one_line(error)})") from error
            stored = np.frombuffer(data, self._stored).reshape(rows, self.shape[1])
            values[first - start : first - start + rows] = as_kept(stored, self.dtype)
        return values


class ZarrVectors:
    """Vectors in an array of a Zarr store.

    Args:
        where: of the array, for messages.
        array: the array.
        signature: a text that differs where the store does.
        integers: whether the user said that integers are vectors.

    Raises:
        SourceError: it holds no vectors.
    """

    def __init__(self, where: str, array: "zarr.Array[Any]", signature: str, *, integers: bool) -> None:
        self.where, self.signature, self._array = where, signature, array
        self.shape = check_shape(array.shape, where)
        self.dtype = kept_dtype(np.dtype(array.dtype), where, integers=integers)
        # A chunk is read as a whole, and one that was never written takes no disk, whatever size it claims.
        if np.prod(array.chunks, dtype=float) * np.dtype(array.dtype).itemsize > _MAX_CHUNK_BYTES:
            raise SourceError(f"{where}: a chunk of {array.chunks} has more than {_MAX_CHUNK_BYTES:,} bytes")

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the vectors of images `start` to `stop` (exclusive)."""
        try:
            return as_kept(np.asarray(self._array[start:stop]), self.dtype)
        # Zarr and the file systems below it raise many types of exceptions.
        except Exception as error:
            raise SourceError(f"{self.where}: cannot be read ({one_line(error)})") from error


def open_numpy_vectors(path: str, name: str | None, *, as_vectors: bool) -> dict[str, Vectors] | None:
    """Return the vectors of a `.npy` file; None if it holds images.

    Args:
        path: path or URL of the file.
        name: of the level; `vectors` by default.
        as_vectors: whether the user said that it holds vectors, and not one picture.

    Raises:
        SourceError: it cannot be read, or holds no vectors though the user said so.
    """
    with open_container(path) as file:
        size = size_of(file)
    read = partial(read_part, path)
    try:
        header = read_header(path, read, size)
    except Rejected as error:
        raise SourceError(f"{path}: {one_line(error)}") from error
    if not as_vectors and not _are_vectors(header.shape, header.dtype):
        return None
    signature = f"{modified_ns_if_there(path)} {size}"
    return {level_name(name or UNNAMED): NumpyVectors(path, read, size, signature, integers=as_vectors)}


def open_archived_vectors(path: str, part: str | None, *, as_vectors: bool) -> dict[str, Vectors] | None:
    """Return the vectors of a `.npz` archive, a level per array; None if it holds images.

    Args:
        path: path or URL of the archive.
        part: names of arrays, with commas between; None for all arrays of vectors.
        as_vectors: whether the user said that it holds vectors.

    Raises:
        SourceError: it cannot be read, has no such array, or holds no vectors though the user said so.
    """
    headers = dict(archive_headers(path))
    names = _chosen(
        path, part, {name: (header.shape, header.dtype) for name, header in headers.items()}, as_vectors=as_vectors
    )
    if names is None:
        return None
    signature = str(modified_ns_if_there(path))
    vectors: dict[str, Vectors] = {}
    for name in names:
        try:
            read, size = archived_bytes(path, name)
        except Rejected as error:
            raise SourceError(f"{path}::{name}: {one_line(error)}") from error
        where = f"{path}::{name}"
        add_level(vectors, name, NumpyVectors(where, read, size, signature, integers=as_vectors), path)
    return vectors


def open_zarr_vectors(path: str, part: str | None, *, as_vectors: bool) -> dict[str, Vectors] | None:
    """Return the vectors of a Zarr store, a level per array; None if it holds images.

    Args:
        path: path or URL of the store.
        part: the array or group within the store, or arrays with commas between; None for the store itself.
        as_vectors: whether the user said that it holds vectors.

    Raises:
        SourceError: it cannot be read, has no such array, or holds no vectors though the user said so.
    """
    import zarr

    names = [name.strip("/ ") for name in part.split(",")] if part else [""]
    arrays: dict[str, zarr.Array[Any]] = {}
    for name in names:
        node = open_zarr_node(path, name)
        # An image of OME-Zarr has axes with names, and is none of vectors.
        arrays |= {found: array for found, array, axes in zarr_arrays(node, name) if axes is None}
    shapes = {name: (array.shape, np.dtype(array.dtype)) for name, array in arrays.items()}
    wanted = ",".join(name for name in names if name in arrays) or None
    chosen = _chosen(path, wanted, shapes, as_vectors=as_vectors)
    if chosen is None:
        return None
    signature = str(modified_ns_if_there(path))
    vectors: dict[str, Vectors] = {}
    for name in chosen:
        where = f"{path}::{name}" if name else path
        own = ZarrVectors(where, arrays[name], signature, integers=as_vectors)
        add_level(vectors, name.rpartition("/")[2] or UNNAMED, own, path)
    return vectors


def _are_vectors(shape: Sequence[int], dtype: "np.dtype[Any]") -> bool:
    return len(shape) == 2 and dtype.kind == "f"


def _chosen(
    path: str, part: str | None, arrays: dict[str, tuple[tuple[int, ...], "np.dtype[Any]"]], *, as_vectors: bool
) -> list[str] | None:
    """Return the names of the arrays that hold vectors; None where images are meant."""
    own = [name for name, (shape, dtype) in arrays.items() if _are_vectors(shape, dtype)]
    if part:
        names = [name.strip() for name in part.split(",") if name.strip()]
        names = [name if name in arrays else name.removesuffix(".npy") for name in names]
        for name in names:
            if name not in arrays:
                return None
        return names if as_vectors or set(names) <= set(own) else None
    if own and (as_vectors or not any(len(shape) > 2 and dtype.kind in "biuf" for shape, dtype in arrays.values())):
        return own
    if as_vectors:
        listed = ", ".join(f"{name} {describe_array(*array)}" for name, array in arrays.items()) or "none"
        if len(arrays) == 1 and len(next(iter(arrays.values()))[0]) == 2:
            return list(arrays)
        raise SourceError(f"{path}: has no array of floats in two dimensions, which vectors are; there are {listed}")
    return None
