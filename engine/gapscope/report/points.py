"""Which images have a place on every map, and where it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.run import Run
from gapscope.store.index import groups_of, rows_read
from gapscope.store.results import read_layout
from gapscope.store.thumbnails import uri_hashes


@dataclass(frozen=True, kw_only=True)
class PointIndex:
    """The n images that have a place on every map; an image's position in these arrays stands for it.

    Images of a dataset stand together, in the order of their rows. No names are kept: a run may hold ten million.

    Attributes:
        datasets: the datasets' names, in the run's order.
        dataset: (n,) int16, number of each image's dataset, ascending.
        row: (n,) int64, each image's row in its dataset.
        hash: (n,) uint64 of its dataset's name and its uri, by which images are drawn at random.
    """

    datasets: tuple[str, ...]
    dataset: NDArray[np.int16]
    row: NDArray[np.int64]
    hash: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.dataset)

    def find(self, dataset: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of a dataset's `rows`, of any shape; -1 where one has no place."""
        first, last = self._ends[dataset]
        there = self.row[first:last]
        if not len(there):
            return np.full(np.shape(rows), -1, np.int64)
        found = np.minimum(np.searchsorted(there, rows), len(there) - 1)
        return np.where(there[found] == rows, first + found, -1).astype(np.int64)

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        numbers = np.arange(len(self.datasets))
        first, last = (np.searchsorted(self.dataset, numbers, side) for side in ("left", "right"))
        return list(zip(first.tolist(), last.tolist(), strict=True))


def read_point_index(run: Run) -> PointIndex:
    """Read which images were read. Those whose place is not finite on some level are left out of all."""
    rows = [rows_read(run.path, name) for name in run.datasets]
    flat = np.concatenate([first + here for first, here in zip(_first_rows(run), rows, strict=True)])
    finite = np.ones(len(flat), dtype=bool)
    for level in run.levels:
        finite &= np.isfinite(read_layout(run.path, level)[0][flat]).all(axis=1)
    hashes = [_hashes(run, name)[here] for name, here in zip(run.datasets, rows, strict=True)]
    return PointIndex(
        datasets=run.datasets,
        dataset=np.repeat(np.arange(len(rows), dtype=np.int16), [len(here) for here in rows])[finite],
        row=np.concatenate(rows)[finite],
        hash=np.concatenate(hashes)[finite],
    )


def read_level(
    run: Run, level: str, places: PointIndex, image: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the (m, 3) points and (m,) clusters, -1 for none, of m images at a level."""
    points, clusters = read_layout(run.path, level)
    rows = np.array(_first_rows(run), np.int64)[places.dataset[image]] + places.row[image]
    return points[rows], clusters[rows]


def rows_named(run: Run, dataset: str, uris: Iterable[str]) -> dict[str, int]:
    """Return the rows of some of a dataset's uris; those that are not there are left out."""
    wanted = pa.array(sorted(set(uris)), pa.string())
    found: dict[str, int] = {}
    if not len(wanted):
        return found
    for table in groups_of(run.path, dataset, ["row", "uri"]):
        here = table.filter(pc.is_in(table["uri"], value_set=wanted))
        found |= dict(zip(here["uri"].to_pylist(), here["row"].to_pylist(), strict=True))
    return found


def _first_rows(run: Run) -> list[int]:
    """Return, per dataset, where its rows begin among those of all datasets."""
    listed = [int(run.record.datasets[name]["listed"]) for name in run.datasets]
    return list(accumulate(listed[:-1], initial=0))


def _hashes(run: Run, dataset: str) -> NDArray[np.uint64]:
    """Return (rows,) hashes of all of a dataset's rows."""
    return np.concatenate(
        [uri_hashes(dataset, table["uri"].to_numpy()) for table in groups_of(run.path, dataset, ["uri"])]
    )
