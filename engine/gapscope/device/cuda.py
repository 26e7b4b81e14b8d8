"""An NVIDIA GPU as a device: torch, cuVS, and RAPIDS cuML for the layout and its clusters.

CUDA packages are imported in this file only (and by the benchmark of cuML itself, `bench/plain_cuml.py`). So the rest
works without them, and tests can replace them.
"""

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.dlpack import from_dlpack

from gapscope.compare.distances import Distance, distribution_distances
from gapscope.compare.probes.linear_probe import linear_probe
from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.gpu import decode_fallback_reason, decode_on_gpu
from gapscope.decode.gpu_child import DecodeJpegs
from gapscope.decode.picture import Picture
from gapscope.device.compiled import compile_network
from gapscope.device.protocol import Network
from gapscope.errors import OptionError
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import HELD_BYTES, exact_neighbors, half_squares
from gapscope.neighbors.ivf import RECALL, Search, ivf_neighbors, ivf_search
from gapscope.neighbors.partition import PART_RECALL
from gapscope.neighbors.result import Neighbors
from gapscope.settings import LayoutSettings, Precision, Preprocess
from gapscope.sources import Box

_IVF_FROM = 500_000
"""Images from which on an IVF index is assumed to be faster than an exact search; not measured yet."""
_QUERY_MEMORY_SHARE = 0.1
"""Share of the GPU's memory for the queries of an exact search; two searches run at a time, beside the memory pool."""
_LAYOUT_MEMORY_SHARE = 0.6
_BYTES_PER_POINT = 600
_BYTES_PER_NEIGHBOR = 120
"""Assumed peak memory of cuML, per point and per neighbor of each point; not measured yet. If memory runs out
nevertheless, callers handle that."""


