"""The images that have coordinates on every map, as positions in a few arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import read_rows_float32
from gapscope.store.datasets import concatenated_slices
from gapscope.store.groups import read_all_groups
from gapscope.store.index import row_groups, rows_read
from gapscope.store.layouts import read_layout
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import uri_hashes


@dataclass(frozen=True, kw_only=True)
class PointIndex:
    """The n images that have coordinates on every map; an image's position in these arrays identifies it.

    Images of a dataset are consecutive, in the order of their rows. No uris are kept: a run may have ten million.

    Attributes:
        datasets: the datasets' names, in the run's order.
        dataset: (n,) int16, number of each image's dataset, ascending.
        row: (n,) int64, each image's row in its dataset.
        hash: (n,) uint64 of its dataset's name and its uri, by which images are chosen at random.
        group: (n,) int64 number of each image's group, the same for images of one group of a dataset alone; -1 for
            images of datasets whose images count one by one. None where that is all of them.
    """

    datasets: tuple[str, ...]
    dataset: NDArray[np.int16]
    row: NDArray[np.int64]
    hash: NDArray[np.uint64]
    group: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def turn(self, images: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, for some images in order, how many of each one's group come before it; 0 without a group."""
        turns = np.zeros(len(images), np.int64)
        if self.group is None:
            return turns
        group = self.group[images]
        order = np.flatnonzero(group >= 0)
        order = order[np.argsort(group[order], kind="stable")]
        if len(order):
            begins = np.flatnonzero(np.diff(group[order], prepend=-1))
            turns[order] = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
        return turns

    def find(self, dataset: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of a dataset's `rows`, of any shape; -1 for a row without coordinates."""
        first, last = self._ends[dataset]
        own = self.row[first:last]
        if not len(own):
            return np.full(np.shape(rows), -1, np.int64)
        candidates = np.minimum(np.searchsorted(own, rows), len(own) - 1)
        return np.where(own[candidates] == rows, first + candidates, -1).astype(np.int64)

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        numbers = np.arange(len(self.datasets))
        first, last = (np.searchsorted(self.dataset, numbers, side) for side in ("left", "right"))
        return list(zip(first.tolist(), last.tolist(), strict=True))


def read_point_index(run: RunStore) -> PointIndex:
    """Return the embedded images. Those whose coordinates are not finite on some level are left out of all."""
    rows = {name: rows_read(run, name) for name in run.datasets}
    positions = np.concatenate([run.record.row_slices[name].start + own for name, own in rows.items()])
    finite = np.ones(len(positions), dtype=bool)
    for level in run.levels:
        finite &= np.isfinite(read_layout(run, level)[0][positions]).all(axis=1)
    hashes = [_hashes(run, name)[own] for name, own in rows.items()]
    groups = _groups(run)
    return PointIndex(
        datasets=run.datasets,
        dataset=np.repeat(np.arange(len(rows), dtype=np.int16), [len(own) for own in rows.values()])[finite],
        row=np.concatenate(list(rows.values()))[finite],
        hash=np.concatenate(hashes)[finite],
        group=None if groups is None else groups[finite],
    )


def _groups(run: RunStore) -> NDArray[np.int64] | None:
    """Return the group of every embedded image, as `PointIndex.group` has it."""
    groups = read_all_groups(run)
    slices = concatenated_slices({name: len(own) for name, own in groups.items()})
    merged = np.concatenate(
        [
            np.full(len(own.rows), -1) if own.counts_images else slices[name].start + own.group
            for name, own in groups.items()
        ]
    )
    return merged if (merged >= 0).any() else None


def read_points(
    run: RunStore, level: str, index: PointIndex, images: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the (m, 3) coordinates and (m,) clusters, -1 for none, of m images at a level."""
    coordinates, clusters = read_layout(run, level)
    first_rows = np.array([run.record.row_slices[name].start for name in run.datasets], np.int64)
    rows = first_rows[index.dataset[images]] + index.row[images]
    return coordinates[rows], clusters[rows]


def read_point_embeddings(
    run: RunStore, level: str, index: PointIndex, images: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the (m, channels) embeddings of m images at a level, in their order."""
    parts = []
    for number, name in enumerate(index.datasets):
        own = np.flatnonzero(index.dataset[images] == number)
        # Reading rows in their order on disk touches each chunk once.
        own = own[np.argsort(index.row[images[own]], kind="stable")]
        parts.append((own, read_rows_float32(open_embeddings(run, name, level), index.row[images[own]])))
    embeddings = np.empty((len(images), parts[0][1].shape[1]), np.float32)
    for own, values in parts:
        embeddings[own] = values
    return embeddings


def rows_of_uris(run: RunStore, dataset: str, uris: Iterable[str]) -> dict[str, int]:
    """Return the rows of some of a dataset's uris; unknown ones are left out."""
    wanted = pa.array(sorted(set(uris)), pa.string())
    rows: dict[str, int] = {}
    if not len(wanted):
        return rows
    for table in row_groups(run, dataset, ["row", "uri"]):
        matches = table.filter(pc.is_in(table["uri"], value_set=wanted))
        rows |= dict(zip(matches["uri"].to_pylist(), matches["row"].to_pylist(), strict=True))
    return rows


def _hashes(run: RunStore, dataset: str) -> NDArray[np.uint64]:
    """Return (rows,) hashes of all of a dataset's rows."""
    return np.concatenate([uri_hashes(dataset, table["uri"].to_numpy()) for table in row_groups(run, dataset, ["uri"])])
