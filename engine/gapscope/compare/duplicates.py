"""Images that are there twice, within a dataset or in two of them, from the neighbor graph."""

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gapscope.store.index import rows_read
from gapscope.store.manifests import duplicates_path, write_table
from gapscope.store.results import pair_name, some_neighbors

NEAR = 0.25
"""Two images are near-duplicates where their distance is at most this part of the median distance of an image to its
nearest in its own dataset (in the denser one, for a pair from two), at both of the coarsest levels. At fine levels
another encoding of an image may lie farther than another image."""
_COARSEST = 2

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
_TILE_ROWS = 65536


def write_duplicates(run: Path, levels: Sequence[str], said: Mapping[str, pa.Table]) -> dict[str, Any]:
    """Write every pair of images that are the same or nearly, and return how many there are.

    Embeddings of `exact` duplicates are equal, as those of the same pixels are. Of `near` ones `distance` is the larger
    of the two levels', and `nearness` the larger of distance by distance that is allowed (see `NEAR`). Embeddings are
    means over space, so that an image's mirror image is near too. A `group` is what hangs together by such pairs; the
    plain list holds every image of a group but its first, which is what to drop to have none twice.

    Returns:
        `groups`, `images` in them, and `pairs`: per two datasets, or a dataset with itself, images of the first with an
        `exact` and with a `near` copy in the second.
    """
    names = list(said)
    first = dict(zip(names, np.cumsum([0, *(len(table) for table in said.values())]).tolist(), strict=False))
    listed = sum(len(table) for table in said.values())
    levels = levels[-_COARSEST:]
    found = _near_at(run, levels[0], first, listed)
    for level in levels[1:]:
        here = _near_at(run, level, first, listed)
        _, one, other = np.intersect1d(found["pair"], here["pair"], assume_unique=True, return_indices=True)
        both = found[one].copy()
        for name in ("distance", "nearness"):
            both[name] = np.maximum(both[name], here[other][name])
        found = both
    table = _table(found, names, first, said, listed)
    images = _images(table, names)
    write_table(duplicates_path(run), table, SCHEMA, uris=images.loc[images["group"].duplicated(), "uri"])
    return {
        "groups": int(table["group"].nunique()),
        "images": len(images),
        "pairs": {
            pair_name(a, b): _counts(table[(table["dataset"] == a) & (table["copy_dataset"] == b)])
            for a, b in combinations_with_replacement(names, 2)
        },
    }


def _near_at(run: Path, level: str, first: Mapping[str, int], listed: int) -> NDArray[Any]:
    """Return the pairs of images that are near at a level: the two places as one number, distance, and nearness."""
    rows = {name: rows_read(run, name) for name in first}
    spacing = {name: _spacing(run, level, name, mine) for name, mine in rows.items()}
    dtype = np.dtype([("pair", np.int64), ("distance", np.float32), ("nearness", np.float32)])
    parts = [np.empty(0, dtype)]
    for query, mine in rows.items():
        for reference in first:
            allowed = NEAR * min(spacing[query], spacing[reference])
            for start in range(0, len(mine), _TILE_ROWS):
                part = mine[start : start + _TILE_ROWS]
                distances, indices = some_neighbors(run, level, query, reference, part)
                at, column = np.nonzero((distances <= allowed) & (indices >= 0))
                places = np.sort([first[query] + part[at], first[reference] + indices[at, column]], axis=0)
                here = np.empty(len(at), dtype)
                here["pair"], here["distance"] = places[0] * listed + places[1], distances[at, column]
                here["nearness"] = here["distance"] / allowed if allowed else 0.0
                parts.append(here)
    together = np.concatenate(parts)
    _, once = np.unique(together["pair"], return_index=True)
    return together[once]


def _spacing(run: Path, level: str, dataset: str, rows: NDArray[np.int64]) -> float:
    """Return the median distance of an image to its nearest in its own dataset; 0 for a single one."""
    some = rows[:: max(1, len(rows) // _TILE_ROWS)]
    apart = some_neighbors(run, level, dataset, dataset, some)[0][:, 0]
    return float(np.median(apart[np.isfinite(apart)])) if len(rows) > 1 else 0.0


def _table(
    found: NDArray[Any], names: Sequence[str], first: Mapping[str, int], said: Mapping[str, pa.Table], listed: int
) -> pd.DataFrame:
    one, other = found["pair"] // listed, found["pair"] % listed
    graph = coo_array((np.ones(len(found), bool), (one, other)), shape=(listed, listed))
    group = connected_components(graph, directed=False)[1][one] if len(found) else np.empty(0, np.int64)
    table = pd.DataFrame(
        {
            "group": np.unique(group, return_inverse=True)[1],
            "match": np.where(found["distance"] == 0, "exact", "near"),
            **_named("", one, names, first, said),
            **_named("copy_", other, names, first, said),
            "distance": found["distance"],
            "nearness": found["nearness"],
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


def _named(
    prefix: str,
    places: NDArray[np.int64],
    names: Sequence[str],
    first: Mapping[str, int],
    said: Mapping[str, pa.Table],
) -> dict[str, Any]:
    starts = np.array([first[name] for name in names])
    dataset = np.searchsorted(starts, places, side="right") - 1
    rows = places - starts[dataset]
    uris = np.empty(len(places), dtype=object)
    for number, name in enumerate(names):
        here = np.flatnonzero(dataset == number)
        uris[here] = said[name]["uri"].take(pa.array(rows[here])).to_pylist()
    return {
        f"{prefix}dataset": np.array(names, dtype=object)[dataset],
        f"{prefix}uri": uris,
        f"{prefix}row": rows,
    }


def _counts(table: pd.DataFrame) -> dict[str, int]:
    return {match: int(table.loc[table["match"] == match, "row"].nunique()) for match in ("exact", "near")}
