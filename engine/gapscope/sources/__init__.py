"""Where images come from: each kind of source lists rows with a stable uri and opens the bytes of one."""

from gapscope.sources.entry import Box, Entry, Kind, Value
from gapscope.sources.folder import Folder
from gapscope.sources.kinds import open_source
from gapscope.sources.source import Source

__all__ = ["Box", "Entry", "Folder", "Kind", "Source", "Value", "open_source"]
