"""Ivf on the CPU, by faiss (Douze et al. 2024)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gapscope.neighbors.result import recall

_NLIST_PER_ROOT = 3
_FAST_NLIST_PER_ROOT = 1.0
_ONE_QUERY_AT_A_TIME = 11
"""Of faiss's ways to go through the lists, the fastest here: a query's tables stay in the processor's cache."""
_TRAINING_POINTS = 40
_ITERATIONS = 6
_FAST_TILE = 4096
_MAX_CODES, _MIN_CODES = 160, 64
"""Codes per vector: more of them make many channels slow to scan, and fewer cannot tell neighbors apart."""
_K_FACTORS = (2, 4, 8, 16)
"""Of so many times k vectors that are nearest by their codes, the distances are measured: the least that suffices."""
_SUFFICES = 0.985
_TRIED_QUERIES = 200
_TRIED_K = 32
_TRIED_NPROBE = 16


class FaissIvf:
    """An IndexIVFFlat: the vectors in its lists are not compressed, and the same vectors give the same centroids."""

    def __init__(self, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        """Train centroids on vectors (n, channels) and add a copy of all of them; it is the same for all queries."""
        del queries
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
    """An IndexIVFPQFastScan, whose best candidates are measured exactly.

    A code of 4 bits stands for one channel, or for several where there are many.

    The codes of 32 vectors are compared at a time in the processor's registers (Andre, Kermarrec and Le Scouarnec 2017,
    "Accelerated nearest neighbor search with Quick ADC").
    """

    def __init__(self, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        """Train centroids and codes on vectors (n, channels), n at least 1,000, and add a copy of all of them.

        Queries (m, channels) such as those to come decide how many candidates are measured: queries of another dataset
        need more.
        """
        # The import starts faiss's threads.
        import faiss

        self.nlist = max(1, int(_FAST_NLIST_PER_ROOT * len(vectors) ** 0.5))
        channels = vectors.shape[1]
        codes = _count_codes(channels)
        ivf = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(channels), channels, self.nlist, codes, 4, faiss.METRIC_L2)
        ivf.implem = _ONE_QUERY_AT_A_TIME
        self._index, self._ivf = _train_and_add(faiss.IndexRefineFlat(ivf), ivf, vectors)
        self._index.k_factor = self._choose_k_factor(queries[:_TRIED_QUERIES])

    def _choose_k_factor(self, tried: NDArray[np.float32]) -> int:
        """Return the least factor that loses hardly any of what the largest finds in the same lists."""
        self._index.k_factor = _K_FACTORS[-1]
        nearest, _ = self.search(tried, _TRIED_K, _TRIED_NPROBE)
        for k_factor in _K_FACTORS[:-1]:
            self._index.k_factor = k_factor
            found, _ = self.search(tried, _TRIED_K, _TRIED_NPROBE)
            if recall(found.numpy(), nearest.numpy()) >= _SUFFICES:
                return k_factor
        return _K_FACTORS[-1]

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[Tensor, Tensor]:
        """Search the `nprobe` nearest lists; see `Ivf`."""
        # The tables of so many queries stay in the processor's cache.
        tiles = [vectors[start : start + _FAST_TILE] for start in range(0, max(1, len(vectors)), _FAST_TILE)]
        found = [_search(self._index, self._ivf, tile, k, nprobe) for tile in tiles]
        half_squares, positions = zip(*found, strict=True)
        return torch.cat(half_squares), torch.cat(positions)


def _count_codes(channels: int) -> int:
    """Return the number of codes that stand for so many channels, each for equally many.

    Example:
        >>> [_count_codes(channels) for channels in (24, 256, 320, 768, 1280, 499)]
        [24, 128, 160, 128, 160, 499]
    """
    divisors = [codes for codes in range(1, channels + 1) if channels % codes == 0]
    fitting = [codes for codes in divisors if _MIN_CODES <= codes <= _MAX_CODES]
    return max(fitting, default=min(codes for codes in divisors if codes >= min(channels, _MIN_CODES)))


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
