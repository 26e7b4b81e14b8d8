"""The rows of an outlier manifest, from the scores of a level and ordered pair."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.outlier_scores import OutlierScores
from gapscope.store.groups import ImageGroups
from gapscope.store.index import SourceMetadata
from gapscope.store.neighbors import DistancesAndIndices

SATURATED = 0.5
"""Where more than this share is listed, nearly everything differs, and the list is in the order of distance."""

TABLE_ROWS = 2**16
"""Rows of a manifest that are in memory at a time."""


def rank_groups(scores: OutlierScores, numbers: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the numbers of groups, the surest first, and of equally sure ones the farthest.

    Where more than half of the groups are listed, the farthest come first: a count that is 0 of 30 for nearly all
    images orders nothing.

    Args:
        scores: of the level and pair.
        numbers: ascending numbers of the groups to rank; all by default.
    """
    if numbers is None:
        numbers = np.arange(len(scores.groups))
    is_saturated = np.mean(scores.listed) > SATURATED
    farthest = -scores.group_score[numbers]
    if is_saturated:
        return numbers[np.lexsort((numbers, farthest))]
    return numbers[np.lexsort((numbers, farthest, scores.p_of(numbers), scores.q_of(numbers)))]


def rank_outliers(scores: OutlierScores, max_outliers: int | None, unlisted: int = 0) -> NDArray[np.int64]:
    """Return the positions of the images that are listed, at most `max_outliers` of them, where given.

    They are in the order of `rank_groups`. The images of a group follow each other, the farthest first.

    Args:
        scores: of the level and pair.
        max_outliers: largest number of images.
        unlisted: where nothing is listed, how many of the first images of the order to return.
    """
    listed = np.flatnonzero(scores.listed)
    if not len(listed) and unlisted:
        listed = np.arange(len(scores.groups))
        max_outliers = unlisted if max_outliers is None else min(unlisted, max_outliers)
    ranked = rank_groups(scores, listed)
    if scores.groups.counts_images:
        return scores.groups.representative[ranked[:max_outliers]]
    place = np.full(len(scores.groups), -1, np.int64)
    place[ranked] = np.arange(len(ranked))
    chosen = np.flatnonzero(place[scores.groups.group] >= 0)
    order = np.lexsort((scores.rows[chosen], -scores.score[chosen], place[scores.groups.group[chosen]]))
    return np.asarray(chosen[order[:max_outliers]])


def outlier_tables(
    scores: OutlierScores,
    positions: NDArray[np.int64],
    metadata: SourceMetadata,
    reference: SourceMetadata,
    read_nearest: Callable[[NDArray[np.int64]], DistancesAndIndices],
    read_map: Callable[[NDArray[np.int64]], tuple[NDArray[np.float32], NDArray[np.int32]]],
) -> Iterator[pd.DataFrame]:
    """Yield the manifest's rows for images that are listed, some at a time; one empty table where there are none.

    Args:
        scores: of the level and pair.
        positions: of the images, in the order of their rank.
        metadata: of the query.
        reference: of the reference.
        read_nearest: returns, for rows of the query, the distances (m, k) of their nearest in the reference, and the
            rows of these, -1 for none.
        read_map: returns, for rows of the query, their coordinates (m, 3) and clusters (m,) on the level's map.
    """
    for first in range(0, max(1, len(positions)), TABLE_ROWS):
        part = positions[first : first + TABLE_ROWS]
        rows = scores.rows[part]
        nearest = read_nearest(rows)
        yield _outlier_table(scores, first, part, metadata, reference, nearest, *read_map(rows))


def _outlier_table(
    scores: OutlierScores,
    first: int,
    positions: NDArray[np.int64],
    metadata: SourceMetadata,
    reference: SourceMetadata,
    nearest: DistancesAndIndices,
    coordinates: NDArray[np.float32],
    clusters: NDArray[np.int32],
) -> pd.DataFrame:
    rows = scores.rows[positions]
    own: pd.DataFrame = metadata.take(rows).to_pandas()
    distances, indices = nearest
    exists = indices >= 0
    uris = np.array(reference.uris(indices[exists]), dtype=object)
    neighbors = [part.tolist() for part in np.split(uris, np.cumsum(exists.sum(axis=1))[:-1])] if len(rows) else []
    table = pd.DataFrame(
        {
            "rank": np.arange(first + 1, first + len(rows) + 1),
            "uri": own["uri"],
            "row": rows,
            "listed": scores.of_images(scores.listed, positions),
            "reason": scores.reason_of(scores.groups.group[positions]),
            "score": scores.score[positions],
            "distance": scores.distance[positions],
            **scores.p_and_q(scores.groups.group[positions]),
            "nearest_distance": distances[:, 0],
            # As objects also where there are none, or pandas takes the column for numbers.
            "neighbors": pd.Series(neighbors, dtype=object),
            "x": coordinates[:, 0],
            "y": coordinates[:, 1],
            "z": coordinates[:, 2],
            "cluster": clusters,
        }
    )
    if not scores.groups.counts_images:
        table["group"] = pd.Series(group_names(scores.groups, scores.groups.group[positions], metadata), dtype=object)
    return pd.concat([table, own.drop(columns="uri")], axis=1)


def group_names(groups: ImageGroups, numbers: NDArray[np.int64], metadata: SourceMetadata) -> list[str]:
    """Return the names of groups by number; the uri of its image for one that has none."""
    if groups.names is None:
        return metadata.uris(groups.representative_rows[numbers])
    names: list[str] = groups.names.take(pa.array(numbers)).to_pylist()
    return names
