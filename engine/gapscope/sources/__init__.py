"""Where images come from: each kind of source lists rows with a stable uri and opens the bytes of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from gapscope.errors import SourceError
from gapscope.sources.entry import Entry
from gapscope.sources.folder import Folder

__all__ = ["Entry", "Folder", "Source", "open_source"]


class Source(Protocol):
    """A set of images that can be listed and read. Small and picklable: workers get a copy."""

    def entries(self) -> Iterator[Entry]:
        """Yield one entry per image, in an order that is the same each time."""

    def read(self, uri: str) -> bytes:
        """Return the bytes of one listed image.

        Raises:
            Rejected: the bytes cannot be had; says why.
        """


def open_source(name: str, location: str) -> Source:
    """Return the source that `location` names.

    Raises:
        SourceError: there is nothing there, or nothing that gapscope reads.
    """
    path = Path(location).expanduser()
    if path.is_dir():
        return Folder(root=str(path.absolute()))
    if path.exists():
        raise SourceError(f"dataset {name}: {location} is a file; give the folder that holds the images")
    raise SourceError(f"dataset {name}: there is no folder {location}")
