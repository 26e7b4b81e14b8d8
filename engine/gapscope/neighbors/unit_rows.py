"""A dataset's embeddings at a level as all that follows measures them: standardised, on the unit sphere."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray


@dataclass(frozen=True)
class UnitRows:
    """The images of one dataset that were read, at one level, as unit vectors; computed a tile at a time.

    Between unit vectors u and v half the squared distance |u - v|^2 / 2 is the cosine distance 1 - u.v.

    Attributes:
        embeddings: (rows, channels) float16.
        rows: the rows that hold an image, ascending; position i of the view is row `rows[i]`.
        mean: (channels,) float32, taken off each embedding.
        spread: (channels,) float32, that each embedding is divided by.
    """

    embeddings: zarr.Array[Any]
    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def channels(self) -> int:
        """Length of each vector."""
        return len(self.mean)

    def tile(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return positions `start` to `stop` (exclusive): (n, channels) float32, each of length 1, or 0 at the mean."""
        values = (raw_tile(self.embeddings, self.rows[start:stop]) - self.mean) / self.spread
        length = np.linalg.norm(values, axis=1, keepdims=True)
        return np.asarray(values / np.where(length > 0, length, 1), dtype=np.float32)


def raw_tile(embeddings: zarr.Array[Any], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ascending `rows` of an array as float32, reading only the stretch they lie in."""
    if not len(rows):
        return np.empty((0, embeddings.shape[1]), np.float32)
    stretch = np.asarray(embeddings[int(rows[0]) : int(rows[-1]) + 1])
    return np.asarray(stretch[rows - rows[0]], dtype=np.float32)
