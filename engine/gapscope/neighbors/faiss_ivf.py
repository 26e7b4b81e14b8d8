"""Ivf on the CPU, by faiss (Douze et al. 2024)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_NLIST_PER_ROOT = 3
_FAST_NLIST_PER_ROOT = 1.0
_TRAINING_POINTS = 40
_ITERATIONS = 6
_K_FACTOR = 2
"""Of so many times k vectors that are nearest by their codes, the distances are measured."""


class FaissIvf:
    """An IndexIVFFlat: the vectors in its lists are not compressed, and the same vectors give the same centroids."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        """Train centroids on vectors (n, channels) and add a copy of all of them."""
        # The import starts faiss's threads.
        import faiss

        self.nlist = max(1, int(_NLIST_PER_ROOT * len(vectors) ** 0.5))
        channels = vectors.shape[1]
        ivf = faiss.IndexIVFFlat(faiss.IndexFlatL2(channels), channels, self.nlist, faiss.METRIC_L2)
        self._index, self._ivf = _train_and_add(ivf, ivf, vectors)

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Search the `nprobe` nearest lists; see `Ivf`."""
        return _search(self._index, self._ivf, vectors, k, nprobe)


class FaissFastScan:
    """An IndexIVFPQFastScan with 4 bits per channel, whose best candidates are measured exactly.

    The codes of 32 vectors are compared at a time in the processor's registers (Andre, Kermarrec and Le Scouarnec 2017,
    "Accelerated nearest neighbor search with Quick ADC").
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        """Train centroids and codes on vectors (n, channels), n at least 1,000, and add a copy of all of them."""
        # The import starts faiss's threads.
        import faiss

        self.nlist = max(1, int(_FAST_NLIST_PER_ROOT * len(vectors) ** 0.5))
        channels = vectors.shape[1]
        ivf = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(channels), channels, self.nlist, channels, 4, faiss.METRIC_L2)
        refined = faiss.IndexRefineFlat(ivf)
        refined.k_factor = _K_FACTOR
        self._index, self._ivf = _train_and_add(refined, ivf, vectors)

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Search the `nprobe` nearest lists; see `Ivf`."""
        return _search(self._index, self._ivf, vectors, k, nprobe)


def _train_and_add(index: Any, ivf: Any, vectors: NDArray[np.float32]) -> tuple[Any, Any]:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    ivf.cp.niter = _ITERATIONS
    ivf.cp.max_points_per_centroid = _TRAINING_POINTS
    ivf.cp.min_points_per_centroid = 1
    index.train(vectors)
    index.add(vectors)
    return index, ivf


def _search(index: Any, ivf: Any, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
    ivf.nprobe = nprobe
    squares, positions = index.search(vectors, k)
    return torch.from_numpy(squares) / 2, torch.from_numpy(positions)
