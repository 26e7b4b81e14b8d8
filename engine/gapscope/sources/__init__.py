"""Where images come from: each kind of source lists rows with a stable uri and opens the bytes of one."""

from pathlib import Path

from gapscope.errors import SourceError
from gapscope.sources.entry import Box, Entry, Kind, Value
from gapscope.sources.folder import Folder
from gapscope.sources.source import Source

__all__ = ["Box", "Entry", "Folder", "Kind", "Source", "Value", "open_source"]


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
