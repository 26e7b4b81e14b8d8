"""A local folder of image files, including its subfolders."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import read_file
from gapscope.sources.formats import IMAGE_SUFFIXES
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected, rejected_from_os_error


@dataclass(frozen=True)
class Folder:
    """The image files below `root`, sorted by path. Links are followed, but not in cycles.

    Attributes:
        root: absolute path of the folder.
        location: the folder, or the pattern that the user gave.
        matches: a regular expression for the paths to list; None for all names with an image's suffix.
    """

    root: str
    location: str = ""
    matches: str | None = None

    def __post_init__(self) -> None:
        if not self.location:
            object.__setattr__(self, "location", self.root)

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> str:
        """The path of the folder."""
        return self.root

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Empty: a folder has no metadata."""
        return {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"in {self.location}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images of the folder.

        Whatever has the name of an image and is not a readable file is an entry too, with the reason.
        """
        pattern = re.compile(self.matches) if self.matches else _IMAGE_NAME
        yield from _walk(self.root, pattern, ancestors=frozenset())

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file.

        Raises:
            Rejected: the file has changed since it was listed, or cannot be read.
        """
        check_file_unchanged(entry)
        return read_file(entry.uri)


_IMAGE_NAME = re.compile(r"(?is).*[^/](" + "|".join(sorted(re.escape(suffix) for suffix in IMAGE_SUFFIXES)) + r")\Z")


def check_file_unchanged(entry: Entry) -> None:
    """Check that a local image file has not changed since it was listed.

    Raises:
        Rejected: the file has changed, or no longer exists.
    """
    if entry.bytes < 0:
        return
    try:
        current = os.stat(entry.uri)
    except OSError as error:
        raise rejected_from_os_error(error) from error
    if stat.S_ISREG(current.st_mode) and (current.st_size, current.st_mtime_ns) != (entry.bytes, entry.mtime_ns):
        raise Rejected("changed", "the file has changed since it was listed")


def _walk(folder: str, pattern: re.Pattern[str], ancestors: frozenset[tuple[int, int]]) -> Iterator[Entry]:
    try:
        status = os.stat(folder)
        names = sorted(os.listdir(folder))
    except OSError as error:
        rejected = rejected_from_os_error(error)
        reason = f"the folder cannot be listed: {rejected.error}"
        yield Entry(utf8_safe(folder), status=rejected.status, error=reason)
        return
    key = (status.st_dev, status.st_ino)
    if key in ancestors:
        return
    ancestors |= {key}
    for name in names:
        path = os.path.join(folder, name)
        matches = pattern.match(path) is not None
        if os.path.isdir(path):
            if matches and pattern is _IMAGE_NAME:
                yield Entry(utf8_safe(path), status="not-a-file", error="a directory has the name of an image")
            yield from _walk(path, pattern, ancestors)
        elif matches:
            yield file_entry(path)


def file_entry(path: str) -> Entry:
    """Return the entry of a local path, with the reason if it is not a file that can be read."""
    try:
        status = os.stat(path)
    except OSError as error:
        rejected = rejected_from_os_error(error)
        return Entry(utf8_safe(path), status=rejected.status, error=rejected.error)
    if stat.S_ISDIR(status.st_mode):
        return Entry(utf8_safe(path), status="not-a-file", error="a directory has the name of an image")
    if not stat.S_ISREG(status.st_mode):
        return Entry(utf8_safe(path), status="not-a-file", error="a pipe, socket or device has the name of an image")
    if utf8_safe(path) != path:
        return Entry(utf8_safe(path), status.st_size, status.st_mtime_ns, "bad-name", "the file's name is not UTF-8")
    return Entry(path, status.st_size, status.st_mtime_ns)


def utf8_safe(text: str) -> str:
    r"""Return text that can be encoded as UTF-8: bytes of a path that are not UTF-8 are escaped.

    Example:
        >>> import os
        >>> print(utf8_safe(os.fsdecode(b"caf\xe9.png")))
        caf\xe9.png
    """
    try:
        return os.fsencode(text).decode("utf-8", errors="backslashreplace")
    except UnicodeEncodeError:
        # A lone surrogate that JSON can contain, but no file name.
        return text.encode("utf-8", errors="backslashreplace").decode()
