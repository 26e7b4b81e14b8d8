"""The CPU as a device: torch, faiss, umap-learn and scikit-learn."""

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from distributed.system import MEMORY_LIMIT
from numpy.typing import NDArray
from torch import nn

from gapscope.compare.distances import Distance, distribution_distances
from gapscope.compare.probes.linear_probe import linear_probe
from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.picture import Picture
from gapscope.device.compiled import compile_network
from gapscope.device.protocol import Network
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.faiss_ivf import FaissFastScan, FaissIvf
from gapscope.neighbors.ivf import Search, ivf_neighbors, ivf_search
from gapscope.neighbors.partition import PART_RECALL, PART_SAMPLE
from gapscope.neighbors.result import Neighbors
from gapscope.settings import LayoutSettings, Precision, Preprocess
from gapscope.sources import Box

_IVF_FROM = 30_000
"""Reference images from which on an IVF index is faster than an exact search."""
_FAST_SCAN_FROM = 4096
"""Queries, and reference images, from which on codes are faster within a part."""
_PART_STEP = 1.25
_BYTES_PER_POINT = 600
_BYTES_PER_NEIGHBOR = 240
"""Peak memory of umap-learn, per point and per neighbor of each point."""


@dataclass(frozen=True)
class Cpu:
    """Computes everything on the processor's cores."""

    name: str = "cpu"
    batch_images: int = 32

    def describe(self) -> str:
        """Return the number of cores in words; never raises."""
        return f"CPU, {len(os.sched_getaffinity(0))} cores"

    def check_layout_support(self) -> None:
        """Do nothing: umap-learn and scikit-learn are always installed."""

    def utilization(self) -> float | None:
        """Return None: the operating system shows the utilization of a CPU better."""

    def decode(self, data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image with Pillow, in a subprocess."""
        return decode_in_subprocess(data, frame, box, thumbnail=thumbnail)

    def decode_fallback_reason(self) -> str:
        """Return an empty string: the CPU is what others fall back to."""
        return ""

    def has_bfloat16(self) -> bool:
        """Tell whether the processor has AVX512-BF16 or AMX, by its flags in /proc/cpuinfo."""
        try:
            flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
        except OSError:
            return False
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)

    def prepare_network(self, network: nn.Module, speedups: Sequence[str]) -> Network:
        """Return the network, in channels-last memory format and compiled if `speedups` say so."""
        if "channels-last" in speedups:
            network = network.to(memory_format=torch.channels_last)
        return compile_network(network) if "compile" in speedups else network

    def allocate_batch(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Allocate ordinary, uninitialized memory."""
        return np.empty(shape, np.uint8)

    def embed(
        self, network: Network, pixels: NDArray[np.uint8], precision: Precision
    ) -> Callable[[], dict[str, NDArray[np.float32]]]:
        """Embed a batch with torch, synchronously."""
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            embeddings = {level: values.numpy() for level, values in network(batch).items()}
        return lambda: embeddings

    def neighbors(self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool) -> Neighbors:
        """Search exactly by matrix products, or approximately with a faiss IVF index where that is faster."""
        device = torch.device("cpu")
        if len(reference) < _IVF_FROM or len(query) * len(reference) < _IVF_FROM**2:
            return exact_neighbors(query, reference, k, same=same, device=device)
        return ivf_neighbors(query, reference, k, same=same, build_index=FaissIvf, device=device)

    def neighbors_in_part(self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool) -> Neighbors:
        """Search exactly, or with codes of 4 bits where that is faster."""
        device = torch.device("cpu")
        if len(reference) < _FAST_SCAN_FROM or len(query) < _FAST_SCAN_FROM:
            return exact_neighbors(query, reference, k, same=same, device=device)
        return ivf_neighbors(
            query,
            reference,
            k,
            same=same,
            build_index=FaissFastScan,
            device=device,
            min_recall=PART_RECALL,
            sample_size=PART_SAMPLE,
            step=_PART_STEP,
        )

    def neighbor_search(self, reference: EmbeddingView, k: int, *, many: bool = False) -> Search:
        """Return an exact search, or one of a faiss index where the reference is large."""
        device = torch.device("cpu")
        if len(reference) < (_FAST_SCAN_FROM if many else _IVF_FROM):
            return lambda query: exact_neighbors(query, reference, k, same=False, device=device)
        return ivf_search(reference, k, build_index=FaissFastScan if many else FaissIvf, device=device)

    def max_layout_points(self, n_neighbors: int, processes_per_host: int) -> int:
        """Divide half of the memory that this process may use by umap-learn's memory per point."""
        return int(MEMORY_LIMIT / 2 / processes_per_host / (_BYTES_PER_POINT + n_neighbors * _BYTES_PER_NEIGHBOR))

    @property
    def max_landmarks(self) -> int:
        """250,000, which umap-learn lays out in some minutes on one core."""
        return 250_000

    def distribution_distances(
        self, query: EmbeddingView, reference: EmbeddingView, *, frechet: bool = True
    ) -> tuple[dict[str, Distance], dict[str, Distance]]:
        """Measure the distances between two datasets, in float64."""
        return distribution_distances(query, reference, torch.device("cpu"), frechet=frechet)

    def probe(
        self,
        vectors: NDArray[np.float32],
        labels: NDArray[np.int64],
        training: NDArray[np.int64],
        tested: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Train linear probes with torch, in float64."""
        return linear_probe(vectors, labels, training, tested, torch.device("cpu"))

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Run umap-learn on the given neighbor graph."""
        umap = _umap_learn()
        with warnings.catch_warnings():
            # It warns that it cannot transform new points later, which gapscope never asks of it.
            warnings.filterwarnings("ignore", message=".*knn_search_index.*")
            fitted = umap.UMAP(
                n_components=3,
                n_neighbors=indices.shape[1],
                min_dist=settings.min_dist,
                n_epochs=settings.n_epochs,
                init=start,
                random_state=settings.seed,
                n_jobs=1,
                precomputed_knn=(indices, distances),
                # Without this, umap-learn ignores the graph of a small input and compares all pairs again.
                force_approximation_algorithm=True,
            ).fit(start)
        return np.asarray(fitted.embedding_, dtype=np.float32)

    def release_memory(self) -> None:
        """Do nothing: the operating system has it already."""

    @property
    def max_clustered_points(self) -> int:
        """30,000: scikit-learn's HDBSCAN, whose time grows with the square, needs seconds for as many."""
        return 30_000

    def cluster(self, points: NDArray[np.float32], min_cluster_size: int) -> NDArray[np.int32]:
        """Run scikit-learn's HDBSCAN."""
        from sklearn.cluster import HDBSCAN

        return np.asarray(HDBSCAN(min_cluster_size=min_cluster_size, copy=True).fit_predict(points), dtype=np.int32)


@cache
def _umap_learn() -> Any:
    # Importing it takes seconds, which only the stage that needs it should wait for.
    with warnings.catch_warnings():
        # That Tensorflow is not installed, which is an error where warnings are.
        warnings.simplefilter("ignore", ImportWarning)
        import umap
        from umap import layouts, umap_

    # Compiling these takes five more seconds in every process that draws a map, unless Numba caches the result on disk.
    for module, function in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        # Another version of umap-learn may lack such a function, and this machine a folder for the cache.
        with suppress(AttributeError, RuntimeError, OSError):
            getattr(module, function).enable_caching()
    return umap
