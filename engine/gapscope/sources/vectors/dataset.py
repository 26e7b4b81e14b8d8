"""A dataset that brings vectors along, with its images where there are some."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.entry import Entry, Kind, Value
from gapscope.sources.files import read_file
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.file import kinds_of
from gapscope.sources.parquet.images import metadata_value
from gapscope.sources.rejects import Rejected
from gapscope.sources.relocated import original
from gapscope.sources.source import Source, without_prefix
from gapscope.sources.vectors.tables import VectorTable, name_column
from gapscope.sources.vectors.vectors import Vectors, check_levels
from gapscope.urls import is_url

IN_MEMORY = "python:vectors"
"""The location of a dataset of arrays that a Python program gave: there is nothing to open again."""


@dataclass(frozen=True)
class NumberedRows:
    """The rows of vectors without names or images.

    Attributes:
        name: of what holds them; a row's uri is this name and its number.
        count: how many there are.
        location: what the user gave, with absolute paths.
        guess: what was taken for granted; empty if nothing was.
    """

    name: str
    count: int
    location: str
    guess: str = ""
    columns: Mapping[str, Kind] = field(default_factory=dict)
    objects: bool = False
    folder: str | None = None

    @property
    def origin(self) -> str:
        """Where the rows come from, to follow their number."""
        return "in arrays" if self.location == IN_MEMORY else f"in {without_prefix(self.location)}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per row."""
        if notes is not None and self.guess:
            notes.guess(self.guess)
        for row in range(self.count):
            yield Entry(f"{self.name}#{row}", offset=row)

    def read(self, entry: Entry) -> bytes:
        """Raise `Rejected`: there are no images."""
        raise Rejected("missing", f"{entry.uri} is a vector without an image")


@dataclass(frozen=True)
class TableRows:
    """The rows of a table of vectors, with the other columns of the table, and with images where one column names them.

    Attributes:
        table: the files.
        names: the column that names the images; None if there is none.
        base: what relative names start at: the folder of the table; empty where the names are no files.
        columns: the other columns of numbers or text.
        location: what the user gave, with absolute paths.
    """

    table: VectorTable
    names: str | None
    base: str | None
    columns: Mapping[str, Kind]
    location: str
    objects: bool = False
    folder: str | None = None

    @property
    def origin(self) -> str:
        """Where the rows come from, to follow their number."""
        return f"in {without_prefix(self.location)}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per row; one whose name came before has `#` and the number of its occurrence behind it."""
        notes = notes or ListingNotes()
        counter, row = NameCounter(), 0
        wanted = [*([] if self.names is None else [self.names]), *self.columns]
        for batch in self.table.batches(wanted):
            cells = {name: batch.column(at).to_pylist() for at, name in enumerate(batch.schema.names)}
            for at in range(len(batch)):
                name = None if self.names is None else cells[self.names][at]
                uri = self._uri(str(name)) if name else f"{self.table.files[0]}#{row}"
                if (count := counter.add(uri)) > 1:
                    notes.guess(f"an image that is named again is another row, such as {uri}")
                    uri = f"{uri}#{count}"
                values: dict[str, Value] = {key: metadata_value(cells[key][at]) for key in self.columns}
                yield Entry(uri, offset=row, values=values)
                row += 1

    def _uri(self, name: str) -> str:
        if not self.base or is_url(name) or os.path.isabs(name):
            return name
        return os.path.normpath(f"{self.base}/{name}") if not is_url(self.base) else f"{self.base}/{name}"

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the image that a row names.

        Raises:
            Rejected: it names none, or the image cannot be read.
        """
        if not self.has_images:
            raise Rejected("missing", f"{entry.uri} is a vector without an image")
        try:
            return read_file(entry.uri)
        except Rejected:
            stem, _, number = entry.uri.rpartition("#")
            if not number.isdigit():
                raise
            return read_file(stem)

    @property
    def has_images(self) -> bool:
        """Whether the column of names names images."""
        return self.base is not None


@dataclass(frozen=True, eq=False)
class VectorDataset:
    """A dataset that brings vectors along.

    Attributes:
        images: lists its rows, and reads their images.
        vectors: by level, those that it brings; they follow the order of the rows.
    """

    images: Source
    vectors: Mapping[str, Vectors]

    @property
    def location(self) -> str:
        """That of the images."""
        return self.images.location

    @property
    def folder(self) -> str | None:
        """That of the images."""
        return self.images.folder

    @property
    def objects(self) -> bool:
        """Whether a row is an object in an image."""
        return self.images.objects

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Those of the images."""
        return self.images.columns

    @property
    def origin(self) -> str:
        """That of the images, and the levels."""
        levels = ", ".join(f"{level} ({own.shape[1]:,} numbers)" for level, own in self.vectors.items())
        return f"{self.images.origin}, each with a vector: {levels}"

    @property
    def has_images(self) -> bool:
        """Whether there is an image for each vector."""
        return has_images(self.images)

    @property
    def signature(self) -> str:
        """A text that differs where the vectors do."""
        return "; ".join(f"{level}: {own.signature}" for level, own in self.vectors.items())

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the entries of the images.

        Raises:
            SourceError: there are more or fewer than vectors.
        """
        count, expected = 0, check_levels(self.vectors, self.location)
        for count, entry in enumerate(self.images.entries(notes), start=1):
            if count > expected:
                break
            yield entry
        if count != expected:
            images = f"more than {expected:,}" if count > expected else f"{count:,}"
            where = next(iter(self.vectors.values())).where
            raise SourceError(
                f"{where}: has {expected:,} vectors for {images} images of {self.location}; give one vector per image, "
                "in the order in which the images are listed"
            )

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of a row's image.

        Raises:
            Rejected: there is none, or it cannot be read.
        """
        return self.images.read(entry)

    def with_vectors(self, vectors: Mapping[str, Vectors]) -> "VectorDataset":
        """Return the dataset with more levels.

        Raises:
            SourceError: it brings one of them already.
        """
        if both := set(vectors) & set(self.vectors):
            raise SourceError(f"level {min(both)} is brought twice; give one of them another name with ::NAME")
        return replace(self, vectors={**self.vectors, **vectors})


