"""Images that lie elsewhere on this machine than where the run that knows them was made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gapscope.errors import OptionError
from gapscope.settings import RelocateOption
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import modified_ns_if_there
from gapscope.sources.lists.list_file import ListFile
from gapscope.sources.notes import ListingNotes
from gapscope.sources.source import Source, change_path
from gapscope.urls import absolute, is_url, move


@dataclass(frozen=True)
class Relocations:
    """Where files are on this machine.

    Attributes:
        pairs: beginnings of paths or URLs: as the run knows them, and as they are here. The longest that fits counts.

    Example:
        >>> moved = Relocations((("/data", "/mnt/disk"),))
        >>> moved.to_here("/data/photos/1.jpg"), moved.to_run("/mnt/disk/photos"), moved.to_here("/database/1.jpg")
        ('/mnt/disk/photos/1.jpg', '/data/photos', '/database/1.jpg')
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def to_here(self, location: str) -> str:
        """Return where a location of the run is on this machine."""
        return _moved(location, self.pairs)

    def to_run(self, location: str) -> str:
        """Return how the run knows a location of this machine."""
        return _moved(location, [(new, old) for old, new in self.pairs])


def _moved(location: str, pairs: Sequence[tuple[str, str]]) -> str:
    return change_path(location, lambda path: move(path, pairs))


def parse_relocations(relocate: RelocateOption) -> Relocations:
    """Return what an argument `relocate` says.

    Raises:
        OptionError: it says nothing.

    Example:
        >>> parse_relocations(["/data=/mnt/disk"]).pairs
        (('/data', '/mnt/disk'),)
    """
    given: list[tuple[str, str]] = []
    if isinstance(relocate, Mapping):
        given = [(str(old), str(new)) for old, new in relocate.items()]
    else:
        for text in [relocate] if isinstance(relocate, str) else relocate:
            old, equals, new = text.partition("=")
            if not (old and equals and new):
                raise OptionError("write OLD=NEW, such as /data=/mnt/disk", argument="relocate", value=text)
            given.append((old, new))
    return Relocations(tuple((_plain(old), _plain(new)) for old, new in given))


def _plain(place: str) -> str:
    place = absolute(place) if is_url(place) or not place.startswith("/") else place
    return place.rstrip("/") or "/"


@dataclass(frozen=True)
class Relocated:
    """A source whose images are elsewhere than the run says; entries have the names that the run knows.

    Attributes:
        source: as it is on this machine.
        relocations: where files are.
    """

    source: Source
    relocations: Relocations

    @property
    def location(self) -> str:
        """That of the run."""
        return self.relocations.to_run(self.source.location)

    @property
    def folder(self) -> str | None:
        """That of the source on this machine."""
        return self.source.folder

    @property
    def objects(self) -> bool:
        """That of the source."""
        return self.source.objects

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Those of the source."""
        return self.source.columns

    @property
    def origin(self) -> str:
        """That of the source, by the names that the run knows."""
        origin = self.source.origin
        for old, new in self.relocations.pairs:
            origin = origin.replace(new, old)
        return origin

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the entries, by the names that the run knows."""
        for entry in self.source.entries(notes):
            uri = self.relocations.to_run(entry.uri)
            annotations = entry.annotations
            if annotations is not None:
                annotations = replace(annotations, image=self.relocations.to_run(annotations.image))
            yield replace(entry, uri=uri, annotations=annotations)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image that the run knows.

        Raises:
            Rejected: they cannot be read.
        """
        uri = self.relocations.to_here(entry.uri)
        if uri == entry.uri:
            return self.source.read(entry)
        # A copy may have another time, and be the same image.
        return self.source.read(replace(entry, uri=uri, mtime_ns=_modified(uri) or entry.mtime_ns))


def _modified(uri: str) -> int:
    """Return when the file was changed that an image is, or that holds it; 0 if that is not known."""
    path = uri
    while not (time := modified_ns_if_there(path)):
        shorter = path.rpartition("#")[0] or path.rpartition("::")[0]
        if not shorter:
            return 0
        path = shorter
    return time


def relocated(source: Source, relocations: Relocations) -> Source:
    """Return a source of this machine as the run knows it."""
    if not relocations:
        return source
    if isinstance(source, ListFile):
        # The names in a list are where files were.
        source = replace(source, names=replace(source.names, moved=relocations.pairs))
    return Relocated(source, relocations)


def original(source: Source) -> Source:
    """Return a source as it is on this machine.

    Example:
        >>> from gapscope.sources import open_source
        >>> type(original(relocated(open_source("real", "photos"), Relocations((("/data", "/mnt"),))))).__name__
        'Folder'
    """
    return source.source if isinstance(source, Relocated) else source
