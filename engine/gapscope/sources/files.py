"""Reading files, local or behind a URL, as a whole or in part; failures become `Rejected` or `SourceError`."""

import os
import stat
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import IO, Any, TypeVar

from gapscope.errors import SourceError, one_line
from gapscope.sources.rejects import Rejected, rejected_from_os_error
from gapscope.urls import is_url, remote

Result = TypeVar("Result")

_RETRY_DELAYS_S = (0.1, 0.5, 2.0)
"""Seconds to wait before each retry of a read over the network."""

_BLOCK_BYTES = 8 * 2**20
_CACHED_BLOCKS = 4

MAX_IMAGE_BYTES = 2**30
"""Largest encoded image. A sparse file may claim any size and occupy nothing on disk."""


def path_bytes(path: str) -> bytes:
    r"""Return a path as the system takes it: UTF-8, whatever the locale.

    Under a plain C locale Python would refuse to open any name that is not ASCII.

    Example:
        >>> path_bytes("café.png")
        b'caf\xc3\xa9.png'
    """
    return path.encode("utf-8", errors="surrogateescape")


def path_text(path: bytes) -> str:
    r"""Return a path from the system as text, from which `path_bytes` gives it back.

    Example:
        >>> path_text(b"caf\xc3\xa9.png")
        'café.png'
        >>> path_bytes(path_text(b"caf\xe9.png"))
        b'caf\xe9.png'
    """
    return path.decode("utf-8", errors="surrogateescape")


def open_container(location: str) -> IO[bytes]:
    """Open a file that holds or lists many images, for reading at any position.

    Raises:
        SourceError: the file cannot be opened.
    """
    try:
        if not is_url(location):
            return open(path_bytes(location), "rb")
        fs, path = remote(location)
        file: IO[bytes] = fs.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
        return file
    except SourceError:
        raise
    # The exceptions of a remote file system depend on the package that implements it.
    except Exception as error:
        raise SourceError(f"{location}: {_why_not_opened(error)}") from error


def _why_not_opened(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return rejected_from_os_error(error).error
    # File systems behind URLs raise it without a number.
    return "there is no such file" if isinstance(error, FileNotFoundError) else one_line(error)


def size_of(file: IO[bytes]) -> int:
    """Return the length of an open file in bytes, and move its position to the start.

    Example:
        >>> import io
        >>> size_of(io.BytesIO(b"four"))
        4
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def modified_ns(location: str) -> int:
    """Return when a local file was last changed, in nanoseconds since 1970; 0 for a URL."""
    return 0 if is_url(location) else os.stat(path_bytes(location)).st_mtime_ns


def modified_ns_if_there(location: str) -> int:
    """Return `modified_ns` of a file that is going to be opened; 0 if it cannot be told, for opening it says why.

    Example:
        >>> modified_ns_if_there("no such file")
        0
    """
    try:
        return modified_ns(location)
    except OSError:
        return 0


def check_container_unchanged(location: str, listed_ns: int) -> None:
    """Check that a local file that holds many images has not changed since it was listed.

    Args:
        location: path or URL of the file; URLs are not checked.
        listed_ns: `modified_ns` of the file when it was listed.

    Raises:
        Rejected: the file has changed, or no longer exists.
    """
    try:
        current_ns = modified_ns(location)
    except OSError as error:
        raise rejected_from_os_error(error) from error
    if current_ns != listed_ns:
        raise Rejected("changed", "the file that holds the image has changed since it was listed")


def read_file(location: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        Rejected: the file cannot be read, or has more than `MAX_IMAGE_BYTES`.
    """
    if not is_url(location):
        return _read_local(location)
    return _with_retries(lambda: _cat(location))


def read_part(location: str, start: int, length: int) -> bytes:
    """Return `length` bytes of a file from byte `start` on.

    Remote files are read through a cache of large blocks, so that consecutive parts need few requests.

    Raises:
        Rejected: the part cannot be read, is longer than `MAX_IMAGE_BYTES`, or reaches beyond the end of the file.
    """
    _check_size(length)
    data = (
        _read_local_part(location, start, length)
        if not is_url(location)
        else _with_retries(lambda: _shared_file(location).read(start, length))
    )
    if len(data) != length:
        raise Rejected("broken", f"the file ends after {start + len(data)} bytes, in the middle of this image")
    return data


def _check_size(length: int) -> None:
    if length > MAX_IMAGE_BYTES:
        raise Rejected("too-large", f"{length:,} bytes are more than the {MAX_IMAGE_BYTES:,} that an image may have")


def _read_local(path: str) -> bytes:
    try:
        # Opening a pipe that has no writer would block for ever; a regular file ignores the flag.
        descriptor = os.open(path_bytes(path), os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Rejected("not-a-file", "no longer a regular file")
            _check_size(status.st_size)
            return file.read()
    except OSError as error:
        raise rejected_from_os_error(error) from error
    except ValueError as error:
        raise Rejected("bad-name", f"no file can have this name: {one_line(error)}") from error


def _read_local_part(path: str, start: int, length: int) -> bytes:
    try:
        with open(path_bytes(path), "rb") as file:
            return os.pread(file.fileno(), length, start)
    except OSError as error:
        raise rejected_from_os_error(error) from error


def _cat(url: str) -> bytes:
    fs, path = remote(url)
    data: bytes = fs.cat_file(path)
    return data


def _with_retries(read: Callable[[], Result]) -> Result:
    for delay in (*_RETRY_DELAYS_S, None):
        try:
            return read()
        except FileNotFoundError as error:
            raise Rejected("missing", "there is no such file") from error
        except PermissionError as error:
            raise Rejected("no-permission", "permission to read the file is denied") from error
        # The URL is not of storage, or the package for it is not installed.
        except SourceError as error:
            raise Rejected("unreadable", one_line(error)) from error
        # A lack of memory on this machine says nothing about the image.
        except MemoryError:
            raise
        # Any other error may be temporary: a busy server, an unstable network.
        except Exception as error:
            if delay is None:
                raise Rejected("unreadable", f"reading failed: {one_line(error)}") from error
            time.sleep(delay)
    raise AssertionError


class _SharedFile:
    """A remote file that several threads read through a cache of a few large blocks."""

    def __init__(self, url: str) -> None:
        fs, path = remote(url)
        self._file: Any = fs.open(
            path, "rb", block_size=_BLOCK_BYTES, cache_type="blockcache", cache_options={"maxblocks": _CACHED_BLOCKS}
        )
        self._lock = Lock()

    def read(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            data: bytes = self._file.read(length)
            return data


@lru_cache(maxsize=8)
def _shared_file(url: str) -> _SharedFile:
    return _SharedFile(url)
