"""A folder of image files, with all its sub-folders."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gapscope.decode.formats import IMAGE_SUFFIXES
from gapscope.rejects import Rejected, rejected_by_os
from gapscope.sources.entry import Entry, Kind


@dataclass(frozen=True)
class Folder:
    """Every file below `root` whose name ends like an image's, sorted by path; links are followed, but not in circles.

    Attributes:
        root: absolute path of the folder.
    """

    root: str

    @property
    def location(self) -> str:
        """The folder's path."""
        return self.root

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
        yield from _walk(self.root, ancestors=frozenset())

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file."""
        try:
            # A pipe with no writer would block the open for ever; a regular file ignores the flag.
            descriptor = os.open(entry.uri, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Rejected("not-a-file", "no regular file any more")
                return file.read()
        except OSError as error:
            raise rejected_by_os(error) from error


def _walk(folder: str, ancestors: frozenset[tuple[int, int]]) -> Iterator[Entry]:
    try:
        here = os.stat(folder)
        names = sorted(os.listdir(folder))
    except OSError as error:
        refused = rejected_by_os(error)
        yield Entry(_printable(folder), status=refused.status, error=f"the folder cannot be listed: {refused.error}")
        return
    if (here.st_dev, here.st_ino) in ancestors:
        return
    inside = ancestors | {(here.st_dev, here.st_ino)}
    for name in names:
        path = os.path.join(folder, name)
        named_like_image = Path(name).suffix.lower() in IMAGE_SUFFIXES
        try:
            found = os.stat(path)
        except OSError as error:
            if named_like_image:
                refused = rejected_by_os(error)
                yield Entry(_printable(path), status=refused.status, error=refused.error)
            continue
        if stat.S_ISDIR(found.st_mode):
            if named_like_image:
                yield Entry(_printable(path), status="not-a-file", error="a directory has the name of an image")
            yield from _walk(path, inside)
        elif named_like_image:
            yield _file_entry(path, found)


def _file_entry(path: str, found: os.stat_result) -> Entry:
    if not stat.S_ISREG(found.st_mode):
        return Entry(_printable(path), status="not-a-file", error="a pipe, socket or device has the name of an image")
    if _printable(path) != path:
        return Entry(_printable(path), found.st_size, found.st_mtime_ns, "bad-name", "the file's name is not UTF-8")
    return Entry(path, found.st_size, found.st_mtime_ns)


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
