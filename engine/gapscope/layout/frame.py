"""A level's layout as a table."""

from pathlib import Path

import numpy as np
import pandas as pd

from gapscope.store.index import read_index, rows_read
from gapscope.store.record import Record
from gapscope.store.results import read_layout


def layout_frame(run: Path, record: Record, level: str) -> pd.DataFrame:
    """Return dataset, row, uri, x, y, z and cluster of every image that was read, the same rows for each level."""
    points, clusters = read_layout(run, level)
    parts = []
    first = 0
    for name, facts in record.datasets.items():
        rows = rows_read(run, name)
        here = points[first + rows]
        parts.append(
            pd.DataFrame(
                {
                    "dataset": name,
                    "row": rows,
                    "uri": read_index(run, name, ["uri"])["uri"].take(rows).to_pandas(),
                    "x": here[:, 0],
                    "y": here[:, 1],
                    "z": here[:, 2],
                    "cluster": np.asarray(clusters[first + rows]),
                }
            )
        )
        first += facts["listed"]
    return pd.concat(parts, ignore_index=True)
