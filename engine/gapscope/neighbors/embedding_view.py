"""A dataset's embeddings at one level, as the vectors between which distances are measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.settings import Metric, Reading
from gapscope.store.datasets import concatenated_slices
from gapscope.store.index import rows_read
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore

_CHUNK_ROWS = 65536
_TILE_ROWS = 8192


@dataclass(frozen=True)
class EmbeddingView:
    """The embedded images of one dataset at one level: standardized, and for cosine on the unit sphere.

    Vectors are computed a tile at a time. Between unit vectors u and v half the squared distance |u - v|^2 / 2 is the
    cosine distance 1 - u.v, so that one search serves both metrics: it works with half squared distances, and
    `to_distance` turns these into distances of the metric.

    Attributes:
        embeddings: (rows, channels) float16, or float32 where vectors were brought.
        rows: the rows that hold an embedding, ascending; position i of the view is row `rows[i]`.
        mean: (channels,) float32, which is subtracted from each embedding.
        std: (channels,) float32, which each embedding is divided by.
        metric: `cosine` scales each vector to length 1; `euclidean` leaves its length.
        identity: (n,) what each image is: in a search within one dataset, images of the same identity are not each
            other's neighbors. Ascending in a reference; by default the row, so that an image is not its own neighbor.
        is_standardized: whether the embeddings are vectors already.
    """

    embeddings: zarr.Array[Any] | NDArray[Any]
    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    metric: Metric = "cosine"
    identity: NDArray[np.int64] | None = None
    is_standardized: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def identities(self) -> NDArray[np.int64]:
        """(n,) `identity`, or the rows where it is not set."""
        return self.rows if self.identity is None else self.identity

    @property
    def channels(self) -> int:
        """Length of each vector."""
        return len(self.mean)

    def tile(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the vectors at positions `start` to `stop` (exclusive): (n, channels) float32.

        For cosine each has length 1, or 0 if its embedding is the mean.
        """
        return self.transform(read_rows_float32(self.embeddings, self.rows[start:stop]))

    def tiles(self, rows: int) -> Iterator[NDArray[np.float32]]:
        """Yield all vectors in order, `rows` at a time."""
        for start in range(0, len(self), rows):
            yield self.tile(start, start + rows)

    def transform(self, embeddings: NDArray[Any]) -> NDArray[np.float32]:
        """Return embeddings (n, channels), which need not be of this dataset, as vectors of this view."""
        if self.is_standardized:
            return embeddings.astype(np.float32, copy=False)
        return standardize(embeddings, self.mean, self.std, self.metric)

    def take(self, positions: NDArray[np.int64] | slice) -> "EmbeddingView":
        """Return a view of these ascending positions alone."""
        identity = None if self.identity is None else self.identity[positions]
        return replace(self, rows=self.rows[positions], identity=identity)

    def to_distance(self, half_squares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return half squared distances between vectors as distances of the metric."""
        return half_squares if self.metric == "cosine" else np.sqrt(2 * half_squares)

    def to_half_squares(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return distances of the metric as half squared distances between vectors; the inverse of `to_distance`."""
        if self.metric == "cosine":
            return distances
        return np.asarray(np.square(distances) / 2, np.float32)


def standardize(
    embeddings: NDArray[Any], mean: NDArray[np.float32], std: NDArray[np.float32], metric: Metric
) -> NDArray[np.float32]:
    """Return embeddings (n, channels) as the vectors between which distances of a metric are measured."""
    vectors: NDArray[np.float32] = embeddings.astype(np.float32)
    vectors -= mean
    vectors /= std
    if metric == "cosine":
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(norms > 0, norms, 1)
    return vectors


def read_rows_float32(embeddings: zarr.Array[Any] | NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ascending `rows` of an array (rows, channels) as float32, reading a chunk at a time.

    Consecutive rows of float32 numbers in memory are not copied.
    """
    if isinstance(embeddings, np.ndarray) and len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return embeddings[rows[0] : rows[-1] + 1].astype(np.float32, copy=False)
    values = np.empty((len(rows), embeddings.shape[1]), np.float32)
    first = 0
    while first < len(rows):
        last = int(np.searchsorted(rows, rows[first] + _CHUNK_ROWS))
        chunk = np.asarray(embeddings[int(rows[first]) : int(rows[last - 1]) + 1])
        values[first:last] = chunk[rows[first:last] - rows[first]]
        first = last
    return values


def open_view(
    run: RunStore, dataset: str, level: str, reading: Reading = "as-is", rows: NDArray[np.int64] | None = None
) -> EmbeddingView:
    """Return the embedded images of a dataset and level, by the run's metric and the scaler of a reading.

    Args:
        run: the run.
        dataset: the dataset's name.
        level: the level's name.
        reading: whose scaler.
        rows: ascending rows of embedded images, where not all are wanted.
    """
    scaler = run.record.scaler[level] if reading == "as-is" else run.record.style_scaler[level][dataset]
    return EmbeddingView(
        embeddings=open_embeddings(run, dataset, level),
        rows=rows_read(run, dataset) if rows is None else rows,
        mean=np.asarray(scaler.mean, np.float32),
        std=np.asarray(scaler.std, np.float32),
        metric=run.record.config.neighbors.metric,
    )


def open_views(run: RunStore, level: str) -> list[EmbeddingView]:
    """Return `open_view` of every dataset of the run, in the run's order."""
    return [open_view(run, name, level) for name in run.record.datasets]


def view_slices(views: Sequence[EmbeddingView]) -> list[slice]:
    """Return where each view's images lie when all are laid end to end."""
    return list(concatenated_slices({str(number): len(view) for number, view in enumerate(views)}).values())


def concat_views(views: Sequence[EmbeddingView], positions: NDArray[np.int64] | None = None) -> EmbeddingView:
    """Return images of all views as one view in memory, one view after the other.

    Args:
        views: of the same level of one run.
        positions: ascending positions among all views' images; all of them by default.
    """
    if positions is None:
        positions = np.arange(sum(map(len, views)))
    channels = views[0].channels
    dtype = np.result_type(*(view.embeddings.dtype for view in views))
    array = zarr.create_array(
        {}, shape=(len(positions), channels), dtype=dtype, chunks=(_TILE_ROWS, channels), compressors=None
    )
    filled = 0
    for view, part in zip(views, view_slices(views), strict=True):
        own = view.rows[positions[(positions >= part.start) & (positions < part.stop)] - part.start]
        for start in range(0, len(own), _TILE_ROWS):
            rows = own[start : start + _TILE_ROWS]
            array[filled : filled + len(rows)] = read_rows_float32(view.embeddings, rows).astype(dtype)
            filled += len(rows)
    return replace(views[0], embeddings=array, rows=np.arange(len(positions)))


def view_of_array(view: EmbeddingView, embeddings: NDArray[np.float16]) -> EmbeddingView:
    """Return embeddings (n, channels) that are in no dataset as a view with the scaler and metric of `view`."""
    array = zarr.create_array({}, data=embeddings, chunks=(_TILE_ROWS, view.channels), compressors=None)
    return replace(view, embeddings=array, rows=np.arange(len(embeddings)))
