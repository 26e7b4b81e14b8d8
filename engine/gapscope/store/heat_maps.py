"""heatmaps.parquet: where in the pictures on the page something is that the reference lacks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.store.atomic import replacing
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, write_whole

NAME = "heatmaps.parquet"
_LARGEST = 60_000.0

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

`map` is a square of places, row by row, a little-endian float16 each: 0 is as unlike as the median place of the
reference, 1 as one in 100 is. `pointing` and `focus` are as in `gapscope.heat_maps.bank.Bank`. An image without heat
maps has one row, with the reason and no level.
"""

Map = NDArray[np.float16]


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


def heat_map_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table with the columns of `SCHEMA`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def pack_map(heat_map: NDArray[np.float32]) -> bytes:
    """Return a heat map as the table holds it."""
    # Half precision ends at 65,504.
    return heat_map.clip(-_LARGEST, _LARGEST).astype("<f2").tobytes()


def unpack_map(data: bytes) -> Map:
    """Return a heat map (side, side) of the table.

    Raises:
        ValueError: it is not square.

    Example:
        >>> unpack_map(pack_map(np.eye(2, dtype=np.float32))).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    values = np.frombuffer(data, "<f2").astype(np.float16)
    side = math.isqrt(len(values))
    return values.reshape(side, side)
