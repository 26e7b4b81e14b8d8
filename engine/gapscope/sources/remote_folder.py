"""A folder of image files behind a URL, with all its sub-folders."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import read_file
from gapscope.sources.formats import IMAGE_SUFFIXES
from gapscope.sources.patterns import expression_of
from gapscope.urls import remote


@dataclass(frozen=True)
class RemoteFolder:
    """The image files below a URL, sorted by URL. Over http it needs a server that lists its folders.

    Attributes:
        root: URL of the folder.
        location: what the user gave: the folder, or a pattern for the URLs that count.
    """

    root: str
    location: str

    @property
    def objects(self) -> bool:
        """A row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """No run can lie inside it."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """A folder knows nothing of its images."""
        return {}

    def entries(self) -> Iterator[Entry]:
        """Yield the folder's images.

        Raises:
            SourceError: it cannot be listed.
        """
        fs, path = remote(self.root)
        try:
            found: dict[str, dict[str, Any]] = fs.find(path, detail=True)
            if not found:
                # Some file systems find nothing where there is nothing to search.
                fs.ls(path, detail=False)
        # What is raised depends on the package behind the URL.
        except Exception as error:
            raise SourceError(f"{self.root} cannot be listed: {one_line(error)}") from error
        # File systems spell their own names in one way, and take several.
        pattern = remote(self.location)[1] if self.location != self.root else None
        chosen = re.compile(expression_of(pattern)) if pattern else None
        for name in sorted(found):
            url = str(fs.unstrip_protocol(name))
            wanted = chosen.match(name) if chosen else "." + url.rpartition(".")[2].lower() in IMAGE_SUFFIXES
            if wanted:
                size = found[name].get("size")
                yield Entry(url, -1 if size is None else int(size), _modified_ns(found[name]))

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file."""
        return read_file(entry.uri)


def _modified_ns(facts: Mapping[str, Any]) -> int:
    for name in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = facts.get(name)
        if isinstance(value, datetime):
            return int(value.timestamp()) * 10**9
        if isinstance(value, int | float):
            return int(value * 10**9)
    return 0
