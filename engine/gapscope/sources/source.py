"""What every kind of source answers to."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from gapscope.sources.entry import Entry, Kind


class Source(Protocol):
    """A set of images that can be listed and read. Small and picklable: workers get a copy."""

    @property
    def location(self) -> str:
        """What follows `NAME=`, with every path absolute, so that it means the same from anywhere."""

    @property
    def folder(self) -> str | None:
        """The local folder whose files it lists as it finds them; None where it does not search."""

    @property
    def objects(self) -> bool:
        """Whether a row is an object in an image, not the whole of it."""

    @property
    def columns(self) -> Mapping[str, Kind]:
        """What is known of each image besides its pixels: a column's name and what its values are."""

    def entries(self) -> Iterator[Entry]:
        """Yield one entry per image, in an order that is the same each time. Holds no more than a few in memory."""

    def read(self, entry: Entry) -> bytes:
        """Return the encoded bytes of one listed image; may be called from several threads.

        Raises:
            Rejected: the bytes cannot be had; says why.
        """
