"""heatmaps.parquet: where in the pictures on the page something is that the reference lacks."""

from collections.abc import Sequence

import pyarrow as pa

from gapscope.store.atomic import replacing
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, write_whole

NAME = "heatmaps.parquet"

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("row", pa.int64()),
        ("uri", pa.string()),
        ("reference", pa.string()),
        ("level", pa.string()),
        ("pointing", pa.float32()),
        ("focus", pa.float32()),
        ("map", pa.binary()),
        ("reason", pa.string()),
    ]
)
"""A row per image, reference and level.

`map` is a square of places, row by row, a byte each; `STEPS` are one unit of rarity. An image without heat maps has one
row, with the reason and no level.
"""

STEPS = 50
"""Bytes of a heat map per unit of rarity: how many decimal places rarer than any place of the reference."""


def write_heat_maps(run: Location, table: pa.Table) -> None:
    """Write heat maps, with the columns of `SCHEMA`, in place of older ones."""
    with replacing(run / NAME) as temporary:
        write_whole(temporary, table)


def read_heat_maps(run: RunStore) -> pa.Table:
    """Return the heat maps of a run; none where none were made, or their file is damaged: they can be made again."""
    try:
        with readable(run.path / NAME) as file:
            table = read_whole(file)
    except (FileNotFoundError, pa.ArrowInvalid, OSError):
        return SCHEMA.empty_table()
    return table if table.schema.equals(SCHEMA) else SCHEMA.empty_table()


def remove_heat_maps(run: Location) -> None:
    """Remove the heat maps, where there are any."""
    (run / NAME).unlink(missing_ok=True)


def heat_map_table(rows: Sequence[dict[str, object]]) -> pa.Table:
    """Return rows as a table with the columns of `SCHEMA`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)
