"""The rows of an outlier manifest, from the scores of a level and ordered pair."""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.outlier_scores import OutlierScores
from gapscope.store.groups import ImageGroups

SATURATED = 0.5
"""Where more than this share is listed, nearly everything differs, and the list is in the order of distance."""


def rank_groups(scores: OutlierScores) -> NDArray[np.int64]:
    """Return the numbers of all groups, listed or not, the surest first, and of equally sure ones the farthest.

    Where more than half of the groups are listed, the farthest come first: a count that is 0 of 30 for nearly all
    images orders nothing.
    """
    is_saturated = np.mean(scores.listed) > SATURATED
    keys = (-scores.group_score,) if is_saturated else (-scores.group_score, scores.p, scores.q)
    return np.lexsort((np.arange(len(scores.groups)), *keys))


def rank_outliers(scores: OutlierScores, max_outliers: int | None, unlisted: int = 0) -> NDArray[np.int64]:
    """Return the positions of the images that are listed, at most `max_outliers` of them, where given.

    They are in the order of `rank_groups`. The images of a group follow each other, the farthest first.

    Args:
        scores: of the level and pair.
        max_outliers: largest number of images.
        unlisted: where nothing is listed, how many of the first images of the order to return.
    """
    chosen = np.flatnonzero(scores.of_images(scores.listed))
    if not len(chosen) and unlisted:
        chosen = np.arange(len(scores.rows))
        max_outliers = unlisted if max_outliers is None else min(unlisted, max_outliers)
    place = np.argsort(rank_groups(scores), kind="stable")
    order = np.lexsort((scores.rows[chosen], -scores.score[chosen], scores.of_images(place, chosen)))
    return chosen[order[:max_outliers]]


def outlier_table(
    scores: OutlierScores,
    positions: NDArray[np.int64],
    metadata: pa.Table,
    nearest: NDArray[np.int64],
    reference_uris: pa.ChunkedArray,
    coordinates: NDArray[np.float32],
    clusters: NDArray[np.int32],
) -> pd.DataFrame:
    """Return the manifest's rows for images that are listed.

    Args:
        scores: of the level and pair.
        positions: of the m images, in the order of their rank.
        metadata: uri of the query dataset's images, and the columns of their source, by row.
        nearest: (m, k) rows of each image's nearest in the reference, -1 where there is none.
        reference_uris: of the reference, by row.
        coordinates: (m, 3) on the level's map.
        clusters: (m,) on the level's map.
    """
    rows = scores.rows[positions]
    own: pd.DataFrame = metadata.take(rows).to_pandas()
    exists = nearest >= 0
    uris = np.array(reference_uris.take(pa.array(nearest[exists])).to_pylist(), dtype=object)
    neighbors = [part.tolist() for part in np.split(uris, np.cumsum(exists.sum(axis=1))[:-1])] if len(rows) else []
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "uri": own["uri"],
            "row": rows,
            "listed": scores.of_images(scores.listed, positions),
            "reason": scores.of_images(scores.reason, positions),
            "score": scores.score[positions],
            "distance": scores.distance[positions],
            **scores.p_and_q(scores.groups.group[positions]),
            "nearest_distance": scores.nearest_distance[positions],
            # As objects also where there are none, or pandas takes the column for numbers.
            "neighbors": pd.Series(neighbors, dtype=object),
            "x": coordinates[:, 0],
            "y": coordinates[:, 1],
            "z": coordinates[:, 2],
            "cluster": clusters,
        }
    )
    if not scores.groups.counts_images:
        table["group"] = group_names(scores.groups, positions, metadata)
    return pd.concat([table, own.drop(columns="uri")], axis=1)


def group_names(groups: ImageGroups, positions: NDArray[np.int64], metadata: pa.Table) -> "pd.Series[str]":
    """Return the name of each image's group."""
    numbers, inverse = np.unique(groups.group[positions], return_inverse=True)
    names = np.array([groups.name(number, metadata["uri"]) for number in numbers.tolist()], dtype=object)
    return pd.Series(names[inverse], dtype=object)
