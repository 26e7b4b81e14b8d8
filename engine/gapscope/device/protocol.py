"""What a device must offer to the stages, which never ask which device it is.

Neighbor search, distances, UMAP and HDBSCAN are methods here, and not a table of functions in each room. So `cuda.py`
stays the only file that imports CUDA packages, and one class handles a card's memory, locks and errors.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from gapscope.compare.distances import Distance
from gapscope.decode.picture import Picture
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.ivf import Search
from gapscope.neighbors.result import Neighbors
from gapscope.settings import LayoutSettings, Precision, Preprocess
from gapscope.sources import Box

Network = Callable[[Tensor], Mapping[str, Tensor]]
"""A network, such as a `Pyramid`, compiled or not: a batch of images in, tensors by name out."""


class Device(Hashable, Protocol):
    """The processor that computes. A frozen, picklable value: on a worker it means the worker's own CPU or GPU."""

    @property
    def name(self) -> str:
        """`cpu` or `cuda`."""

    @property
    def batch_images(self) -> int:
        """Number of images per batch of the network."""

    def describe(self) -> str:
        """Return the device in words, such as `CPU, 8 cores`.

        Raises:
            OptionError: the device cannot be used on this machine; the message says what is missing.
        """

    def check_layout_support(self) -> None:
        """Check that this device can lay out and cluster maps, which may need more packages than embedding does.

        Raises:
            OptionError: it cannot; the message says what is missing.
        """

    def utilization(self) -> float | None:
        """Return the current utilization of this process's GPU, 0 to 1; None if it is unknown or there is no GPU."""

    def decode(self, data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image; see `gapscope.decode.children.decode_in_subprocess`."""

    def decode_fallback_reason(self) -> str:
        """Return why this process has given up decoding on this device; empty if it has not."""

    def has_bfloat16(self) -> bool:
        """Tell whether the hardware computes in bfloat16."""

    def prepare_network(self, network: nn.Module, speedups: Sequence[str]) -> Network:
        """Return the network in the memory and format that `embed` needs; `speedups` are among `settings.SPEEDUPS`."""

    def allocate_batch(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Allocate uninitialized host memory for a batch of images, which the device can read fast."""

    def embed(
        self, network: Network, pixels: NDArray[np.uint8], precision: Precision
    ) -> Callable[[], dict[str, NDArray[np.float32]]]:
        """Start to embed a batch of images.

        Args:
            network: as `prepare_network` returned it.
            pixels: (n, size, size, 3), sRGB; must not be changed before the returned function has returned.
            precision: of the network's arithmetic, `float32` or `bfloat16`.

        Returns:
            A function that waits for the embeddings, and returns (n, length) by level.
        """

    def neighbors(self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool) -> Neighbors:
        """Find the k nearest neighbors in `reference` of each vector of `query`.

        The search is exact for small datasets and approximate for large ones, with a measured recall.

        Args:
            query: the vectors whose neighbors are searched.
            reference: the vectors among which they are searched.
            k: number of neighbors.
            same: whether images of the same identity are not each other's neighbors.
        """

    def neighbors_in_part(self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool) -> Neighbors:
        """Find the k nearest neighbors, like `neighbors`, by the fastest search that finds `PART_RECALL` of them.

        See `gapscope.neighbors.partition` for what a part is.
        """

    def neighbor_search(self, reference: EmbeddingView, k: int, *, many: bool = False) -> Search:
        """Prepare `reference` once for many searches, and return the function that does one.

        What that finds for a query does not depend on the other queries.

        Args:
            reference: the vectors among which neighbors are searched.
            k: number of neighbors.
            many: take the search that is fastest for a million queries.
        """

    def max_layout_points(self, n_neighbors: int, processes_per_host: int) -> int:
        """Return the largest number of points whose layout fits into this device's memory.

        Args:
            n_neighbors: neighbors per point in the layout's graph.
            processes_per_host: number of worker processes that may lay out maps in that memory at the same time.
        """

    @property
    def max_landmarks(self) -> int:
        """Largest number of images that UMAP lays out of a million and more, unless the user asks for another."""

    def distribution_distances(
        self, query: EmbeddingView, reference: EmbeddingView, *, frechet: bool = True
    ) -> tuple[dict[str, Distance], dict[str, Distance]]:
        """Measure the distances between two datasets; see `gapscope.compare.distances.distribution_distances`."""

    def probe(
        self,
        vectors: NDArray[np.float32],
        labels: NDArray[np.int64],
        training: NDArray[np.int64],
        tested: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Train linear probes, and return what they take vectors for; see `gapscope.compare.probes.linear_probe`."""

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Lay points out in three dimensions with UMAP (McInnes et al. 2018).

        Args:
            start: (n, 3) initial coordinates.
            distances: (n, n_neighbors) from each point to its neighbors, ascending, the point itself first.
            indices: (n, n_neighbors) indices of these neighbors.
            settings: seed, `min_dist` and `n_epochs`; its `n_neighbors` is ignored for that of the arrays.

        Returns:
            (n, 3) coordinates.

        Raises:
            MemoryError: the layout does not fit into memory.
        """

    def release_memory(self) -> None:
        """Give back memory that this process holds for later use."""

    @property
    def max_clustered_points(self) -> int:
        """Largest number of points for `cluster`, by time on a CPU and by memory on a GPU."""

    def cluster(self, points: NDArray[np.float32], min_cluster_size: int) -> NDArray[np.int32]:
        """Cluster points by density with HDBSCAN (Campello et al. 2013).

        Args:
            points: (n, 3) coordinates.
            min_cluster_size: number of points from which on a group is a cluster.

        Returns:
            (n,) cluster of each point, -1 for none.

        Raises:
            MemoryError: clustering does not fit into memory.
        """
