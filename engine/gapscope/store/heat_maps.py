"""heatmaps.parquet: where in the pictures on the page something is that the reference lacks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.store.atomic import replacing
from gapscope.store.datasets import Pair
from gapscope.store.index import take_rows
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
Key = tuple[str, int, str]
"""Dataset and row of an image, and the reference that it is held against."""


def key_of(row: Mapping[str, Any]) -> Key:
    """Return what a row of the table is about: an image, by its dataset and row, and the reference."""
    return row["dataset"], row["row"], row["reference"]


def write_heat_maps(run: Location, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the columns of `SCHEMA`, in place of older ones; a column that a row lacks is empty."""
    with replacing(run / NAME) as temporary:
        write_whole(temporary, pa.Table.from_pylist(list(rows), schema=SCHEMA))


def read_heat_maps(run: RunStore) -> pa.Table:
    """Return the heat maps of a run; none where none were made, or their file is damaged: they can be made again."""
    try:
        return read_sound_heat_maps(run)
    # Damaged bytes make Arrow raise nearly anything, and a missing file is no fault.
    except (OSError, ValueError, pa.ArrowException):
        return SCHEMA.empty_table()


def read_sound_heat_maps(run: RunStore) -> pa.Table:
    """Return the heat maps of a run.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it holds what is no heat map of this run.
    """
    with readable(run.path / NAME) as file:
        table = read_whole(file)
    if not table.schema.equals(SCHEMA) or any(
        table[name].null_count for name in ("dataset", "row", "uri", "reference")
    ):
        raise ValueError("it has other columns, or lacks values")
    levels_of: dict[Key, list[str | None]] = {}
    sides = set()
    for row in table.to_pylist():
        if Pair(row["dataset"], row["reference"]) not in run.pairs:
            raise ValueError("it is of datasets that the run does not compare")
        if not 0 <= row["row"] < run.record.datasets[row["dataset"]].listed:
            raise ValueError("it names an image that its dataset does not have")
        levels_of.setdefault(key_of(row), []).append(row["level"])
        if row["reason"] is None:
            heat_map = unpack_map(row["map"] or b"")
            sides.add(heat_map.shape)
            if not (
                np.isfinite(heat_map).all() and np.isfinite(np.array([row["pointing"], row["focus"]], float)).all()
            ):
                raise ValueError("a number in it is not finite")
    every = {tuple(levels) for levels in levels_of.values()} - {(None,)}
    if len(sides) > 1 or len(every) > 1 or not {*next(iter(every), ())} <= {*run.levels}:
        raise ValueError("its maps are not of the same levels and size")
    for name in pc.unique(table["dataset"]).to_pylist():
        own = table.filter(pc.equal(table["dataset"], name))
        if take_rows(run, name, own["row"].to_numpy(), ["uri"])["uri"].to_pylist() != own["uri"].to_pylist():
            raise ValueError("it names images that are not in the index")
    return table


def remove_heat_maps(run: Location) -> None:
    """Remove the heat maps, where there are any."""
    (run / NAME).unlink(missing_ok=True)


def pack_map(heat_map: NDArray[np.float32]) -> bytes:
    """Return a heat map as the table holds it."""
    # Half precision ends at 65,504.
    return heat_map.clip(-_LARGEST, _LARGEST).astype("<f2").tobytes()


def unpack_map(data: bytes) -> Map:
    """Return a heat map (side, side) of the table.

    Raises:
        ValueError: it is empty, or not square.

    Example:
        >>> unpack_map(pack_map(np.eye(2, dtype=np.float32))).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    values = np.frombuffer(data, "<f2").astype(np.float16)
    side = math.isqrt(len(values))
    if not side:
        raise ValueError("a map is empty")
    return values.reshape(side, side)
