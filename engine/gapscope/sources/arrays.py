"""Images as rows of one array: a NumPy file or a Zarr array, (N, H, W, C) or (N, H, W)."""

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
from gapscope.sources.files import MOST_BYTES, check_unchanged, modified_ns, open_container, read_part, size_of
from gapscope.sources.rejects import Rejected

_KINDS = "buf"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_CHANNELS = (1, 3, 4)
_MOST_ROWS = 2**32


@dataclass(frozen=True)
class Array:
    """The rows of an array, each an image of unsigned integers, floats or booleans.

    Attributes:
        path: path or URL of a `.npy` file or of a Zarr store.
        member: path of the array within the Zarr store; empty for the store itself.
        location: what the user gave.
    """

    path: str
    member: str
    location: str

    @property
    def objects(self) -> bool:
        """A row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """One array is one place."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """An array knows nothing of its images."""
        return {}

    def entries(self) -> Iterator[Entry]:
        """Yield an entry per row of the array."""
        rows, modified = _opened(self.path, self.member), modified_ns(self.path)
        for row in range(len(rows)):
            yield Entry(f"{self.location}#{row}", rows.bytes, modified, offset=row)

    def read(self, entry: Entry) -> bytes:
        """Return the row as a NumPy file of its own, which the decoder knows."""
        check_unchanged(self.path, entry.mtime_ns)
        file = io.BytesIO()
        np.save(file, _opened(self.path, self.member).row(entry.offset), allow_pickle=False)
        return file.getvalue()


def open_array(path: str, member: str, location: str) -> Array:
    """Return the array at a place.

    Raises:
        SourceError: it cannot be read, or is no array of images.
    """
    _opened(path, member)
    return Array(path, member, location)


class _NumpyRows:
    """The rows of a NumPy file, read where they lie."""

    def __init__(self, path: str) -> None:
        with open_container(path) as file:
            size = size_of(file)
            try:
                version = np.lib.format.read_magic(file)
                if version not in _HEADERS:
                    raise ValueError("its version is not known")
                self.shape, in_columns, self._dtype = _HEADERS[version](file)
            # NumPy has Python's own parser read the header, which raises what it likes.
            except Exception as error:
                raise SourceError(f"{path}: cannot be read as a NumPy file ({one_line(error)})") from error
            self._start = file.tell()
        _check(path, self.shape, self._dtype)
        if in_columns:
            raise SourceError(
                f"{path}: is stored in Fortran order, where an image lies all over the file; save it in C order"
            )
        self._path = path
        # Python's integers, since the product of what a header claims may not fit NumPy's.
        self.bytes = math.prod(self.shape[1:]) * self._dtype.itemsize
        there = (size - self._start) // self.bytes
        if there < self.shape[0]:
            raise SourceError(f"{path}: is cut off: it holds {there:,} of the {self.shape[0]:,} images that it claims")

    def __len__(self) -> int:
        return int(self.shape[0])

    def row(self, number: int) -> NDArray[Any]:
        data = read_part(self._path, self._start + number * self.bytes, self.bytes)
        return np.frombuffer(data, self._dtype).reshape(self.shape[1:])


class _ZarrRows:
    """The rows of a Zarr array; the chunks last read are kept, since the next row lies in them too."""

    def __init__(self, path: str, member: str) -> None:
        import zarr

        try:
            opened = zarr.open(path, mode="r", path=member or None)
        # Zarr and the file systems below it raise what they like.
        except Exception as error:
            raise SourceError(f"{path}: cannot be read as Zarr ({one_line(error)})") from error
        if not isinstance(opened, zarr.Array):
            raise SourceError(f"{path}: is a group of arrays; name one: {path}::ARRAY")
        _check(path, opened.shape, np.dtype(opened.dtype))
        self._array = opened
        self._lock = Lock()
        self._first, self._chunk = 0, np.empty((0, *opened.shape[1:]), opened.dtype)
        self.bytes = math.prod(opened.shape[1:]) * np.dtype(opened.dtype).itemsize
        # What is read at a time; a chunk that was never written takes no place on disk, whatever it claims to be.
        if not 0 < math.prod(opened.chunks) * np.dtype(opened.dtype).itemsize <= MOST_BYTES:
            raise SourceError(f"{path}: a chunk of {opened.chunks} holds nothing, or more than {MOST_BYTES:,} bytes")

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def row(self, number: int) -> NDArray[Any]:
        with self._lock:
            if not self._first <= number < self._first + len(self._chunk):
                step = self._array.chunks[0]
                self._first = number // step * step
                try:
                    self._chunk = np.asarray(self._array[self._first : self._first + step])
                except Exception as error:
                    self._chunk = self._chunk[:0]
                    raise Rejected("unreadable", f"reading failed: {one_line(error)}") from error
            return np.ascontiguousarray(self._chunk[number - self._first])


def _check(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    images = len(shape) == 3 or (len(shape) == 4 and shape[3] in _CHANNELS)
    if (
        not images
        or min(shape) < 0
        or min(shape[1:]) < 1
        or dtype.kind not in _KINDS
        or dtype.itemsize > 8
        or dtype.hasobject
    ):
        raise SourceError(
            f"{path}: an array of images has the shape (N, H, W) or (N, H, W, 1, 3 or 4), of unsigned integers, floats "
            f"or booleans; this one is {dtype} {tuple(shape)}"
        )


@lru_cache(maxsize=8)
def _opened(path: str, member: str) -> _NumpyRows | _ZarrRows:
    return _NumpyRows(path) if path.endswith(".npy") else _ZarrRows(path, member)
