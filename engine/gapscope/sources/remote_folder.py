"""A folder of image files behind a URL, including its subfolders."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import read_file
from gapscope.sources.folder import is_aside, names_aside, note_aside
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes
from gapscope.sources.patterns import glob_to_regex
from gapscope.sources.remote_listing import files_below
from gapscope.sources.source import without_prefix
from gapscope.urls import remote

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@dataclass(frozen=True)
class RemoteFolder:
    """The image files below a URL, sorted by URL. Over http, the server must list its folders.

    Attributes:
        root: URL of the folder.
        location: the URL of the folder, or the pattern of URLs that the user gave.
    """

    root: str
    location: str

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """None: no local folder is searched."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Empty: a folder has no metadata."""
        return {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"in {without_prefix(self.location)}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images of the folder.

        Raises:
            SourceError: the folder cannot be listed.
        """
        notes = notes or ListingNotes()
        fs, path = remote(self.root)
        named = without_prefix(self.location)
        pattern, takes_all = None, False
        if named != self.root:
            # A file system accepts a name in several spellings and returns it in one: the pattern has to use that one.
            pattern, takes_all = re.compile(glob_to_regex(remote(named)[1])), names_aside(named)
        for name, info in self._files(fs, path):
            url = str(fs.unstrip_protocol(name))
            matches = pattern.match(name) if pattern else has_image_suffix(url)
            below = name.removeprefix(path).strip("/")
            if not takes_all and is_aside(below):
                if has_image_suffix(url):
                    note_aside(below, url, notes)
            elif matches:
                size = info.get("size")
                yield Entry(url, -1 if size is None else int(size), _modified_ns(info))
            elif pattern is None:
                notes.pass_over_file(url)

    def _files(self, fs: "AbstractFileSystem", path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        found = False
        try:
            for file in files_below(fs, path):
                found = True
                yield file
            if not found:
                # Some file systems list nothing of a folder that does not exist, and others refuse.
                fs.ls(path, detail=False)
        # The exceptions of a remote file system depend on the package that implements it.
        except Exception as error:
            raise SourceError(f"{self.root} cannot be listed: {one_line(error)}") from error

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file."""
        return read_file(entry.uri)


def _modified_ns(info: Mapping[str, Any]) -> int:
    """Return the time of the last change of a file from its fsspec info, whose keys depend on the file system."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return int(value.timestamp()) * 10**9
        if isinstance(value, int | float):
            return int(value * 10**9)
    return 0
