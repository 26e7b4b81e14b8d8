"""A dataset's embeddings at a level as all that follows measures them: standardised, on the unit sphere for cosine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.settings import Metric

_STRETCH_ROWS = 65536


@dataclass(frozen=True)
class UnitRows:
    """The images of one dataset that were read, at one level, as vectors; computed a tile at a time.

    Between unit vectors u and v half the squared distance |u - v|^2 / 2 is the cosine distance 1 - u.v, so that one
    search serves both metrics: it works with half squares, and `distance` turns them into the metric's distance.

    Attributes:
        embeddings: (rows, channels) float16.
        rows: the rows that hold an image, ascending; position i of the view is row `rows[i]`.
        mean: (channels,) float32, taken off each embedding.
        spread: (channels,) float32, that each embedding is divided by.
        metric: `cosine` brings each vector to length 1, `euclidean` leaves it as it is.
    """

    embeddings: zarr.Array[Any]
    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
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
        return self.measured(raw_tile(self.embeddings, self.rows[start:stop]))

    def tiles(self, rows: int) -> Iterator[NDArray[np.float32]]:
        """Yield all positions in order, `rows` at a time."""
        for start in range(0, len(self), rows):
            yield self.tile(start, start + rows)

    def measured(self, embeddings: NDArray[Any]) -> NDArray[np.float32]:
        """Return embeddings (n, channels), which need not be of this dataset, as the vectors that they are here."""
        values: NDArray[np.float32] = embeddings.astype(np.float32)
        values -= self.mean
        values /= self.spread
        if self.metric == "cosine":
            length = np.linalg.norm(values, axis=1, keepdims=True)
            values /= np.where(length > 0, length, 1)
        return values

    def some(self, positions: NDArray[np.int64] | slice) -> "UnitRows":
        """Return a view of these ascending positions alone."""
        return replace(self, rows=self.rows[positions])

    def distance(self, half_squares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return half squared distances between vectors as distances of the metric."""
        return half_squares if self.metric == "cosine" else np.sqrt(2 * half_squares)


def raw_tile(embeddings: zarr.Array[Any], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ascending `rows` of an array as float32, reading no more than some stretches of it at a time."""
    found = np.empty((len(rows), embeddings.shape[1]), np.float32)
    first = 0
    while first < len(rows):
        last = int(np.searchsorted(rows, rows[first] + _STRETCH_ROWS))
        stretch = np.asarray(embeddings[int(rows[first]) : int(rows[last - 1]) + 1])
        found[first:last] = stretch[rows[first:last] - rows[first]]
        first = last
    return found
