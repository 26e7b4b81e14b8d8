"""Kinds at scale: ten million images of which a million are listed, on made-up neighbors.

The query has a thousand clusters of equal size, and its images' nearest are random ones of their cluster. A tenth of
the clusters is listed, whole, at every level. What is measured is the grouping, the sureness, and how each kind stands
at every level. The arrays are made beforehand, and take gigabytes of disk in a folder that is removed at the end. Takes
minutes.

Fails if the grouping takes a minute or more, or a kind is not one of the clusters.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.kinds.grouping import group_nominated
from gapscope.kinds.nominations import LevelList, Nominations, OfGroups
from gapscope.kinds.profile import LevelOrder, profile_kinds
from gapscope.store.arrays import CHUNK_ROWS
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import create_neighbors, finish_neighbors, neighbor_arrays
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

_CLUSTERS, _LISTED_SHARE, _K, _MAX_SECONDS = 1000, 0.1, 30, 60
_QUERY, _REFERENCE = "query", "reference"


def main() -> None:
    """Make the neighbors, measure, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, default=10_000_000, help="of the query (default: ten million)")
    parser.add_argument("--references", type=int, default=1_000_000, help="of the reference (default: a million)")
    parser.add_argument("--levels", type=int, default=2, help="levels that list (default: 2)")
    options = parser.parse_args()
    levels = [f"P{number}" for number in range(2, 2 + options.levels)]
    with tempfile.TemporaryDirectory(prefix="gapscope-kinds-") as folder:
        rows = {_QUERY: options.images, _REFERENCE: options.references}
        record = RunRecord.of_embeddings(rows, dict.fromkeys(levels, 8), block_rows=CHUNK_ROWS)
        run = RunStore(Path(folder), record)
        for level in levels:
            for pair in (Pair(_QUERY, _QUERY), Pair(_QUERY, _REFERENCE), Pair(_REFERENCE, _QUERY)):
                _make_neighbors(run, level, pair, rows)
            print(f"{level} is made", flush=True)
        groups = {name: ImageGroups.singles(np.arange(count)) for name, count in rows.items()}
        nominations = _nominations(groups, levels)
        result, failures = _measure(run, groups, nominations, levels)
    write_result(options.out, {"images": options.images, "references": options.references, **result})
    if failures:
        raise SystemExit("; ".join(failures))


def _make_neighbors(run: RunStore, level: str, pair: Pair, rows: dict[str, int]) -> None:
    """Write random neighbors of the same cluster; those of another dataset are of the same number."""
    count, others = rows[pair.query], rows[pair.reference]
    create_neighbors(run, level, pair, _K)
    random = np.random.default_rng(0)
    distances, indices = (run.array(path, "r+") for path in neighbor_arrays(level, pair))
    distance = np.linspace(0.1, 0.4, _K, dtype=np.float32)
    for start in range(0, count, CHUNK_ROWS):
        own = np.arange(start, min(start + CHUNK_ROWS, count))
        steps = random.integers(1, others // _CLUSTERS, (len(own), _K))
        near = own[:, None] % _CLUSTERS + _CLUSTERS * ((own[:, None] // _CLUSTERS + steps) % (others // _CLUSTERS))
        indices[start : start + len(own)] = near
        distances[start : start + len(own)] = np.broadcast_to(distance, near.shape)
    finish_neighbors(run, level, pair, {"method": "exact", "recall": 1.0, "sample": 0})


def _nominations(groups: dict[str, ImageGroups], levels: list[str]) -> Nominations:
    count = len(groups[_QUERY])
    listed = np.flatnonzero(np.arange(count) % _CLUSTERS < _LISTED_SHARE * _CLUSTERS)
    nominations = Nominations(
        groups=groups[_QUERY], references=len(groups[_REFERENCE]), levels=levels, readings=("as-is",)
    )
    of_groups = OfGroups(np.zeros(count, np.uint8), np.ones(count, bool))
    for level in levels:
        nominations.lists[level, "as-is"] = LevelList(
            level=level,
            reading="as-is",
            basis="calibrated",
            listed=listed,
            p=np.full(len(listed), 1e-9),
            first=listed,
            tests=count,
            k_local=_K,
            of_groups=lambda: of_groups,
        )
    return nominations


def _measure(
    run: RunStore, groups: dict[str, ImageGroups], nominations: Nominations, levels: list[str]
) -> tuple[dict[str, object], list[str]]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pair = Pair(_QUERY, _REFERENCE)
    started = time.perf_counter()
    kinds = group_nominated(run, pair, nominations)
    grouping = time.perf_counter() - started
    started = time.perf_counter()
    for members in kinds:
        nominations.q(members)
    sureness = time.perf_counter() - started
    started = time.perf_counter()
    order = LevelOrder(seen=dict.fromkeys(levels, 1.0), content=levels[-1:], fine=[], coarse=[])
    profile_kinds(run, pair, nominations, kinds, order, groups[_REFERENCE])
    profiles = time.perf_counter() - started
    wrong = sum(not _is_cluster(members) for members in kinds)
    result: dict[str, object] = {
        "listed": len(nominations.nominated),
        "levels": len(levels),
        "kinds": len(kinds),
        "kinds that are no cluster": wrong,
        "assigned": sum(map(len, kinds)),
        "grouping_seconds": round(grouping, 1),
        "sureness_seconds": round(sureness, 1),
        "profile_seconds": round(profiles, 1),
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "memory_before_bytes": 1024 * before,
    }
    print(result, flush=True)
    total = grouping + sureness + profiles
    failures = [f"took {total:.0f} s"] if total >= _MAX_SECONDS else []
    return result, failures + ([f"{wrong} kinds are no cluster"] if wrong else [])


def _is_cluster(members: NDArray[np.int64]) -> bool:
    return len(np.unique(members % _CLUSTERS)) == 1


if __name__ == "__main__":
    main()
