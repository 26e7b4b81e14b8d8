"""A dataset's embeddings at a level as all that follows measures them: standardised, on the unit sphere for cosine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.settings import Metric
from gapscope.store.index import rows_read
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_record import RunRecord

_STRETCH_ROWS = 65536
_TILE_ROWS = 8192


@dataclass(frozen=True)
class EmbeddingView:
    """The images of one dataset that were read, at one level, as vectors; computed a tile at a time.

    Between unit vectors u and v half the squared distance |u - v|^2 / 2 is the cosine distance 1 - u.v, so that one
    search serves both metrics: it works with half squares, and `distance` turns them into the metric's distance.

    Attributes:
        embeddings: (rows, channels) float16.
        rows: the rows that hold an image, ascending; position i of the view is row `rows[i]`.
        mean: (channels,) float32, taken off each embedding.
        std: (channels,) float32, that each embedding is divided by.
        metric: `cosine` brings each vector to length 1, `euclidean` leaves it as it is.
    """

    embeddings: zarr.Array[Any]
    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    metric: Metric = "cosine"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def channels(self) -> int:
        """Length of each vector."""
        return len(self.mean)

    def tile(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return positions `start` to `stop` (exclusive): (n, channels) float32.

        For cosine each has length 1, or 0 at the mean.
        """
        return self.measured(read_rows_float32(self.embeddings, self.rows[start:stop]))

    def tiles(self, rows: int) -> Iterator[NDArray[np.float32]]:
        """Yield all positions in order, `rows` at a time."""
        for start in range(0, len(self), rows):
            yield self.tile(start, start + rows)

    def measured(self, embeddings: NDArray[Any]) -> NDArray[np.float32]:
        """Return embeddings (n, channels), which need not be of this dataset, as the vectors that they are here."""
        values: NDArray[np.float32] = embeddings.astype(np.float32)
        values -= self.mean
        values /= self.std
        if self.metric == "cosine":
            length = np.linalg.norm(values, axis=1, keepdims=True)
            values /= np.where(length > 0, length, 1)
        return values

    def some(self, positions: NDArray[np.int64] | slice) -> "EmbeddingView":
        """Return a view of these ascending positions alone."""
        return replace(self, rows=self.rows[positions])

    def distance(self, half_squares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return half squared distances between vectors as distances of the metric."""
        return half_squares if self.metric == "cosine" else np.sqrt(2 * half_squares)


def read_rows_float32(embeddings: zarr.Array[Any], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ascending `rows` of an array as float32, reading no more than some stretches of it at a time."""
    found = np.empty((len(rows), embeddings.shape[1]), np.float32)
    first = 0
    while first < len(rows):
        last = int(np.searchsorted(rows, rows[first] + _STRETCH_ROWS))
        stretch = np.asarray(embeddings[int(rows[first]) : int(rows[last - 1]) + 1])
        found[first:last] = stretch[rows[first:last] - rows[first]]
        first = last
    return found


def open_view(run: Path, record: RunRecord, dataset: str, level: str) -> EmbeddingView:
    """Return the read images of a dataset and level as vectors by the run's scaler and metric."""
    scaler = record.scaler[level]
    return EmbeddingView(
        embeddings=open_embeddings(run, dataset, level),
        rows=rows_read(run, dataset),
        mean=np.asarray(scaler["mean"], np.float32),
        std=np.asarray(scaler["std"], np.float32),
        metric=record.config.get("neighbors", {}).get("metric", "cosine"),
    )


def concat_views(views: Sequence[EmbeddingView], positions: NDArray[np.int64] | None = None) -> EmbeddingView:
    """Return images of all views, one view after the other, in memory, as they are stored.

    Args:
        views: of the same level of one run.
        positions: ascending positions among all views' images; all of them by default.
    """
    sizes = [len(view) for view in views]
    chosen = np.arange(sum(sizes)) if positions is None else positions
    channels = views[0].channels
    dtype = views[0].embeddings.dtype
    held = zarr.create_array(
        {}, shape=(len(chosen), channels), dtype=dtype, chunks=(_TILE_ROWS, channels), compressors=None
    )
    first, filled = 0, 0
    for view, size in zip(views, sizes, strict=True):
        here = view.rows[chosen[(chosen >= first) & (chosen < first + size)] - first]
        for start in range(0, len(here), _TILE_ROWS):
            rows = here[start : start + _TILE_ROWS]
            held[filled : filled + len(rows)] = read_rows_float32(view.embeddings, rows).astype(dtype)
            filled += len(rows)
        first += size
    return replace(views[0], embeddings=held, rows=np.arange(len(chosen)))


def view_of_array(view: EmbeddingView, embeddings: NDArray[np.float16]) -> EmbeddingView:
    """Return embeddings (n, channels) that are in no dataset, measured as `view` measures its own."""
    held = zarr.create_array({}, data=embeddings, chunks=(_TILE_ROWS, view.channels), compressors=None)
    return replace(view, embeddings=held, rows=np.arange(len(embeddings)))
