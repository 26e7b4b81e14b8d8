"""Images that are there twice, within a dataset or in two of them, from the neighbor graph."""

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gapscope.compare.near import NEAR, typical_spacing
from gapscope.store.arrays import positions_of
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.index import SourceMetadata
from gapscope.store.manifests import duplicates_path, write_table
from gapscope.store.metrics import DuplicateCounts, DuplicateMetrics
from gapscope.store.neighbors import read_group_neighbor_rows, read_neighbor_rows
from gapscope.store.run_store import RunStore

_N_LEVELS = 2
"""Two images are duplicates where they are near at so many of the coarsest levels, by the spacing of the denser dataset
for a pair from two. At fine levels another encoding of an image may lie farther than another image."""

SCHEMA = pa.schema(
    [
        ("group", pa.int64()),
        ("match", pa.string()),
        ("dataset", pa.string()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("copy_dataset", pa.string()),
        ("copy_uri", pa.string()),
        ("copy_row", pa.int64()),
        ("distance", pa.float32()),
        ("nearness", pa.float32()),
    ]
)
_CANDIDATE = np.dtype([("pair", np.int64), ("distance", np.float32), ("nearness", np.float32)])
_TILE_ROWS = 65536


def write_duplicates(
    run: RunStore, metadata: Mapping[str, SourceMetadata], groups: Mapping[str, ImageGroups]
) -> DuplicateMetrics:
    """Write every pair of images that are the same or nearly, and return how many there are.

    Embeddings of `exact` duplicates are equal, as those of the same pixels are. Of `near` ones `distance` is the larger
    of the two levels', and `nearness` is the larger of the two levels' distances, each divided by the allowed one
    (`gapscope.compare.near`). Embeddings are means
    over space, so that an image's mirror image is near too. A `group` holds images that are connected by such pairs.
    The plain list holds every image of a group but its first: remove these to have no image twice.

    Frames of one clip are near copies of each other and no duplicates: they are counted as `repeats`, and left out of
    the table.

    Args:
        run: the run.
        metadata: of every dataset.
        groups: per dataset, which images belong together.

    Returns:
        `groups`, `images` in them, and `pairs`, `exact` and `near`: of two datasets, images of the first that have a
        copy in the second; of a dataset with itself, images that are too many (see `_too_many`). `repeats`: per
        dataset, images with a copy in their own group.
    """
    starts = {name: part.start for name, part in run.record.row_slices.items()}
    total = run.record.listed
    levels = run.levels[-_N_LEVELS:]
    repeated = {name: np.ones(len(own.rows), bool) for name, own in groups.items()}
    candidates = _candidates(run, levels[0], starts, total, groups, repeated)
    for level in levels[1:]:
        others = _candidates(run, level, starts, total, groups, repeated)
        _, first, second = np.intersect1d(candidates["pair"], others["pair"], assume_unique=True, return_indices=True)
        both = candidates[first].copy()
        for name in ("distance", "nearness"):
            both[name] = np.maximum(both[name], others[second][name])
        candidates = both
    table = _table(candidates, starts, metadata, total)
    images = _images(table, run.datasets)
    write_table(duplicates_path(run.path), table, SCHEMA, uris=images.loc[images["group"].duplicated(), "uri"])
    return {
        "groups": int(table["group"].nunique()),
        "images": len(images),
        "repeats": {name: int(np.count_nonzero(images)) for name, images in repeated.items()},
        "pairs": {
            Pair(a, b).name: (_too_many if a == b else _with_copy)(
                table[(table["dataset"] == a) & (table["copy_dataset"] == b)]
            )
            for a, b in combinations_with_replacement(run.datasets, 2)
        },
    }


def _candidates(
    run: RunStore,
    level: str,
    starts: Mapping[str, int],
    total: int,
    groups: Mapping[str, ImageGroups],
    repeated: Mapping[str, NDArray[np.bool_]],
) -> NDArray[Any]:
    """Return the pairs of images that are near at a level: both positions as one number, distance, and nearness.

    Images without a copy in their own group are taken out of `repeated`.
    """
    spacing = {name: typical_spacing(run, level, name, own.rows) for name, own in groups.items()}
    parts = [np.empty(0, _CANDIDATE)]
    for query, own in groups.items():
        for reference in starts:
            allowed = NEAR * min(spacing[query], spacing[reference])
            pair = Pair(query, reference)
            # Where the nearest images are all frames of the own clip, the nearest groups tell of copies elsewhere.
            readers = [read_neighbor_rows]
            readers += [read_group_neighbor_rows] if run.record.graph(pair) == "groups" else []
            for start in range(0, len(own.rows), _TILE_ROWS):
                tile = slice(start, start + _TILE_ROWS)
                for read in readers:
                    distances, indices = read(run, level, pair, own.rows[tile])
                    is_near = (distances <= allowed) & (indices >= 0)
                    if query == reference and read is read_neighbor_rows:
                        is_repeat = is_near & _is_own_group(own, tile, indices)
                        repeated[query][tile] &= is_repeat.any(axis=1)
                        is_near &= ~is_repeat
                    image, column = np.nonzero(is_near)
                    rows, copies = own.rows[tile][image], indices[image, column]
                    positions = np.sort([starts[query] + rows, starts[reference] + copies], axis=0)
                    part = np.empty(len(image), _CANDIDATE)
                    part["pair"] = positions[0] * total + positions[1]
                    part["distance"] = distances[image, column]
                    part["nearness"] = part["distance"] / allowed if allowed else 0.0
                    parts.append(part)
    merged = np.concatenate(parts)
    _, first_of_pair = np.unique(merged["pair"], return_index=True)
    return merged[first_of_pair]


def _is_own_group(own: ImageGroups, tile: slice, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which neighbors (n, k), given as rows, are of their image's own group."""
    if own.counts_images:
        return np.zeros(indices.shape, bool)
    positions = positions_of(own.rows, indices)
    return np.asarray(own.group[positions] == own.group[tile, None])


def _table(
    candidates: NDArray[Any], starts: Mapping[str, int], metadata: Mapping[str, SourceMetadata], total: int
) -> pd.DataFrame:
    first, second = candidates["pair"] // total, candidates["pair"] % total
    graph = coo_array((np.ones(len(candidates), bool), (first, second)), shape=(total, total))
    group = connected_components(graph, directed=False)[1][first] if len(candidates) else np.empty(0, np.int64)
    table = pd.DataFrame(
        {
            "group": np.unique(group, return_inverse=True)[1],
            "match": np.where(candidates["distance"] == 0, "exact", "near"),
            **_image_columns("", first, starts, metadata),
            **_image_columns("copy_", second, starts, metadata),
            "distance": candidates["distance"],
            "nearness": candidates["nearness"],
        }
    )
    table["group"] += 1
    return table.sort_values(["group", "nearness"], kind="stable", ignore_index=True)


def _images(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return every image that is in a group, once, in the run's order: group, dataset, uri and row."""
    columns = ["dataset", "uri", "row"]
    copies = table[["group", *(f"copy_{name}" for name in columns)]].set_axis(["group", *columns], axis=1)
    images = pd.concat([table[["group", *columns]], copies]).drop_duplicates()
    images["dataset"] = pd.Categorical(images["dataset"], categories=list(names))
    return images.sort_values(["dataset", "row"])


def _image_columns(
    prefix: str, positions: NDArray[np.int64], starts: Mapping[str, int], metadata: Mapping[str, SourceMetadata]
) -> dict[str, NDArray[Any]]:
    first_rows = np.array(list(starts.values()))
    dataset = np.searchsorted(first_rows, positions, side="right") - 1
    rows = positions - first_rows[dataset]
    uris = np.empty(len(positions), dtype=object)
    for number, name in enumerate(starts):
        own = np.flatnonzero(dataset == number)
        uris[own] = metadata[name].uris(rows[own])
    return {
        f"{prefix}dataset": np.array(list(starts), dtype=object)[dataset],
        f"{prefix}uri": uris,
        f"{prefix}row": rows,
    }


def _with_copy(table: pd.DataFrame) -> DuplicateCounts:
    """Return how many images of the first dataset have a copy in the second, from the pairs of both.

    The nearest of each image are in the graph, so that every image that has a copy is in a pair.
    """
    exact, near = (int(table.loc[table["match"] == match, "row"].nunique()) for match in ("exact", "near"))
    return {"exact": exact, "near": near}


def _too_many(table: pd.DataFrame) -> DuplicateCounts:
    """Return how many images of one dataset are too many: all of each set of copies but the first.

    `near` are those that are too many beyond the `exact` ones. The graph holds some tens of neighbors per image, so
    that not every two of a hundred copies are a pair; but they are connected.
    """
    exact = _beyond_the_first(table[table["match"] == "exact"])
    return {"exact": exact, "near": _beyond_the_first(table) - exact}


def _beyond_the_first(pairs: pd.DataFrame) -> int:
    """Return how many images there are in sets that are connected by pairs of rows, less the number of sets."""
    rows, numbers = np.unique(pairs[["row", "copy_row"]].to_numpy(np.int64), return_inverse=True)
    first, second = numbers.reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs), bool), (first, second)), shape=(len(rows), len(rows)))
    return len(rows) - int(connected_components(graph, directed=False)[0]) if len(rows) else 0
