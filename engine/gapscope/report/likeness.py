"""Short vectors of the images on the page, among which the page itself finds what is like an image."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gapscope.neighbors.embedding_view import EmbeddingView, open_view, read_rows_float32
from gapscope.neighbors.exact import read_ahead
from gapscope.progress import Progress
from gapscope.report.points import PointIndex
from gapscope.report.script import packed
from gapscope.report.selection import Selection
from gapscope.settings import Reading
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore

DIMS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Lengths that vectors may have: the first that finds `MIN_RECALL` of the nearest, else the longest that fits."""

MAX_BYTES = 3_300_000
"""A page loads no more for one level and reading: 64 bytes for each of 50,000 images, or 256 for each of 12,500."""

MIN_RECALL = 0.95

_NEAREST = 10
_QUERIES = 500
_FITTED = 4096
_TILE_ROWS = 8192
_STEPS = 127

Likeness = Mapping[tuple[str, Reading], "LikenessVectors"]
"""By level and reading; empty where the run has no embeddings."""


@dataclass(frozen=True, eq=False)
class LikenessVectors:
    """The n images of the page at one level, in one reading.

    Attributes:
        values: (n, d) int8. The Euclidean distance of two rows, times `scale`, is about that of the images' vectors in
            the reading's `EmbeddingView`; of unit vectors, half its square is the cosine distance.
        scale: the factor; the median over the nearest images of a sample.
        recall: share of the 10 nearest images of a sample that are among their 10 nearest by `values`.
        metric: `cosine` or `euclidean`, the run's.
    """

    values: NDArray[np.int8]
    scale: float
    recall: float
    metric: str

    @property
    def data(self) -> dict[str, object]:
        """What the page reads, as JSON values."""
        return {
            "dims": self.values.shape[1],
            "values": packed(self.values),
            "scale": self.scale,
            "recall": round(self.recall, 4),
            "metric": self.metric,
        }


def read_likeness(run: RunStore, index: PointIndex, selection: Selection, progress: Progress) -> Likeness:
    """Return the vectors of every level and reading that the run lists.

    They are the embeddings' principal components, turned at random so that each spreads as far as any other, in steps
    of one size. Embeddings are read once per level; those of the page's images are held.
    """
    images = selection.image
    if not len(images) or not _has_embeddings(run):
        return {}
    order = np.lexsort((index.row[images], index.dataset[images]))
    ordered = images[order]
    rows = [index.row[ordered[index.dataset[ordered] == number]] for number in range(len(index.datasets))]
    readings = run.record.config.compare.listed_readings
    made: dict[tuple[str, Reading], LikenessVectors] = {}
    with (
        progress.task("likeness", len(run.levels) * len(readings) * len(images), "image") as task,
        # Many small products: on a busy machine, threads of one would wait for each other most of the time.
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(len(readings)) as threads,
    ):
        for level in run.levels:
            held = [
                _read(open_embeddings(run, name, level), own) for name, own in zip(index.datasets, rows, strict=True)
            ]
            vectors = [
                _Vectors([open_view(run, name, level, reading) for name in index.datasets], held)
                for reading in readings
            ]
            for reading, short in zip(readings, threads.map(_vectors, vectors, repeat(order)), strict=True):
                made[level, reading] = short
                task.advance(len(images))
    return made


def _has_embeddings(run: RunStore) -> bool:
    record = run.record
    aside = record.style_scaler if "style-aside" in record.config.compare.listed_readings else record.scaler
    if not all(level in record.scaler and level in aside for level in run.levels):
        return False
    try:
        for level in run.levels:
            for name in run.datasets:
                open_embeddings(run, name, level)
    except FileNotFoundError:
        return False
    return True


