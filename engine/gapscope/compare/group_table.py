"""The rows of a manifest of groups: every group that is listed, and those that come nearest to it."""

import numpy as np
import pandas as pd

from gapscope.compare.outlier_scores import OutlierScores
from gapscope.compare.outlier_table import group_names, rank_groups
from gapscope.store.index import SourceMetadata
from gapscope.store.metrics import RankedGroup

_MIN_ROWS = 1000
_RANKING = 20


def group_table(scores: OutlierScores, max_outliers: int | None, metadata: SourceMetadata) -> pd.DataFrame:
    """Return a row per group: all that are listed, and at least the first thousand of the ranking.

    Args:
        scores: of the level and pair.
        max_outliers: largest number of rows; None for no limit.
        metadata: of the query.
    """
    listed = int(np.count_nonzero(scores.listed))
    rows = max(listed, _MIN_ROWS) if max_outliers is None else min(max(listed, _MIN_ROWS), max_outliers)
    numbers = rank_groups(scores)[:rows]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(numbers) + 1),
            "group": group_names(scores.groups, numbers, metadata),
            "listed": scores.listed[numbers],
            "reason": scores.reason_of(numbers),
            "images": scores.groups.lengths[numbers],
            "uri": metadata.uris(scores.groups.representative_rows[numbers]),
            "row": scores.groups.representative_rows[numbers],
            "score": scores.group_score[numbers],
            "distance": scores.group_distance[numbers],
            **scores.p_and_q(numbers),
        }
    )


def ranking(scores: OutlierScores, metadata: SourceMetadata) -> list[RankedGroup]:
    """Return the first groups of the ranking, as metrics.json has them."""
    numbers = rank_groups(scores)[:_RANKING]
    rows = scores.groups.representative_rows
    names, uris = group_names(scores.groups, numbers, metadata), metadata.uris(rows[numbers])
    return [
        {
            "group": name,
            "uri": uri,
            "row": int(rows[number]),
            "images": int(scores.groups.lengths[number]),
            "p": float(scores.p[number]),
            "q": float(scores.q[number]),
            "score": float(scores.group_score[number]) if np.isfinite(scores.group_score[number]) else None,
        }
        for number, name, uri in zip(numbers.tolist(), names, uris, strict=True)
    ]
