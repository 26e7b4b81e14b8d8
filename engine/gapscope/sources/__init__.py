"""Image sources: each kind lists its images as entries with stable uris, and reads the bytes of one entry."""

from gapscope.sources.entry import Box, Entry, Kind, Value
from gapscope.sources.folder import Folder
from gapscope.sources.kinds import open_source
from gapscope.sources.source import Source

__all__ = ["Box", "Entry", "Folder", "Kind", "Source", "Value", "open_source"]
