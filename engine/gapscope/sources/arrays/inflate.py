"""Reading any part of a deflated member of a zip archive, without unpacking it from its start each time."""

import zlib
from bisect import bisect_right
from threading import Lock
from typing import Any, NamedTuple

from gapscope.sources.files import read_part
from gapscope.sources.rejects import Rejected

_READ_BYTES = 2**16
_UNPACKED_BYTES = 2**20
_MARK_BYTES = 16 * 2**20
_MAX_MARKS = 256


class _Mark(NamedTuple):
    """A place in the data at which unpacking can go on.

    Attributes:
        unpacked: how many bytes have been unpacked before it.
        packed: how many bytes of the packed data have been used for them.
        inflater: what unpacks what follows.
    """

    unpacked: int
    packed: int
    inflater: Any


class Inflated:
    """The unpacked content of a deflated member.

    Every few megabytes it keeps the state of the unpacking, 50 kB, so that any part is reached from the mark before it.

    Args:
        location: path or URL of the archive.
        start: where the member's data begins.
        packed: length of the data in bytes.
        size: length of the content in bytes.
    """

    def __init__(self, location: str, start: int, packed: int, size: int) -> None:
        self._location, self._start, self._packed = location, start, packed
        self._every = max(_MARK_BYTES, size // _MAX_MARKS)
        self._marks = [_Mark(0, 0, zlib.decompressobj(-zlib.MAX_WBITS))]
        self._here = self._marks[0]
        self._lock = Lock()

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes of the content from byte `start` on; threads take turns.

        Raises:
            Rejected: the data cannot be read, or ends before.
        """
        with self._lock:
            return self._read(start, length)

    def _read(self, start: int, length: int) -> bytes:
        mark = self._marks[bisect_right(self._marks, start, key=lambda mark: mark.unpacked) - 1]
        if mark.unpacked <= self._here.unpacked <= start:
            mark = self._here
        at, used = mark.unpacked, mark.packed
        # The mark's own state stays as it is.
        inflater = mark.inflater.copy()
        parts, packed = [], b""
        while at < start + length:
            if not packed and used < self._packed:
                packed = read_part(self._location, self._start + used, min(_READ_BYTES, self._packed - used))
            before = len(packed)
            try:
                data = inflater.decompress(packed, min(_UNPACKED_BYTES, start + length - at))
            except zlib.error as error:
                raise Rejected("broken", f"the archive is damaged before this image ({error})") from error
            packed = inflater.unconsumed_tail
            used += before - len(packed)
            if not data and (inflater.eof or not before):
                raise Rejected("broken", f"the data ends after {at} bytes, in the middle of this image")
            if at + len(data) > start:
                parts.append(data[max(0, start - at) :])
            at += len(data)
            if at - self._marks[-1].unpacked >= self._every:
                self._marks.append(_Mark(at, used, inflater.copy()))
        self._here = _Mark(at, used, inflater)
        return b"".join(parts)
