"""The verbs that a device knows; no stage asks what is behind them."""

from collections.abc import Hashable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gapscope.decode.picture import Picture
from gapscope.neighbors.unit_rows import UnitRows
from gapscope.pyramid import Pyramid
from gapscope.settings import Frame, LayoutSettings, Precision
from gapscope.sources import Box


class Device(Hashable, Protocol):
    """Where numbers are crunched. A frozen, picklable value: it travels to workers, which resolve it there."""

    @property
    def name(self) -> str:
        """`cpu` or `cuda`."""

    @property
    def batch_images(self) -> int:
        """Images that go through the network at a time."""

    def check(self) -> str:
        """Return what the device is, in words.

        Raises:
            OptionError: the device cannot be used here; says what is missing.
        """

    def decode(self, data: bytes, frame: Frame, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image; see `gapscope.decode.children.decode_apart`."""

    def place(self, pyramid: Pyramid) -> Pyramid:
        """Return the network where `embed` wants it."""

    def embed(
        self, pyramid: Pyramid, pixels: NDArray[np.uint8], precision: Precision
    ) -> dict[str, NDArray[np.float32]]:
        """Embed a batch of images (n, size, size, 3): per level (n, channels)."""

    def neighbors(
        self, query: UnitRows, reference: UnitRows, k: int, *, same: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k nearest of `reference` for each of `query`; see `gapscope.neighbors.exact.exact_neighbors`."""

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Lay points out in three dimensions with UMAP.

        Args:
            start: (n, 3) positions to start from.
            distances: (n, n_neighbors) to each point's neighbours, ascending, the point itself first.
            indices: (n, n_neighbors) of these neighbours.
            settings: seed and shape of the layout; `n_neighbors` is that of the arrays.

        Returns:
            (n, 3) coordinates.
        """

    def cluster_labels(self, points: NDArray[np.float32], smallest: int) -> NDArray[np.int32]:
        """Group (n, 3) points by density with HDBSCAN (Campello et al. 2013): a number per point, -1 for none.

        Args:
            points: (n, 3) coordinates.
            smallest: number of points from which on a group counts.
        """
