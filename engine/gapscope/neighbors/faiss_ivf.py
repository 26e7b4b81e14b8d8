"""Ivf on the CPU, by faiss (Douze et al. 2024)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_NLIST_PER_ROOT = 3
_TRAINING_POINTS = 40
_ITERATIONS = 6


class FaissIvf:
    """An IndexIVFFlat: the vectors in its lists are not compressed, and the same vectors give the same centroids."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        """Train centroids on vectors (n, channels) and add a copy of all of them."""
        # The import starts faiss's threads.
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        self.nlist = max(1, int(_NLIST_PER_ROOT * len(vectors) ** 0.5))
        channels = vectors.shape[1]
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatL2(channels), channels, self.nlist, faiss.METRIC_L2)
        self._index.cp.niter = _ITERATIONS
        self._index.cp.max_points_per_centroid = _TRAINING_POINTS
        self._index.cp.min_points_per_centroid = 1
        self._index.train(vectors)
        self._index.add(vectors)

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Search the `nprobe` nearest lists; see `Ivf`."""
        self._index.nprobe = nprobe
        squares, positions = self._index.search(vectors, k)
        return torch.from_numpy(squares) / 2, torch.from_numpy(positions)
