"""scores/: how far every image is from the reference, per level, ordered pair and reading."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.settings import Reading
from gapscope.store.atomic import replacing
from gapscope.store.datasets import Pair
from gapscope.store.location import Location, readable
from gapscope.store.manifests import table_name
from gapscope.store.tables import read_whole, write_whole

NAME = "scores"

_SCHEMA = pa.schema([("row", pa.int64()), ("score", pa.float32()), ("p", pa.float64())])


def scores_path(run: Location, level: str, pair: Pair, reading: Reading) -> Location:
    """Path of a table of scores."""
    return run / NAME / f"{table_name(level, pair, reading)}.parquet"


def write_scores(
    run: Location,
    level: str,
    pair: Pair,
    reading: Reading,
    rows: NDArray[np.int64],
    score: NDArray[np.float32],
    p: NDArray[np.float64],
) -> None:
    """Write row, score and p (n,) of every embedded image of the query."""
    table = pa.table([pa.array(rows), pa.array(score), pa.array(p)], schema=_SCHEMA)
    with replacing(scores_path(run, level, pair, reading)) as path:
        write_whole(path, table, compression="zstd")


def read_scores(run: Location, level: str, pair: Pair, reading: Reading) -> pa.Table:
    """Return a table of scores: row, ascending, score and p.

    Raises:
        FileNotFoundError: the run does not have this reading.
    """
    with readable(scores_path(run, level, pair, reading)) as file:
        return read_whole(file)
