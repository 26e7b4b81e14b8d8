"""The interface of every form of annotations."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from gapscope.sources.entry import Entry, Kind
from gapscope.sources.notes import ListingNotes


class AnnotationReader(Protocol):
    """Lists the images of an annotated dataset with the objects in them. Small and picklable."""

    @property
    def location(self) -> str:
        """What follows `NAME=` on the command line, with absolute paths."""

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number: `annotated in a.json, with images from photos`."""

    @property
    def columns(self) -> Mapping[str, Kind]:
        """The names and types of the images' own metadata columns."""

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield one entry per image, each once, in the same order every time, with `Entry.annotations`.

        An image that cannot be read has the reason in its status, and its annotations nevertheless.

        Args:
            notes: takes what is passed over and what is taken for granted.
            outlines: whether the objects' outlines are wanted, which take time and memory.

        Raises:
            SourceError: the annotations cannot be read beyond the images so far.
        """

    def read(self, entry: Entry) -> bytes:
        """Return the encoded bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the bytes cannot be read; the error says why.
        """
