"""Ivf on the CPU, by faiss (Douze et al. 2024)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PER_ROOT = 3
_TRAINED_ON = 40
_ROUNDS = 6


class FaissIvf:
    """An IndexIVFFlat: it compares all bits of what lies in a cell, and finds the same centres each time."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        """Fill cells with vectors (n, channels); they are copied."""
        # Importing it starts its threads; only those who need it should.
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        self.count = max(1, int(_PER_ROOT * len(vectors) ** 0.5))
        channels = vectors.shape[1]
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatL2(channels), channels, self.count, faiss.METRIC_L2)
        self._index.cp.niter = _ROUNDS
        self._index.cp.max_points_per_centroid = _TRAINED_ON
        self._index.cp.min_points_per_centroid = 1
        self._index.train(vectors)
        self._index.add(vectors)

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Search `nprobe` cells; see `Ivf`."""
        self._index.nprobe = nprobe
        squares, positions = self._index.search(vectors, k)
        return torch.from_numpy(squares) / 2, torch.from_numpy(positions)