@dataclass(frozen=True)
class Cuda:
    """Computes everything on the process's first visible GPU; images that no GPU decodes are decoded on the CPU."""

    name: str = "cuda"
    batch_images: int = 128

    def describe(self) -> str:
        """Return the number and name of the GPUs in words.

        Raises:
            OptionError: torch sees no GPU.
        """
        if not torch.cuda.is_available():
            raise OptionError(
                "torch sees no usable NVIDIA GPU here; use `device='cpu'` or auto", argument="device", value="cuda"
            )
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"

    def check_layout_support(self) -> None:
        """Check that cuML is installed.

        Raises:
            OptionError: cuML is not installed.
        """
        if importlib.util.find_spec("cuml") is None:
            raise OptionError(
                "cuML is not installed, which draws the maps on a GPU; "
                "pip install \"gapscope[cuda13]\", or use `device='cpu'`",
                argument="device",
                value="cuda",
            )

    def utilization(self) -> float | None:
        """Return the driver's figure; None where the package for it, or permission to ask the driver, is missing."""
        # The figure is only shown: an error here must never fail a block.
        try:
            return torch.cuda.utilization() / 100
        except Exception:  # noqa: BLE001
            return None

    def decode(self, data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image: a plain JPEG on the GPU if nvImageCodec is installed, everything else with Pillow.

        A picture that the GPU decoded has no thumbnail; the report then makes one itself.
        """
        if _has_nvimgcodec():
            return decode_on_gpu(data, frame, box, thumbnail=thumbnail)
        return decode_in_subprocess(data, frame, box, thumbnail=thumbnail)

    def decode_fallback_reason(self) -> str:
        """Return why the CPU decodes what the GPU should; empty where it does not, or nvImageCodec is not installed."""
        return decode_fallback_reason() if _has_nvimgcodec() else ""

    def has_bfloat16(self) -> bool:
        """Tell whether the GPU's tensor cores support bfloat16."""
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))

    def prepare_network(self, network: nn.Module, speedups: Sequence[str]) -> Network:
        """Return the network in the GPU's memory, channels-last for tensor cores and compiled if `speedups` say so."""
        network = network.to("cuda")
        if "channels-last" in speedups:
            network = network.to(memory_format=torch.channels_last)
        # Without CUDA graphs: launching the kernels of so large a batch costs no time, and graphs are tied to a thread.
        return compile_network(network) if "compile" in speedups else network

    def allocate_batch(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Allocate pinned, uninitialized memory, which the GPU can copy from asynchronously."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()

    def embed(
        self, network: Network, pixels: NDArray[np.uint8], precision: Precision
    ) -> Callable[[], dict[str, NDArray[np.float32]]]:
        """Queue the copy to the GPU, the network and the copy back, and return without waiting for them."""
        compute_stream = torch.cuda.current_stream()
        with torch.cuda.stream(_copy_stream()):
            # A separate stream copies a batch while the batch before it is computed.
            batch = torch.from_numpy(pixels).to("cuda", non_blocking=True)
        compute_stream.wait_stream(_copy_stream())
        with (
            torch.inference_mode(),
            torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"),
            # TF32 would round the inputs of convolutions to 10 bits, and float32 would be float32 only by name.
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        ):
            embeddings = network(batch.permute(0, 3, 1, 2))
            # A copy into memory that is not pinned would block here.
            results = {
                level: torch.empty_like(values, device="cpu", pin_memory=True) for level, values in embeddings.items()
            }
            for level, values in embeddings.items():
                results[level].copy_(values, non_blocking=True)
        # The batch is kept until it is computed: RMM's allocator does not know of other streams (`record_stream` does
        # nothing there), and would reuse the batch's memory for the next copy while this batch is computed.
        pending = [compute_stream.record_event(), batch]

        def wait() -> dict[str, NDArray[np.float32]]:
            if pending:
                pending[0].synchronize()
                pending.clear()
            return {level: values.numpy() for level, values in results.items()}

        return wait

    def neighbors(self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool) -> Neighbors:
        """Search exactly by matrix products, or approximately with a cuVS IVF index where that should be faster."""
        return _neighbors(query, reference, k, same=same, min_recall=RECALL)

    def neighbors_in_part(self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool) -> Neighbors:
        """Search like `neighbors`: a part is mostly small enough for an exact search."""
        return _neighbors(query, reference, k, same=same, min_recall=PART_RECALL)

    def neighbor_search(self, reference: EmbeddingView, k: int, *, many: bool = False) -> Search:
        """Return an exact search, or one of a cuVS IVF index where the reference is large and memory has room."""
        del many
        device = torch.device("cuda")
        if len(reference) >= _IVF_FROM:
            with suppress(MemoryError), _memory_errors():
                return ivf_search(reference, k, build_index=_CuvsIvf, device=device)
            torch.cuda.empty_cache()

        def search(query: EmbeddingView) -> Neighbors:
            return exact_neighbors(query, reference, k, same=False, device=device, held_bytes=_query_bytes())

        return search

    def max_layout_points(self, n_neighbors: int, processes_per_host: int) -> int:
        """Divide 60% of the GPU's memory by cuML's memory per point; each process has its own GPU."""
        total = torch.cuda.mem_get_info()[1]
        return int(total * _LAYOUT_MEMORY_SHARE / (_BYTES_PER_POINT + n_neighbors * _BYTES_PER_NEIGHBOR))

    @property
    def max_landmarks(self) -> int:
        """A million, which cuML is expected to lay out within a minute; not measured yet."""
        return 1_000_000

    def distribution_distances(
        self, query: EmbeddingView, reference: EmbeddingView, *, frechet: bool = True
    ) -> tuple[dict[str, Distance], dict[str, Distance]]:
        """Measure the distances between two datasets, in float64."""
        return distribution_distances(query, reference, torch.device("cuda"), frechet=frechet)

    def probe(
        self,
        vectors: NDArray[np.float32],
        labels: NDArray[np.int64],
        training: NDArray[np.int64],
        tested: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Train linear probes with torch, in float64."""
        return linear_probe(vectors, labels, training, tested, torch.device("cuda"))

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Run cuML's UMAP on the given neighbor graph; cuML copies graph and start to the GPU itself, each once."""
        import cuml

        # A worker lays out two levels at a time. In parallel they would take twice the memory and be no faster.
        with _layout_lock, _memory_errors():
            fitted = cuml.manifold.UMAP(
                n_components=3,
                n_neighbors=indices.shape[1],
                min_dist=settings.min_dist,
                n_epochs=settings.n_epochs,
                init=start,
                random_state=settings.seed,
                precomputed_knn=(indices, distances),
                output_type="numpy",
                # With a precomputed graph, cuML uses only the shape of the data, and leaves the data on the host.
            ).fit(start)
            return np.asarray(fitted.embedding_, dtype=np.float32)

    def release_memory(self) -> None:
        """Return what torch has cached to the GPU, or to the pool that it shares with CuPy."""
        torch.cuda.empty_cache()

    @property
    def max_clustered_points(self) -> int:
        """A million, which a large GPU has memory for: cuML's graph of as many points takes some 6 GB."""
        return 1_000_000

    def cluster(self, points: NDArray[np.float32], min_cluster_size: int) -> NDArray[np.int32]:
        """Run cuML's HDBSCAN, with `min_samples` such that the result is scikit-learn's."""
        import cuml

        with _layout_lock, _memory_errors():
            fitted = cuml.cluster.HDBSCAN(
                min_cluster_size=min_cluster_size,
                # scikit-learn counts the point itself among these and cuML does not; cuML takes 1023 at most.
                min_samples=min(max(1, min_cluster_size - 1), 1023),
                output_type="numpy",
            ).fit(points)
            return np.asarray(fitted.labels_, dtype=np.int32)


def _neighbors(query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool, min_recall: float) -> Neighbors:
    device = torch.device("cuda")
    query_bytes = _query_bytes()
    if len(reference) >= _IVF_FROM and len(query) >= _IVF_FROM:
        with suppress(MemoryError), _memory_errors():
            return ivf_neighbors(
                query, reference, k, same=same, build_index=_CuvsIvf, device=device, min_recall=min_recall
            )
        # Memory ran out: an exact search is slower, but needs as little as on a CPU. `Neighbors.method` says which.
        torch.cuda.empty_cache()
        query_bytes = HELD_BYTES
    return exact_neighbors(query, reference, k, same=same, device=device, held_bytes=query_bytes)


def _query_bytes() -> int:
    return int(torch.cuda.mem_get_info()[1] * _QUERY_MEMORY_SHARE)


@lru_cache(maxsize=1)
def _has_nvimgcodec() -> bool:
    try:
        return importlib.util.find_spec("nvidia.nvimgcodec") is not None
    except ModuleNotFoundError:
        return False


def jpeg_decoder() -> DecodeJpegs:
    """Return a function that decodes batches of JPEGs with nvImageCodec, on the GPU's JPEG engines if it has any."""
    from nvidia import nvimgcodec

    # Backends that only use the CPU are left out: gapscope's own CPU decoder says why it rejects an image.
    kinds = nvimgcodec.BackendKind
    decoder = nvimgcodec.Decoder(
        backends=[nvimgcodec.Backend(kind) for kind in (kinds.HW_GPU_ONLY, kinds.GPU_ONLY, kinds.HYBRID_CPU_GPU)],
        # Interpolates subsampled colors as libjpeg does.
        options=":fancy_upsampling=1",
    )
    params = nvimgcodec.DecodeParams(apply_exif_orientation=False)

    def decode(data: Sequence[bytes]) -> list[torch.Tensor | None]:
        if not data:
            return []
        images = decoder.decode(list(data), params=params, cuda_stream=torch.cuda.current_stream().cuda_stream)
        return [None if image is None else from_dlpack(image) for image in images]

    return decode


# One per process: the copies of all threads are queued on it.
@lru_cache(maxsize=1)
def _copy_stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()


_POOL_SHARE = 0.5
"""Share of a GPU's memory that a worker's RMM pool starts with; the pool grows as far as memory is free."""


class _CuvsIvf:
    """A cuVS IVF-Flat index; distances are recomputed from differences, to be exactly 0 for equal vectors."""

    def __init__(self, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        del queries
        import cupy
        from cuvs.neighbors import ivf_flat

        self.nlist = max(1, int(4 * len(vectors) ** 0.5))
        self._vectors = cupy.asarray(vectors)
        self._index = ivf_flat.build(ivf_flat.IndexParams(n_lists=self.nlist, metric="sqeuclidean"), self._vectors)

    def search(self, vectors: NDArray[np.float32], k: int, nprobe: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Search the `nprobe` nearest lists; see `gapscope.neighbors.ivf.Ivf`."""
        import cupy
        from cuvs.neighbors import ivf_flat

        queries = cupy.asarray(vectors)
        _, neighbors = ivf_flat.search(ivf_flat.SearchParams(n_probes=nprobe), self._index, queries, k)
        indices = torch.as_tensor(cupy.asarray(neighbors).astype(cupy.int64), device="cuda")
        # cuVS fills up with invalid indices where the lists hold fewer than k vectors.
        valid = (indices >= 0) & (indices < len(self._vectors))
        indices = torch.where(valid, indices, -1)
        reference = torch.as_tensor(self._vectors, device="cuda")
        return half_squares(torch.as_tensor(queries, device="cuda"), reference, indices.clamp(min=0)), indices


_layout_lock = threading.Lock()
_OUT_OF_MEMORY = ("bad_alloc", "out of memory", "out_of_memory", "maximum pool size exceeded")


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Turn the errors by which CUDA's libraries say that memory ran out into MemoryErrors."""
    try:
        yield
    except MemoryError:
        # CuPy and RMM raise these themselves.
        raise
    # RAFT and the driver raise RuntimeErrors, cuVS plain Exceptions.
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
            raise MemoryError(str(error)) from error
        raise


def local_cuda_cluster(threads: int, dashboard: str | None) -> AbstractContextManager[Any]:
    """Start one Dask worker per GPU of this machine, each with one RMM memory pool that torch and CuPy share.

    Args:
        threads: number of blocks that a worker works on at a time.
        dashboard: address that Dask's dashboard listens at; None for no dashboard.

    Raises:
        OptionError: dask-cuda is not installed.
    """
    try:
        from dask_cuda import LocalCUDACluster
        from dask_cuda.plugins import CUDFSetup
    except ImportError as error:
        raise OptionError(
            'dask-cuda is not installed; pip install "gapscope[cuda13]"', argument="cluster", value="cuda"
        ) from error

    class WithoutCudf(LocalCUDACluster):  # type: ignore[misc]
        """Starts workers without cuDF's plugin: they do not use cuDF, and would end where it cannot be imported."""

        def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
            specs: dict[Any, dict[str, Any]] = super().new_worker_spec()
            for spec in specs.values():
                plugins = spec["options"]["plugins"]
                spec["options"]["plugins"] = {plugin for plugin in plugins if not isinstance(plugin, CUDFSetup)}
            return specs

    return WithoutCudf(
        threads_per_worker=threads,
        dashboard_address=dashboard,
        # Workers hold no data for Dask, so that there is nothing to spill, and its memory limits would only kill them.
        memory_limit=None,
        device_memory_limit=None,
        rmm_pool_size=_POOL_SHARE,
        # With separate pools, one library would run out of memory beside memory that the other keeps unused.
        rmm_allocator_external_lib_list=["torch", "cupy"],
    )
