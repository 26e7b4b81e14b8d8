"""The verbs that a device knows; no stage asks what is behind them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gapscope.compare.distances import Distance
from gapscope.decode.picture import Picture
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.result import Neighbors
from gapscope.pyramid import Pyramid
from gapscope.settings import LayoutSettings, Precision, Preprocess
from gapscope.sources import Box

Network = Callable[[Tensor], Mapping[str, Tensor]]
"""A `Pyramid`, compiled or not."""


class Device(Hashable, Protocol):
    """Where numbers are crunched. A frozen, picklable value: it travels to workers, which resolve it there."""

    @property
    def name(self) -> str:
        """`cpu` or `cuda`."""

    @property
    def batch_images(self) -> int:
        """Images that go through the network at a time."""

    def describe(self) -> str:
        """Return what the device is, in words.

        Raises:
            OptionError: the device cannot be used here; says what is missing.
        """

    def check_layout_support(self) -> None:
        """See that maps can be laid out and clustered here, which may need more than embedding does.

        Raises:
            OptionError: they cannot; says what is missing.
        """

    def utilization(self) -> float | None:
        """Return how busy this process's GPU was in the last moment, 0 to 1; None where nobody counts."""

    def decode(self, data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image; see `gapscope.decode.children.decode_in_subprocess`."""

    def decode_fallback_reason(self) -> str:
        """Return why this process no longer decodes on this device, as it should; empty where it does."""

    def has_bfloat16(self) -> bool:
        """Tell whether bfloat16 is computed in hardware."""

    def prepare_network(self, pyramid: Pyramid, speedups: Sequence[str]) -> Network:
        """Return the network where and how `embed` wants it; `speedups` are some of `gapscope.settings.SPEEDUPS`."""

    def allocate_batch(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return memory for a batch of images, from which it travels fast, with anything in it."""

    def embed(
        self, network: Network, pixels: NDArray[np.uint8], precision: Precision
    ) -> Callable[[], dict[str, NDArray[np.float32]]]:
        """Begin to embed a batch of images (n, size, size, 3), which may not be changed until it is done.

        Returns:
            A function that waits until it is done, and returns (n, length) per level.
        """

    def neighbors(
        self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool, batch_invariant: bool = False
    ) -> Neighbors:
        """Find the k nearest of `reference` for each of `query`; exactly below a size, and nearly above.

        Args:
            query: the vectors that look for neighbors.
            reference: the vectors they are found among.
            k: how many.
            same: both are of one dataset, and no image may be its own neighbor.
            alone: what is found for a query must not depend on the other queries.
        """

    def max_layout_points(self, n_neighbors: int, processes_per_host: int) -> int:
        """Return the number of points that a layout can have in this device's memory.

        Args:
            n_neighbors: of the layout.
            processes_per_host: layouts that may be made side by side in that memory.
        """

    def distribution_distances(
        self, query: EmbeddingView, reference: EmbeddingView
    ) -> tuple[dict[str, Distance], dict[str, Distance]]:
        """Measure how far apart two datasets lie; see `gapscope.compare.distances.distribution_distances`."""

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
            distances: (n, n_neighbors) to each point's neighbors, ascending, the point itself first.
            indices: (n, n_neighbors) of these neighbors.
            settings: seed and shape of the layout; `n_neighbors` is that of the arrays.

        Returns:
            (n, 3) coordinates.

        Raises:
            MemoryError: it does not fit.
        """

    @property
    def max_clustered_points(self) -> int:
        """Points that `cluster` takes in a time that nobody minds."""

    def cluster(self, points: NDArray[np.float32], smallest: int) -> NDArray[np.int32]:
        """Group (n, 3) points by density with HDBSCAN (Campello et al. 2013): a number per point, -1 for none.

        Args:
            points: (n, 3) coordinates.
            smallest: number of points from which on a group counts.
        """