def images_of(source: Source) -> Source:
    """Return what lists the rows of a source, and reads their images."""
    return source.images if isinstance(source, VectorDataset) else source


def has_images(source: Source) -> bool:
    """Return whether a source has images to be read."""
    images = original(images_of(source))
    return not isinstance(images, NumberedRows) and (not isinstance(images, TableRows) or images.has_images)


def table_rows(table: VectorTable, vector_columns: Sequence[str], location: str) -> TableRows:
    """Return the rows of a table of vectors.

    Args:
        table: the files.
        vector_columns: the columns that hold vectors.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: the first file cannot be read.
    """
    kinds = {name: kind for name, kind in kinds_of(table.schema()).items() if name not in vector_columns}
    names = name_column(kinds)
    base: str | None = None
    if names is not None:
        first = _first(table, names)
        folder = table.files[0].rpartition("/")[0]
        if first is not None and (is_url(first) or os.path.isabs(first)):
            base = ""
        elif first is not None and not is_url(folder) and os.path.exists(f"{folder}/{first}"):
            base = folder
        elif first is not None and not is_url(folder) and os.path.exists(first):
            base = os.getcwd()
    others = {name: kind for name, kind in kinds.items() if name != names}
    return TableRows(table, names, base, others, location)


def _first(table: VectorTable, column: str) -> str | None:
    for batch in table.batches([column]):
        for cell in batch.column(0).to_pylist():
            if cell:
                return str(cell)
    return None


def vectors_of(source: Source) -> Mapping[str, Vectors]:
    """Return the vectors that a source brings along, by level."""
    return source.vectors if isinstance(source, VectorDataset) else {}


def attach_vectors(source: Source, vectors: Mapping[str, Any]) -> VectorDataset:
    """Return a source with more vectors.

    Raises:
        SourceError: it brings one of the levels already.
    """
    return source.with_vectors(vectors) if isinstance(source, VectorDataset) else VectorDataset(source, vectors)
