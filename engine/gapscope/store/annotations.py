"""annotations/NAME.parquet: the annotated objects in the images of a dataset."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.sources.entry import Entry
from gapscope.store.index import read_uris
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole

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
which `image` always is. An image without objects has one row, in which all from `id` on are null. Edges are in pixels
of an image of `image_width` x `image_height`, which are 0 if unknown, and null where the object has no usable box."""


def annotations_path(run: Location, dataset: str) -> Location:
    """Path of the table of a dataset's annotations."""
    return run / NAME / f"{dataset}.parquet"


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


def read_annotations(run: RunStore, dataset: str) -> pa.Table | None:
    """Return a dataset's annotations, with the columns of `SCHEMA` and `row`; None if its source has none.

    `row` is the row of the index that has this `uri`; rows of images that are no longer listed are left out.
    """
    path = annotations_path(run.path, dataset)
    if not path.exists():
        return None
    with readable(path) as file:
        table = read_whole(file)
    row = pc.index_in(table["uri"], value_set=read_uris(run, dataset)).cast(pa.int64())
    table = table.append_column("row", row)
    return table.filter(pa.array(np.asarray(row.is_valid())))
