"""A folder of image files, with all its sub-folders."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import read_file
from gapscope.sources.formats import IMAGE_SUFFIXES
from gapscope.sources.rejects import Rejected, rejected_by_os


@dataclass(frozen=True)
class Folder:
    """The image files below `root`, sorted by path; links are followed, but not in circles.

    Attributes:
        root: absolute path of the folder.
        location: what the user gave: the folder, or a pattern.
        matches: a regular expression for the paths that count; None for every name that ends like an image's.
    """

    root: str
    location: str = ""
    matches: str | None = None

    def __post_init__(self) -> None:
        if not self.location:
            object.__setattr__(self, "location", self.root)

    @property
    def objects(self) -> bool:
        """A row is a whole image."""
        return False

    @property
    def folder(self) -> str:
        """The folder's path."""
        return self.root

    @property
    def columns(self) -> Mapping[str, Kind]:
        """A folder knows nothing of its images."""
        return {}

    def entries(self) -> Iterator[Entry]:
        """Yield the folder's images. Whatever carries an image's name and is not a readable file is an entry too."""
        chosen = re.compile(self.matches) if self.matches else _NAMED_LIKE_IMAGES
        yield from _walk(self.root, chosen, ancestors=frozenset())

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file, if it still is the file that was listed."""
        check_same(entry)
        return read_file(entry.uri)


_NAMED_LIKE_IMAGES = re.compile(
    r"(?is).*[^/](" + "|".join(sorted(re.escape(suffix) for suffix in IMAGE_SUFFIXES)) + r")\Z"
)


def check_same(entry: Entry) -> None:
    """See that a local file is still the one that was listed.

    Raises:
        Rejected: it is not, or is not there.
    """
    if entry.bytes < 0:
        return
    try:
        found = os.stat(entry.uri)
    except OSError as error:
        raise rejected_by_os(error) from error
    if stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) != (entry.bytes, entry.mtime_ns):
        raise Rejected("changed", "the file has changed since it was listed")


def _walk(folder: str, chosen: re.Pattern[str], ancestors: frozenset[tuple[int, int]]) -> Iterator[Entry]:
    try:
        here = os.stat(folder)
        names = sorted(os.listdir(folder))
    except OSError as error:
        refused = rejected_by_os(error)
        yield Entry(printable(folder), status=refused.status, error=f"the folder cannot be listed: {refused.error}")
        return
    if (here.st_dev, here.st_ino) in ancestors:
        return
    inside = ancestors | {(here.st_dev, here.st_ino)}
    for name in names:
        path = os.path.join(folder, name)
        wanted = chosen.match(path) is not None
        if os.path.isdir(path):
            if wanted and chosen is _NAMED_LIKE_IMAGES:
                yield Entry(printable(path), status="not-a-file", error="a directory has the name of an image")
            yield from _walk(path, chosen, inside)
        elif wanted:
            yield file_entry(path)


def file_entry(path: str) -> Entry:
    """Return the entry of a local path, whatever lies there."""
    try:
        found = os.stat(path)
    except OSError as error:
        refused = rejected_by_os(error)
        return Entry(printable(path), status=refused.status, error=refused.error)
    if stat.S_ISDIR(found.st_mode):
        return Entry(printable(path), status="not-a-file", error="a directory has the name of an image")
    if not stat.S_ISREG(found.st_mode):
        return Entry(printable(path), status="not-a-file", error="a pipe, socket or device has the name of an image")
    if printable(path) != path:
        return Entry(printable(path), found.st_size, found.st_mtime_ns, "bad-name", "the file's name is not UTF-8")
    return Entry(path, found.st_size, found.st_mtime_ns)


def printable(path: str) -> str:
    """Return a path as text that any file can hold: what is no UTF-8 is spelled out."""
    try:
        return os.fsencode(path).decode("utf-8", errors="backslashreplace")
    except UnicodeEncodeError:
        # Half a character, as JSON may have it.
        return path.encode("utf-8", errors="backslashreplace").decode()
