"""Files, on this machine or behind a URL: their bytes, whole or in part, or the reason why not."""

import os
import stat
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import IO, Any, TypeVar

from gapscope.errors import SourceError, one_line
from gapscope.sources.rejects import Rejected, rejected_by_os
from gapscope.urls import is_url, remote

Result = TypeVar("Result")

_WAITS_S = (0.1, 0.5, 2.0)
"""Before a read over the network is tried again."""

_BLOCK_BYTES = 8 * 2**20
_BLOCKS = 4

MOST_BYTES = 2**30
"""Of one encoded image: a file may claim any size, and take none on disk."""


def open_container(location: str) -> IO[bytes]:
    """Open a file that holds many images, or names them, for reading from any position.

    Raises:
        SourceError: it cannot be opened.
    """
    try:
        if not is_url(location):
            return open(location, "rb")
        fs, path = remote(location)
        file: IO[bytes] = fs.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
        return file
    except SourceError:
        raise
    # What a remote file system raises depends on the package behind it.
    except Exception as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else one_line(error)
        raise SourceError(f"{location}: {reason}") from error


def size_of(file: IO[bytes]) -> int:
    """Return the length of an open file in bytes, leaving its position at the start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def modified_ns(location: str) -> int:
    """Return when a local file was last changed, in nanoseconds since 1970; 0 for a URL."""
    return 0 if is_url(location) else os.stat(location).st_mtime_ns


def check_unchanged(location: str, listed_ns: int) -> None:
    """See that a local file that holds many images is still the one that was listed.

    Raises:
        Rejected: it is not, or is not there.
    """
    try:
        found = modified_ns(location)
    except OSError as error:
        raise rejected_by_os(error) from error
    if found != listed_ns:
        raise Rejected("changed", "the file that holds the image has changed since it was listed")


def read_file(location: str) -> bytes:
    """Return a file's bytes.

    Raises:
        Rejected: they cannot be had.
    """
    if not is_url(location):
        return _read_local(location)
    return _tried(lambda: _cat(location))


def read_part(location: str, start: int, length: int) -> bytes:
    """Return `length` bytes of a file from `start` on. Parts that follow each other are fetched together.

    Raises:
        Rejected: they cannot be had, or the file is shorter.
    """
    _check_size(length)
    data = (
        _read_local_part(location, start, length)
        if not is_url(location)
        else _tried(lambda: _shared(location).part(start, length))
    )
    if len(data) != length:
        raise Rejected("broken", f"the file ends after {start + len(data)} bytes, in the middle of this image")
    return data


def _check_size(length: int) -> None:
    if length > MOST_BYTES:
        raise Rejected("too-large", f"{length:,} bytes are more than the {MOST_BYTES:,} that an image may have")


def _read_local(path: str) -> bytes:
    try:
        # A pipe with no writer would block the open for ever; a regular file ignores the flag.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise Rejected("not-a-file", "no regular file any more")
            _check_size(found.st_size)
            return file.read()
    except OSError as error:
        raise rejected_by_os(error) from error
    except ValueError as error:
        raise Rejected("bad-name", f"no file can have this name: {one_line(error)}") from error


def _read_local_part(path: str, start: int, length: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return os.pread(file.fileno(), length, start)
    except OSError as error:
        raise rejected_by_os(error) from error


def _cat(url: str) -> bytes:
    fs, path = remote(url)
    data: bytes = fs.cat_file(path)
    return data


def _tried(read: Callable[[], Result]) -> Result:
    for wait in (*_WAITS_S, None):
        try:
            return read()
        except FileNotFoundError as error:
            raise Rejected("missing", "there is no such file") from error
        except PermissionError as error:
            raise Rejected("no-permission", "permission to read the file is denied") from error
        # No storage, or none whose package is installed.
        except SourceError as error:
            raise Rejected("unreadable", one_line(error)) from error
        # This machine's want of memory says nothing about the image.
        except MemoryError:
            raise
        # Everything else may pass: a busy server, a network that stutters.
        except Exception as error:
            if wait is None:
                raise Rejected("unreadable", f"reading failed: {one_line(error)}") from error
            time.sleep(wait)
    raise AssertionError


class _Shared:
    """A remote file that several threads read from, through a cache of a few large blocks."""

    def __init__(self, url: str) -> None:
        fs, path = remote(url)
        self._file: Any = fs.open(
            path, "rb", block_size=_BLOCK_BYTES, cache_type="blockcache", cache_options={"maxblocks": _BLOCKS}
        )
        self._lock = Lock()

    def part(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            data: bytes = self._file.read(length)
            return data


@lru_cache(maxsize=8)
def _shared(url: str) -> _Shared:
    return _Shared(url)