def _read(embeddings: zarr.Array[Any], rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return ascending rows of embeddings; one that is not finite, which is like nothing, as zeros."""
    held = np.empty((len(rows), embeddings.shape[1]), embeddings.dtype)
    for start in range(0, len(rows), _TILE_ROWS):
        tile = read_rows_float32(embeddings, rows[start : start + _TILE_ROWS])
        held[start : start + len(tile)] = np.nan_to_num(tile, posinf=0, neginf=0)
    return held


@dataclass(frozen=True, eq=False)
class _Vectors:
    """The page's images as the vectors of a reading, dataset by dataset and row by row.

    Attributes:
        views: of each dataset, which standardize.
        held: its embeddings.
    """

    views: Sequence[EmbeddingView]
    held: Sequence[NDArray[np.floating]]

    def __len__(self) -> int:
        return sum(map(len, self.held))

    def tiles(self) -> Iterator[NDArray[np.float32]]:
        """Yield all vectors, a tile at a time."""
        for view, held in zip(self.views, self.held, strict=True):
            for start in range(0, len(held), _TILE_ROWS):
                yield view.transform(held[start : start + _TILE_ROWS])

    def sample(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return ascending positions of up to `size` vectors, and the vectors."""
        positions = np.sort(np.random.default_rng(0).choice(len(self), min(len(self), size), replace=False))
        parts, start = [], 0
        for view, held in zip(self.views, self.held, strict=True):
            own = positions[(positions >= start) & (positions < start + len(held))] - start
            parts.append(view.transform(held[own]))
            start += len(held)
        return positions, np.concatenate(parts)


def _vectors(vectors: _Vectors, order: NDArray[np.int64]) -> LikenessVectors:
    """Return the short vectors of images, which `order` brings from the page's order to that of `vectors`."""
    _, fitted = vectors.sample(_FITTED)
    lengths = _lengths(len(vectors))
    center, axes = _principal_axes(fitted, lengths[-1])
    own, queries = vectors.sample(_QUERIES)
    nearest = _Nearest(queries, own, min(_NEAREST, len(vectors) - 1))
    projected = np.empty((len(vectors), axes.shape[1]), np.float32)
    start = 0
    for tile in read_ahead(vectors.tiles()):
        projected[start : start + len(tile)] = (tile - center) @ axes
        nearest.add(tile, start)
        start += len(tile)

    @cache
    def recall(dims: int) -> float:
        return _recall(_quantized(projected[:, :dims]), nearest, own)

    # A longer vector finds no less, so that half of the lengths need no try.
    dims = lengths[min(bisect_left(lengths, MIN_RECALL, key=recall), len(lengths) - 1)]
    values = _quantized(projected[:, :dims])
    in_order = np.empty_like(values)
    in_order[order] = values
    return LikenessVectors(in_order, _scale(values, nearest, own), recall(dims), vectors.views[0].metric)


def _lengths(images: int) -> list[int]:
    return [dims for dims in DIMS if dims * images <= MAX_BYTES] or [DIMS[0]]


def _principal_axes(vectors: NDArray[np.float32], dims: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean (channels,) and the first principal axes (channels, up to `dims`) of vectors (n, channels)."""
    center = vectors.mean(axis=0)
    centered = vectors - center
    axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1]
    return center, np.ascontiguousarray(axes[:, :dims])


class _Nearest:
    """The k nearest of each of q queries among all vectors that were added, nearest first.

    Attributes:
        positions: (q, k) int64 positions of the vectors.
    """

    def __init__(self, queries: NDArray[np.float32], own: NDArray[np.int64], k: int) -> None:
        """Look for the nearest of queries (q, channels), whose own positions are left out."""
        self.positions = np.empty((len(queries), 0), np.int64)
        # Half squared distances, less half the query's square.
        self._halves = np.empty((len(queries), 0), np.float32)
        self._queries, self._own, self._k = queries, own, k

    @property
    def distances(self) -> NDArray[np.float32]:
        """(q, k) Euclidean distances."""
        halves = self._halves + np.square(self._queries).sum(axis=1, keepdims=True) / 2
        distances: NDArray[np.float32] = np.sqrt(2 * halves.clip(0))
        return distances

    def add(self, vectors: NDArray[np.float32], start: int) -> None:
        """Add vectors, the first of which has position `start`."""
        halves = self._queries @ vectors.T
        np.subtract(np.square(vectors).sum(axis=1) / 2, halves, out=halves)
        inside = np.flatnonzero((self._own >= start) & (self._own < start + len(vectors)))
        halves[inside, self._own[inside] - start] = np.inf
        if self.positions.shape[1] < self._k:
            query = np.repeat(np.arange(len(halves)), min(self._k, len(vectors)))
            found = np.argpartition(halves, min(self._k, len(vectors)) - 1, axis=1)[:, : self._k].ravel()
        else:
            # Hardly any vector is nearer than the k-th so far.
            query, found = np.nonzero(halves < self._halves[:, -1:])
        had = self.positions.shape[1]
        query = np.concatenate([np.repeat(np.arange(len(halves)), had), query])
        values = np.concatenate([self._halves.ravel(), halves[query[had * len(halves) :], found]])
        positions = np.concatenate([self.positions.ravel(), found + start])
        order = np.lexsort((values, query))
        place = np.arange(len(query)) - np.searchsorted(query[order], query[order])
        order = order[place < self._k].reshape(len(halves), -1)
        self._halves, self.positions = values[order], positions[order]


def _quantized(projected: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return components (n, d) as int8, after a turn at random that no distance changes by.

    The first components spread much farther than the last. Turned, all of them spread alike, so that one step, which
    the whole range decides, is finer.
    """
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(projected.shape[1],) * 2))
    turned = projected @ turn.astype(np.float32)
    largest = float(np.abs(turned).max(initial=0)) or 1.0
    steps: NDArray[np.int8] = np.rint(turned * (_STEPS / largest)).astype(np.int8)
    return steps


def _recall(values: NDArray[np.int8], nearest: _Nearest, own: NDArray[np.int64]) -> float:
    """Return the share of `nearest` that the rows of `values` find."""
    vectors = values.astype(np.float32)
    again = _Nearest(vectors[own], own, nearest.positions.shape[1])
    for start in range(0, len(vectors), _TILE_ROWS):
        again.add(vectors[start : start + _TILE_ROWS], start)
    both = (again.positions[:, :, None] == nearest.positions[:, None, :]).any(axis=1)
    return float(both.mean()) if both.size else 1.0


def _scale(values: NDArray[np.int8], nearest: _Nearest, own: NDArray[np.int64]) -> float:
    """Return by how much distances of `values` are to be multiplied."""
    vectors = values.astype(np.float32)
    short = np.linalg.norm(vectors[nearest.positions] - vectors[own][:, None], axis=2)
    return float(np.median(nearest.distances[short > 0] / short[short > 0])) if (short > 0).any() else 1.0
