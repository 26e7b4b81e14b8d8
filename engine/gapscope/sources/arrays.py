"""Images as the rows of one array, (N, H, W, C) or (N, H, W), in a NumPy file or a Zarr store."""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import (
    MAX_IMAGE_BYTES,
    check_container_unchanged,
    modified_ns,
    open_container,
    read_part,
    size_of,
)
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected

_DTYPE_KINDS = "buf"
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Array:
    """The rows of an array, each an image of unsigned integers, floats or booleans.

    Attributes:
        path: path or URL of a `.npy` file or of a Zarr store.
        member: path of the array within the Zarr store; empty for the store itself.
        location: what the user gave, with absolute paths.
    """

    path: str
    member: str
    location: str

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """None: no folder is searched."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Empty: an array has no metadata."""
        return {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"in {self.location}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per row of the array."""
        rows, mtime_ns = _open_rows(self.path, self.member), modified_ns(self.path)
        for row in range(len(rows)):
            yield Entry(f"{self.location}#{row}", rows.row_bytes, mtime_ns, offset=row)

    def read(self, entry: Entry) -> bytes:
        """Return the row as the bytes of a `.npy` file, which the decoder reads."""
        check_container_unchanged(self.path, entry.mtime_ns)
        file = io.BytesIO()
        np.save(file, _open_rows(self.path, self.member).read(entry.offset), allow_pickle=False)
        return file.getvalue()


def open_array(path: str, member: str, location: str) -> Array:
    """Return the array as a source.

    Args:
        path: path or URL of a `.npy` file or of a Zarr store.
        member: path of the array within the Zarr store; empty for the store itself.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: it cannot be read, or is not an array of images.
    """
    _open_rows(path, member)
    return Array(path, member, location)


class _NumpyRows:
    """The rows of a NumPy file, each read on its own."""

    def __init__(self, path: str) -> None:
        with open_container(path) as file:
            size = size_of(file)
            try:
                version = np.lib.format.read_magic(file)
                if version not in _HEADER_READERS:
                    raise ValueError("unknown version")
                self._shape, fortran_order, self._dtype = _HEADER_READERS[version](file)
            # NumPy parses the header with Python's own parser, which raises many types of exceptions.
            except Exception as error:
                raise SourceError(f"{path}: cannot be read as a NumPy file ({one_line(error)})") from error
            self._start = file.tell()
        _check_images(path, self._shape, self._dtype)
        if fortran_order:
            raise SourceError(
                f"{path}: is stored in Fortran order, which scatters every image over the file; save it in C order"
            )
        self._path = path
        # Python's integers: the product of the sizes that a header claims may not fit NumPy's.
        self.row_bytes = math.prod(self._shape[1:]) * self._dtype.itemsize
        n_rows = (size - self._start) // self.row_bytes
        if n_rows < self._shape[0]:
            raise SourceError(
                f"{path}: is cut off: it holds {n_rows:,} of the {self._shape[0]:,} images that it claims"
            )

    def __len__(self) -> int:
        return int(self._shape[0])

    def read(self, row: int) -> NDArray[Any]:
        data = read_part(self._path, self._start + row * self.row_bytes, self.row_bytes)
        return np.frombuffer(data, self._dtype).reshape(self._shape[1:])


class _ZarrRows:
    """The rows of a Zarr array. Keeps the last chunks that it read, since the next row is usually in them too."""

    def __init__(self, path: str, member: str) -> None:
        import zarr

        try:
            array = zarr.open(path, mode="r", path=member or None)
        # Zarr and the file systems below it raise many types of exceptions.
        except Exception as error:
            raise SourceError(f"{path}: cannot be read as Zarr ({one_line(error)})") from error
        if not isinstance(array, zarr.Array):
            raise SourceError(f"{path}: is a group of arrays; name one: {path}::ARRAY")
        dtype = np.dtype(array.dtype)
        _check_images(path, array.shape, dtype)
        self._array = array
        self._lock = Lock()
        self._first, self._chunk = 0, np.empty((0, *array.shape[1:]), array.dtype)
        self.row_bytes = math.prod(array.shape[1:]) * dtype.itemsize
        # Whole chunks are read into memory, and a chunk that was never written takes no disk, whatever size it claims.
        if not 0 < math.prod(array.chunks) * dtype.itemsize <= MAX_IMAGE_BYTES:
            raise SourceError(f"{path}: a chunk of {array.chunks} is empty or has more than {MAX_IMAGE_BYTES:,} bytes")

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def read(self, row: int) -> NDArray[Any]:
        with self._lock:
            if not self._first <= row < self._first + len(self._chunk):
                step = self._array.chunks[0]
                self._first = row // step * step
                try:
                    self._chunk = np.asarray(self._array[self._first : self._first + step])
                except Exception as error:
                    self._chunk = self._chunk[:0]
                    raise Rejected("unreadable", f"reading failed: {one_line(error)}") from error
            return np.ascontiguousarray(self._chunk[row - self._first])


def _check_images(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    image_shape = len(shape) == 3 or (len(shape) == 4 and shape[3] in _CHANNELS)
    if (
        not image_shape
        or min(shape) < 0
        or min(shape[1:]) < 1
        or dtype.kind not in _DTYPE_KINDS
        or dtype.itemsize > 8
        or dtype.hasobject
    ):
        raise SourceError(
            f"{path}: an array of images has the shape (N, H, W) or (N, H, W, 1, 3 or 4), of unsigned integers, floats "
            f"or booleans; this one is {dtype} {tuple(shape)}"
        )


@lru_cache(maxsize=8)
def _open_rows(path: str, member: str) -> _NumpyRows | _ZarrRows:
    return _NumpyRows(path) if path.endswith(".npy") else _ZarrRows(path, member)
