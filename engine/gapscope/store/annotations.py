"""annotations/NAME.parquet: the annotated objects in the images of a dataset."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gapscope.errors import DamageError
from gapscope.sources.annotations.source import WITHOUT_OBJECTS
from gapscope.sources.entry import Entry
from gapscope.sources.notes import ListingNotes
from gapscope.store.atomic import replacing
from gapscope.store.index import read_uris
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, table_writer

NAME = "annotations"

SCHEMA = pa.schema(
    [
        ("uri", pa.large_string()),
        ("image", pa.large_string()),
        ("image_width", pa.float32()),
        ("image_height", pa.float32()),
        ("id", pa.string()),
        ("category", pa.string()),
        ("left", pa.float32()),
        ("top", pa.float32()),
        ("right", pa.float32()),
        ("bottom", pa.float32()),
        ("area", pa.float32()),
        ("truncation", pa.float32()),
        ("occlusion", pa.float32()),
        ("crowd", pa.bool_()),
    ]
)
"""A row per object, image by image. `uri` is that of the index: of the object in a run of objects, else of its image,
whose name `image` is. Edges are in pixels of an image of `image_width` x `image_height`, which are 0 if unknown, and
null where the object has no usable box. An image without objects has one row, in which all from `id` on are null; in a
run of objects so is its `uri`, since the index does not have it, and `image` is a number."""

_GROUP_ENTRIES = 8192


def annotations_path(run: Location, dataset: str) -> Location:
    """Path of the table of a dataset's annotations."""
    return run / NAME / f"{dataset}.parquet"


class AnnotationsWriter:
    """Writes the annotations of the entries that pass by."""

    def __init__(self, path: Path) -> None:
        self._writer: pq.ParquetWriter | None = None
        self._path = path
        self.rows: int | None = None

    def over(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield entries, and write what is annotated in them."""
        pending: list[Entry] = []
        for entry in entries:
            if entry.annotations is not None:
                pending.append(entry)
                if len(pending) >= _GROUP_ENTRIES:
                    self._write(annotations_table(pending))
                    pending.clear()
            yield entry
        if pending:
            self._write(annotations_table(pending))

    def add_images_without_objects(self, images: int) -> None:
        """Write a row for each image that has no row in the index, since nothing is annotated in it."""
        for start in range(0, images, _GROUP_ENTRIES):
            names = pa.array(map(str, range(start, min(start + _GROUP_ENTRIES, images))), pa.large_string())
            columns = {field.name: pa.nulls(len(names), field.type) for field in SCHEMA} | {"image": names}
            self._write(pa.table(columns, schema=SCHEMA))

    def _write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = table_writer(self._path, SCHEMA)
            self.rows = 0
        self._writer.write_table(table)
        self.rows = (self.rows or 0) + len(table)

    def close(self) -> None:
        """Finish the file, if anything was written."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def writing_annotations(run: RunStore, dataset: str, notes: ListingNotes) -> Iterator[AnnotationsWriter]:
    """Give a writer of a dataset's annotations; what it wrote takes the place of what was there when all went well.

    The number of its rows becomes part of the run's record, which the caller writes.

    Args:
        run: the run.
        dataset: the dataset's name.
        notes: of the listing, which count the images of a run of objects that have none.
    """
    path = annotations_path(run.path, dataset)
    with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
        spool = Path(folder) / "annotations.parquet"
        writer = AnnotationsWriter(spool)
        try:
            yield writer
            without = notes.passed_over.get(WITHOUT_OBJECTS)
            if without is not None and writer.rows is not None:
                writer.add_images_without_objects(without.count)
        finally:
            writer.close()
        if writer.rows is None:
            path.unlink(missing_ok=True)
        else:
            with replacing(path) as temporary, temporary.open("wb") as file, spool.open("rb") as written:
                while part := written.read(2**24):
                    file.write(part)
        run.record.datasets[dataset].annotations = writer.rows


def annotations_table(entries: Iterable[Entry]) -> pa.Table:
    """Return the annotations of entries, with the columns of `SCHEMA`; entries without annotations add nothing."""
    rows = []
    for entry in entries:
        own = entry.annotations
        if own is None:
            continue
        head = {"uri": entry.uri, "image": own.image, "image_width": own.width, "image_height": own.height}
        if not own.objects:
            rows.append(head)
        for each in own.objects:
            edges = {} if each.edges is None else each.edges._asdict()
            rows.append(
                {
                    **head,
                    **edges,
                    "id": each.id,
                    "category": each.category,
                    "area": each.area,
                    "truncation": each.truncation,
                    "occlusion": each.occlusion,
                    "crowd": each.crowd,
                }
            )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def remove_annotations(run: RunStore, dataset: str) -> None:
    """Remove the table of a dataset's annotations."""
    annotations_path(run.path, dataset).unlink(missing_ok=True)


def read_annotations(run: RunStore, dataset: str) -> pa.Table | None:
    """Return a dataset's annotations, with the columns of `SCHEMA` and `row`; None if its source has none.

    `row` is the row of the index that has this `uri`; null for an image that the index does not have, since it has no
    objects. Images and objects that are no longer listed are left out.

    Raises:
        DamageError: the table is missing or damaged.
    """
    expected = run.record.datasets[dataset].annotations
    if expected is None:
        return None
    path = annotations_path(run.path, dataset)
    try:
        with readable(path) as file:
            table = read_whole(file)
    except FileNotFoundError:
        raise DamageError(f"{path} is missing; see `gapscope verify {run.path}`") from None
    if not table.schema.equals(SCHEMA) or len(table) != expected:
        raise DamageError(f"{path} is not the table that run.json tells of; see `gapscope verify {run.path}`")
    row = pc.index_in(table["uri"], value_set=read_uris(run, dataset)).cast(pa.int64())
    table = table.append_column("row", row)
    return table.filter(pc.or_(pc.is_valid(row), pc.is_null(table["uri"])))
