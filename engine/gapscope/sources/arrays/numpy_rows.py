"""The images of an array in a NumPy file, or in an archive of such files, each read on its own."""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError, one_line
from gapscope.sources.archives.zip_file import (
    DEFLATED,
    STORED,
    DamagedZipError,
    Member,
    data_offset,
    find_contents,
    members_of,
)
from gapscope.sources.arrays.inflate import Inflated
from gapscope.sources.arrays.layout import FoundArray, Layout, NoImagesError, find_layout, layout_of
from gapscope.sources.arrays.row_windows import RowWindows
from gapscope.sources.files import open_container, read_part, size_of
from gapscope.sources.rejects import Rejected
from gapscope.sources.signatures import HEAD_BYTES, misnamed

_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MAX_HEADER_BYTES = 2**16
_WINDOW_BYTES = 8 * 2**20
_SHOWN_ARRAYS = 10
_MAX_DEFLATION = 1040
"""Deflated data cannot unpack to more than 1032 times its size, and a header."""


class Header(NamedTuple):
    """What the header of a NumPy file says, and how long it is in bytes."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    length: int


class NumpyRows:
    """The images of one array.

    Args:
        name: of the file, or of the file and the array in it, for messages.
        read: returns a number of bytes from an offset in the file on.
        size: length of the file in bytes.
        as_images: whether the user said that it holds images, not vectors.
        windowed: whether bytes are best read in order, many at a time.

    Raises:
        SourceError: it holds no images, or less than it claims.
    """

    def __init__(
        self, name: str, read: Callable[[int, int], bytes], size: int, *, as_images: bool, windowed: bool = False
    ) -> None:
        header = read_header(name, read, size)
        self._dtype, self._start, self._read = header.dtype, header.length, read
        try:
            self.layout: Layout = layout_of(header.shape, header.dtype, as_images=as_images)
        except NoImagesError as error:
            raise SourceError(f"{name}: {error}") from error
        if header.fortran_order:
            raise SourceError(
                f"{name}: is stored in Fortran order, which scatters every image over the file; save it in C order"
            )
        self.row_bytes = math.prod(self.layout.row_shape) * header.dtype.itemsize
        n_rows = (size - self._start) // self.row_bytes
        if n_rows < self.layout.rows:
            raise SourceError(
                f"{name}: is cut off: it holds {n_rows:,} of the {self.layout.rows:,} images that it claims"
            )
        step = max(1, _WINDOW_BYTES // self.row_bytes)
        self._windows = RowWindows(self.layout.rows, step, self._rows) if windowed else None

    def read(self, row: int) -> NDArray[Any]:
        """Return one image, with its channels last.

        Raises:
            Rejected: it cannot be read.
        """
        if self._windows is None:
            return self.layout.arrange(self._rows(row, row + 1)[0])
        try:
            image = self._windows.read(row)
        # What is damaged may come after this image.
        except Rejected:
            image = self._rows(row, row + 1)[0]
        return self.layout.arrange(image)

    def _rows(self, first: int, stop: int) -> NDArray[Any]:
        data = self._read(self._start + first * self.row_bytes, (stop - first) * self.row_bytes)
        return np.frombuffer(data, self._dtype).reshape(stop - first, *self.layout.row_shape)


def open_numpy(path: str, *, as_images: bool) -> NumpyRows:
    """Return the images of a `.npy` file.

    Raises:
        SourceError: it cannot be read, or holds no images.
    """
    with open_container(path) as file:
        size = size_of(file)
    try:
        return NumpyRows(path, partial(read_part, path), size, as_images=as_images)
    except Rejected as error:
        raise SourceError(f"{path}: {one_line(error)}") from error


def archived_arrays(path: str, *, as_images: bool) -> Iterator[FoundArray]:
    """Yield the arrays of a `.npz` archive.

    Raises:
        SourceError: the archive cannot be read.
    """
    for name, member in _array_members(path):
        try:
            header = read_header(name, _reader(path, member), member.size)
        except (SourceError, Rejected) as error:
            yield FoundArray(name, "that cannot be read", None, one_line(error).removeprefix(f"{name}: "))
        else:
            yield find_layout(name, header.shape, header.dtype, None, as_images=as_images)


def archive_headers(path: str) -> Iterator[tuple[str, Header]]:
    """Yield the names and headers of a `.npz` archive's arrays; arrays that cannot be read are passed over.

    Raises:
        SourceError: the archive cannot be read.
    """
    for name, member in _array_members(path):
        with suppress(SourceError, Rejected):
            yield name, read_header(name, _reader(path, member), member.size)


def archived_bytes(path: str, name: str) -> tuple[Callable[[int, int], bytes], int]:
    """Return what reads a number of bytes of an archive's array from an offset on, and how many there are.

    Raises:
        SourceError: there is no such array, or the archive cannot be read.
        Rejected: the array cannot be read.
    """
    _, member = _named_member(path, name)
    return _reader(path, member), member.size


def archived_name(path: str, given: str) -> str:
    """Return the name of an array of a `.npz` archive.

    Args:
        path: path or URL of the archive.
        given: the name, or that of the array's file in the archive, which has `.npy` behind it.

    Raises:
        SourceError: there is no such array, or the archive cannot be read.
    """
    return _named_member(path, given)[0]


def open_archived(path: str, name: str, *, as_images: bool) -> NumpyRows:
    """Return the images of one array of a `.npz` archive.

    Raises:
        SourceError: there is no such array, it cannot be read, or it holds no images.
    """
    _, member = _named_member(path, name)
    windowed = member.compression == DEFLATED
    try:
        return NumpyRows(f"{path}::{name}", _reader(path, member), member.size, as_images=as_images, windowed=windowed)
    except Rejected as error:
        raise SourceError(f"{path}::{name}: {one_line(error)}") from error


def _named_member(path: str, name: str) -> tuple[str, Member]:
    by_file = None
    for own, member in _array_members(path):
        # An array whose own name ends in .npy comes before another whose file is called so.
        if own == name:
            return own, member
        if by_file is None and f"{own}.npy" == name:
            by_file = own, member
    if by_file is None:
        names = ", ".join(own for own, _ in islice(_array_members(path), _SHOWN_ARRAYS)) or "none"
        raise SourceError(f"{path}: there is no array {name}; there are {names}")
    return by_file


def _array_members(path: str) -> Iterator[tuple[str, Member]]:
    with open_container(path) as file:
        try:
            if (why := misnamed(file.read(HEAD_BYTES), ".npz", ".zip")) is not None:
                raise DamagedZipError(why)
            for member in members_of(file, find_contents(file, size_of(file))):
                if member.name.endswith(".npy"):
                    yield member.name.removesuffix(".npy"), member
        except (DamagedZipError, OSError) as error:
            raise SourceError(f"{path}: cannot be read as an archive of NumPy files: {one_line(error)}") from error


def _reader(path: str, member: Member) -> Callable[[int, int], bytes]:
    """Return what reads a number of bytes from an offset in a member on.

    Raises:
        Rejected: the member cannot be read.
    """
    if member.encrypted or member.compression not in (STORED, DEFLATED):
        raise Rejected("unreadable", "is encrypted, or not compressed as numpy.savez_compressed does")
    if member.size > member.compressed * (_MAX_DEFLATION if member.compression == DEFLATED else 1):
        raise Rejected("broken", f"claims {member.size:,} bytes, more than {member.compressed:,} can unpack to")
    start = data_offset(path, member)
    if member.compression == DEFLATED:
        return Inflated(path, start, member.compressed, member.size).read
    return lambda offset, length: read_part(path, start + offset, length)


def read_header(name: str, read: Callable[[int, int], bytes], size: int) -> Header:
    """Return the header of a NumPy file.

    Args:
        name: of the file, for messages.
        read: returns a number of bytes from an offset in the file on.
        size: length of the file in bytes.

    Raises:
        SourceError: it has none that can be read.
        Rejected: the file cannot be read.
    """
    # After the magic number and the version, two or four bytes have the length of the header's text.
    start = read(0, min(size, 12))
    length = 12 + int.from_bytes(start[8:10] if start[6:7] == b"\1" else start[8:12], "little")
    head = read(0, min(size, max(length, HEAD_BYTES), _MAX_HEADER_BYTES))
    if (why := misnamed(head, ".npy")) is not None:
        raise SourceError(f"{name}: cannot be read as a NumPy file: {why}")
    file = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADER_READERS:
            raise ValueError("unknown version")
        shape, fortran_order, dtype = _HEADER_READERS[version](file)
    # NumPy parses the header with Python's own parser, which raises many types of exceptions.
    except Exception as error:
        raise SourceError(f"{name}: cannot be read as a NumPy file ({one_line(error)})") from error
    return Header(shape, fortran_order, dtype, file.tell())
