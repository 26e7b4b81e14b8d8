"""The rows of a manifest of groups: every group that is listed, and those that come nearest to it."""

import numpy as np
import pandas as pd
import pyarrow as pa

from gapscope.compare.outlier_scores import OutlierScores
from gapscope.compare.outlier_table import rank_groups
from gapscope.store.metrics import RankedGroup

_MIN_ROWS = 1000
_RANKING = 20


def group_table(scores: OutlierScores, max_outliers: int | None, metadata: pa.Table) -> pd.DataFrame:
    """Return a row per group: all that are listed, and at least the first thousand of the ranking.

    Args:
        scores: of the level and pair.
        max_outliers: largest number of rows; None for no limit.
        metadata: uri of the query's images, by row.
    """
    listed = int(np.count_nonzero(scores.listed))
    rows = max(listed, _MIN_ROWS) if max_outliers is None else min(max(listed, _MIN_ROWS), max_outliers)
    numbers = rank_groups(scores)[:rows]
    uris = metadata["uri"]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(numbers) + 1),
            "group": [scores.groups.name(int(number), uris) for number in numbers],
            "listed": scores.listed[numbers],
            "reason": scores.reason[numbers],
            "images": scores.groups.lengths[numbers],
            "uri": uris.take(pa.array(scores.groups.representative_rows[numbers])).to_pandas(),
            "row": scores.groups.representative_rows[numbers],
            "score": scores.group_score[numbers],
            "distance": scores.group_distance[numbers],
            **scores.p_and_q(numbers),
        }
    )


def ranking(scores: OutlierScores, metadata: pa.Table) -> list[RankedGroup]:
    """Return the first groups of the ranking, as metrics.json has them."""
    numbers = rank_groups(scores)[:_RANKING]
    uris = metadata["uri"]
    rows = scores.groups.representative_rows
    return [
        {
            "group": scores.groups.name(number, uris),
            "uri": str(uris[int(rows[number])]),
            "row": int(rows[number]),
            "images": int(scores.groups.lengths[number]),
            "p": float(scores.p[number]),
            "q": float(scores.q[number]),
            "score": float(scores.group_score[number]) if np.isfinite(scores.group_score[number]) else None,
        }
        for number in numbers.tolist()
    ]
