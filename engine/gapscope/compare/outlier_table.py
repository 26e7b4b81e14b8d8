"""The table of outliers of one level and ordered pair, as Parquet, as CSV, and as a plain list."""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.outlier_scores import OutlierScores


def ranked(answers: OutlierScores, most: int | None) -> NDArray[np.int64]:
    """Return the positions of the images that are listed, the surest first; at most `most` of them, where given."""
    listed = np.flatnonzero(answers.listed)
    order = np.lexsort((answers.rows[listed], -answers.score[listed], answers.p[listed], answers.q[listed]))
    return listed[order[:most]]


def outlier_table(
    answers: OutlierScores,
    positions: NDArray[np.int64],
    query: pa.Table,
    nearest: NDArray[np.int64],
    reference_uris: pa.ChunkedArray,
    placed: tuple[NDArray[np.float32], NDArray[np.int32]],
) -> pd.DataFrame:
    """Return the manifest's rows for images that are listed.

    Args:
        answers: of the level and pair.
        positions: of the m images, in the order of their rank.
        query: uri of the query dataset's images, and what else their source says of them, by row.
        nearest: (m, k) rows of each image's nearest in the reference, -1 where there is none.
        reference_uris: of the reference, by row.
        placed: (m, 3) coordinates and (m,) clusters.
    """
    rows = answers.rows[positions]
    outside, under = answers.outside[positions], answers.under_represented[positions]
    said: pd.DataFrame = query.take(rows).to_pandas()
    known = nearest >= 0
    uris = np.array(reference_uris.take(pa.array(nearest[known])).to_pylist(), dtype=object)
    points, clusters = placed
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "uri": said["uri"],
            "row": rows,
            "reason": np.where(outside & under, "both", np.where(outside, "outside", "under-represented")),
            "score": answers.score[positions],
            "p": answers.p[positions],
            "q": answers.q[positions],
            "outside_p": answers.outside_p[positions],
            "outside_q": answers.outside_q[positions],
            "under_p": answers.under_p[positions],
            "under_q": answers.under_q[positions],
            "nearest_distance": answers.nearest_distance[positions],
            # As objects also where there are none, or pandas takes the column for numbers.
            "neighbors": pd.Series(
                [part.tolist() for part in np.split(uris, np.cumsum(known.sum(axis=1))[:-1])] if len(rows) else [],
                dtype=object,
            ),
            "x": points[:, 0],
            "y": points[:, 1],
            "z": points[:, 2],
            "cluster": clusters,
        }
    )
    return pd.concat([table, said.drop(columns="uri")], axis=1)
