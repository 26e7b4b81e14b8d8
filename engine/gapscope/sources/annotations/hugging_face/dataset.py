"""Parquet files with a column of images and columns of the objects in them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError
from gapscope.sources.annotations.hugging_face.columns import ObjectColumns, find_object_columns
from gapscope.sources.annotations.image_size import size_from_head
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import modified_ns_if_there
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.columns import is_list
from gapscope.sources.parquet.file import claims_too_much, open_parquet, parquet_rows, parquet_schema
from gapscope.sources.parquet.images import ParquetImages
from gapscope.sources.rejects import Rejected

_BATCH_ROWS = 1024
_ALLOWED_ITEMS = 2**22
"""How many values of objects a file may always hold; beyond that, no more than it has bytes."""

_TRIED_ROWS = 1000
_TRIED_SIZES = 32
"""Rows by which the form of boxes is settled, and how many of these rows' images are opened for their size."""

_TOLERANCE = 1.0
"""Pixels by which a box may reach beyond its image: annotators round."""

_MISFITS = 0.1
"""Share of boxes beyond their images from which on their numbers are not left, top, width and height."""

_MISFITS_OF_CORNERS = 0.02
"""Share of boxes that may be wrong all the same where they are left, top, right and bottom."""

_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class HuggingFace:
    """The images of Parquet files, with the objects that other columns hold.

    Attributes:
        table: the images.
        objects: the columns of objects.
    """

    table: ParquetImages
    objects: ObjectColumns

    @property
    def location(self) -> str:
        """What the user gave, with absolute paths."""
        return self.table.location

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        own = self.objects
        return f"{self.table.origin}, with objects of {own.group or own.box}"

    @property
    def columns(self) -> Mapping[str, Kind]:
        """The other columns of the files."""
        return self.table.columns

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield the images in the order of their rows. Objects have no outlines."""
        del outlines
        own = self.objects
        form = "left, top, right and bottom" if own.corners else "left, top, width and height"
        why = ", since they do not fit into the images otherwise" if own.corners else ""
        notes.guess(f"the four numbers of a box are read as {form}{why}")
        if own.others:
            notes.pass_over("other columns of objects", own.others[0], len(own.others))
        rows = _Rows(own)
        for entry in self.table.entries(notes):
            row = rows.of(entry)
            if row is None:
                notes.pass_over("rows whose objects cannot be read", entry.uri)
            yield replace(entry, annotations=own.annotations(row or {}, entry.uri, notes))

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the table has changed since it was listed, or the image cannot be read.
        """
        path = max((path for path in self.table.files if entry.uri.startswith(f"{path}#")), key=len)
        row = entry.uri.removeprefix(f"{path}#").partition("#")[0]
        return self.table.read(replace(entry, uri=f"{path}#{row}", offset=int(row)))


def open_hugging_face(table: ParquetImages) -> HuggingFace | None:
    """Return the reader of Parquet files with columns of objects; None if there are none, or a row has several images.

    Args:
        table: the images in the files; the first file decides on the columns.

    Raises:
        SourceError: the first file cannot be read.
    """
    path = table.files[0]
    schema = parquet_schema(path)
    columns = find_object_columns(schema)
    if columns is None or is_list(schema.field(table.column).type):
        return None
    reader = HuggingFace(table, columns)
    return replace(reader, objects=_with_form(reader))


class _Rows:
    """Reads the objects of one row after the other, beside the images of these rows."""

    def __init__(self, columns: ObjectColumns) -> None:
        self._columns = columns
        self._path = ""
        self._rows: Iterator[dict[str, Any]] = iter(())

    def of(self, entry: Entry) -> dict[str, Any] | None:
        """Return the values of an image's row; None if they cannot be read."""
        if entry.status != "listed":
            return {}
        path = entry.uri.rpartition("#")[0]
        if path != self._path:
            self._path, self._rows = path, _rows(path, self._columns)
        try:
            return next(self._rows, None)
        except SourceError:
            return None


def _rows(path: str, columns: ObjectColumns) -> Iterator[dict[str, Any]]:
    """Yield the values of the columns of objects, row by row; nothing if the file has other ones.

    Raises:
        SourceError: the file cannot be read beyond the rows so far.
    """
    with open_parquet(path) as file:
        own = find_object_columns(file.schema_arrow)
        if own is None or (own.group, own.box) != (columns.group, columns.box):
            return
        paths = [file.metadata.schema.column(index).path for index in range(file.metadata.num_columns)]
        leaves = columns.leaves(paths)
        if any(claims_too_much(file, path, leaf, _ALLOWED_ITEMS) for leaf in leaves):
            return
    yield from parquet_rows(path, leaves, _BATCH_ROWS)


def _with_form(reader: HuggingFace) -> ObjectColumns:
    """Return a reader's columns with the form of boxes, by whether the first ones fit into their images.

    Width and height are taken unless many boxes leave their images with them, and nearly none does with corners.
    """
    columns, path = reader.objects, reader.table.files[0]
    boxes, sizes = list[_Box](), list[tuple[float, float]]()
    rows = list[int]()
    try:
        for row, values in enumerate(islice(_rows(path, columns), _TRIED_ROWS)):
            if own := list(columns.boxes(values)):
                annotations = columns.annotations(values, f"{path}#{row}", ListingNotes())
                boxes += own
                sizes += [(annotations.width, annotations.height)] * len(own)
                rows += [row] * len(own)
    except SourceError:
        # Listing tells it.
        return columns
    if not boxes:
        return columns
    four, size = np.array(boxes), np.array(sizes)
    if four.min() >= 0 and four.max() <= 1 and (four % 1).any():
        return replace(columns, fractions=True)
    left, top, third, fourth = four.T
    # Few widths are larger than the left edge, and every right edge is.
    ordered = (third > left) & (fourth > top)
    if ordered.mean() < 1 - _MISFITS_OF_CORNERS:
        return columns
    if not size.any():
        size = _sizes_from_images(reader, np.array(rows))
    known = size.min(axis=1) > 0
    if not known.any():
        return columns
    left, top, third, fourth = four[known].T
    width, height = size[known].T + _TOLERANCE
    beyond = (left + third > width) | (top + fourth > height)
    fits = (third <= width) & (fourth <= height)
    return replace(columns, corners=bool(beyond.mean() > _MISFITS and fits.mean() >= 1 - _MISFITS_OF_CORNERS))


def _sizes_from_images(reader: HuggingFace, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return width and height of the images in some rows of the first file, one row perhaps several times.

    Returns:
        (number of rows, 2); 0 for images that cannot be read, and for all but a few evenly spread ones.
    """
    path = reader.table.files[0]
    size = np.zeros((len(rows), 2))
    different = np.unique(rows)
    for row in different[:: -(-len(different) // _TRIED_SIZES)].tolist():
        entry = Entry(f"{path}#{row}", mtime_ns=modified_ns_if_there(path), offset=row)
        with suppress(Rejected):
            size[rows == row] = size_from_head(BytesIO(reader.table.read(entry)))
    return size
