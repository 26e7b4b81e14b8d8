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

_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("score", pa.float32()),
        ("p", pa.float64()),
        ("listed", pa.bool_()),
        ("reference_neighbors", pa.float32()),
    ]
)


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
    listed: NDArray[np.bool_],
    reference_neighbors: NDArray[np.float32],
) -> None:
    """Write what is known of every embedded image of the query.

    Args:
        run: the run.
        level: name of the level.
        pair: query and reference.
        reading: as it is, or style aside.
        rows: (n,) rows of the images, ascending.
        score: (n,) how far each is from the reference.
        p: (n,) p-value of each image's group.
        listed: (n,) whether the manifest may list it; it may hold fewer, by `max_outliers`.
        reference_neighbors: (n,) share of the reference among its nearest groups of both datasets.
    """
    columns = [rows, score, p, listed, reference_neighbors]
    table = pa.table([pa.array(values) for values in columns], schema=_SCHEMA)
    with replacing(scores_path(run, level, pair, reading)) as path:
        write_whole(path, table, compression="zstd")


def read_scores(run: Location, level: str, pair: Pair, reading: Reading) -> pa.Table:
    """Return a table of scores: row, ascending, score, p, listed and reference_neighbors.

    Raises:
        FileNotFoundError: the run does not have this reading.
    """
    with readable(scores_path(run, level, pair, reading)) as file:
        return read_whole(file)
