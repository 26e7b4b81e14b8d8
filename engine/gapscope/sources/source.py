"""The interface of every kind of source."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from gapscope.sources.entry import Entry, Kind
from gapscope.sources.notes import ListingNotes

AS_IMAGES = "images:"
"""Before a location, says that it holds images, where an array might hold vectors; part of the source's location."""

AS_VECTORS = "vectors:"
"""Before a location, says that it holds vectors, where an array might hold images."""


def without_prefix(location: str) -> str:
    """Return a location as a user should read it, without `AS_IMAGES` or `AS_VECTORS` before it.

    Example:
        >>> without_prefix("images:/data/photos"), without_prefix("/data/photos")
        ('/data/photos', '/data/photos')
    """
    return location.removeprefix(AS_IMAGES).removeprefix(AS_VECTORS)


def change_path(location: str, change: Callable[[str], str]) -> str:
    """Return a location with its path or URL changed; `AS_IMAGES` or `AS_VECTORS` before it stays.

    Example:
        >>> change_path("images:/data/photos", lambda path: path.replace("/data", "/mnt"))
        'images:/mnt/photos'
    """
    plain = without_prefix(location)
    return f"{location.removesuffix(plain)}{change(plain)}"


class Source(Protocol):
    """A set of images that can be listed and read. Small and picklable: every worker gets a copy."""

    @property
    def location(self) -> str:
        """What follows `NAME=` on the command line, with absolute paths, so that any process can open it again."""

    @property
    def folder(self) -> str | None:
        """The local folder that the source searches for images; None if it does not search."""

    @property
    def objects(self) -> bool:
        """Whether a row is an object in an image instead of a whole image."""

    @property
    def columns(self) -> Mapping[str, Kind]:
        """The names and types of the metadata columns."""

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number: `in photos` or `from column image of drives.parquet`."""

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield one entry per image, in the same order every time, with only a few entries in memory.

        Args:
            notes: takes what is passed over and what is taken for granted.
        """

    def read(self, entry: Entry) -> bytes:
        """Return the encoded bytes of one listed image; may be called from several threads.

        Raises:
            Rejected: the bytes cannot be read; the error says why.
        """
