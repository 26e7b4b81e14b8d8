"""An NVIDIA GPU: torch, and RAPIDS cuML for the layout and its clusters."""

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
from torch.utils.dlpack import from_dlpack

from gapscope.compare.distances import Distance, distribution_distances
from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.gpu import decode_fallback_reason, decode_on_gpu
from gapscope.decode.gpu_child import DecodeJpegs
from gapscope.decode.picture import Picture
from gapscope.device.compiled import compile_network
from gapscope.device.protocol import Network
from gapscope.errors import OptionError
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import HELD_BYTES, exact_neighbors, half_squares
from gapscope.neighbors.ivf import ivf_neighbors
from gapscope.neighbors.result import Neighbors
from gapscope.pyramid import Pyramid
from gapscope.settings import LayoutSettings, Precision, Preprocess
from gapscope.sources import Box

_IVF_FROM = 500_000
"""Images from which on cells are taken to be quicker than comparing everything; not measured yet."""
_HELD_SHARE = 0.1
"""Of the card that a search may hold of its queries; two are made at a time, beside the pool that the others use."""
_LAYOUT_SHARE = 0.6
_POINT_BYTES = 600
_EDGE_BYTES = 120
"""What cuML is taken to need per point and per neighbor of each; not measured yet, and memory that runs out is met."""


@dataclass(frozen=True)
class Cuda:
    """Every verb on the process's first visible GPU, and on the CPU what no GPU decodes."""

    name: str = "cuda"
    batch_images: int = 128

    def check(self) -> str:
        """Return the GPUs in words.

        Raises:
            OptionError: torch sees no GPU.
        """
        if not torch.cuda.is_available():
            raise OptionError(
                "torch sees no usable NVIDIA GPU here; use `device='cpu'` or auto", argument="device", value="cuda"
            )
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"

    def check_layout_support(self) -> None:
        """See that cuML is installed.

        Raises:
            OptionError: it is not.
        """
        if importlib.util.find_spec("cuml") is None:
            raise OptionError(
                "cuML is not installed, which draws the maps on a GPU; "
                "pip install \"gapscope[cuda13]\", or use `device='cpu'`",
                argument="device",
                value="cuda",
            )

    def busy(self) -> float | None:
        """Return what the driver says; None where it cannot be asked, for want of the package or of the right."""
        # What is only shown must never cost a block.
        try:
            return torch.cuda.utilization() / 100
        except Exception:  # noqa: BLE001
            return None

    def decode(self, data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image: a plain JPEG on the GPU if nvImageCodec is installed, everything else with Pillow.

        What is decoded on the GPU comes without a thumbnail, which the report then makes itself.
        """
        if _has_nvimgcodec():
            return decode_on_gpu(data, frame, box, thumbnail=thumbnail)
        return decode_in_subprocess(data, frame, box, thumbnail=thumbnail)

    def decode_fallback_reason(self) -> str:
        """Return why the CPU decodes what the GPU should; nothing where nvImageCodec is not installed."""
        return decode_fallback_reason() if _has_nvimgcodec() else ""

    def has_bfloat16(self) -> bool:
        """Tell whether the GPU's tensor cores know bfloat16."""
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))

    def prepare_network(self, pyramid: Pyramid, speedups: Sequence[str]) -> Network:
        """Return the network in the GPU's memory, laid out for its tensor cores, compiled where that is wanted."""
        pyramid = pyramid.to("cuda")
        if "channels-last" in speedups:
            pyramid = pyramid.to(memory_format=torch.channels_last)
        # No CUDA graphs: a batch is so large that launching its kernels takes no time, and graphs are tied to a thread.
        return compile_network(pyramid) if "compile" in speedups else pyramid

    def buffer(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return pinned memory, which the GPU copies from by itself."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()

    def embed(
        self, network: Network, pixels: NDArray[np.uint8], precision: Precision
    ) -> Callable[[], dict[str, NDArray[np.float32]]]:
        """Embed a batch with torch: its copy there, the network, and its copy back are queued, and not waited for."""
        computing = torch.cuda.current_stream()
        with torch.cuda.stream(_copying()):
            # On a stream of its own a batch is copied while the one before it is computed.
            batch = torch.from_numpy(pixels).to("cuda", non_blocking=True)
        computing.wait_stream(_copying())
        with (
            torch.inference_mode(),
            torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"),
            # Convolutions would be rounded to 10 bits (TF32) otherwise, and float32 would be so by name alone.
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        ):
            found = network(batch.permute(0, 3, 1, 2))
            # Into pinned memory, or the copy would be waited for here.
            answers = {
                level: torch.empty_like(values, device="cpu", pin_memory=True) for level, values in found.items()
            }
            for level, values in found.items():
                answers[level].copy_(values, non_blocking=True)
        # With what is read until then: RMM's allocator does not know of other streams (`record_stream` does nothing
        # there), and would give the batch's memory to the next one's copy while this one is computed.
        under_way = [computing.record_event(), batch]

        def wait() -> dict[str, NDArray[np.float32]]:
            if under_way:
                under_way[0].synchronize()
                under_way.clear()
            return {level: values.numpy() for level, values in answers.items()}

        return wait

    def neighbors(
        self, query: EmbeddingView, reference: EmbeddingView, k: int, *, same: bool, alone: bool = False
    ) -> Neighbors:
        """Compare everything by matrix products, or look into the cells of a cuVS index where that is quicker."""
        here, held = torch.device("cuda"), int(torch.cuda.mem_get_info()[1] * _HELD_SHARE)
        if len(reference) >= _IVF_FROM and (alone or len(query) >= _IVF_FROM):
            with suppress(MemoryError), _memory_errors():
                return ivf_neighbors(query, reference, k, same=same, alone=alone, fill=_CuvsIvf, device=here)
            # Slower, with as little of the card as a CPU would take. `method` says that it was done.
            torch.cuda.empty_cache()
            held = HELD_BYTES
        return exact_neighbors(query, reference, k, same=same, device=here, held_bytes=held)

    def max_layout_points(self, n_neighbors: int, processes_per_host: int) -> int:
        """Divide most of the card's memory by what cuML takes per point; each process has a card of its own."""
        total = torch.cuda.mem_get_info()[1]
        return int(total * _LAYOUT_SHARE / (_POINT_BYTES + n_neighbors * _EDGE_BYTES))

    def distribution_distances(
        self, query: EmbeddingView, reference: EmbeddingView
    ) -> tuple[dict[str, Distance], dict[str, Distance]]:
        """Measure how far apart two datasets lie, in double precision."""
        return distribution_distances(query, reference, torch.device("cuda"))

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Run cuML's UMAP on the given graph; it copies graph and start to the card itself, each once."""
        import cuml

        # A worker draws two levels at a time. Side by side they would take twice the memory, and be no faster.
        with _drawing, _memory_errors():
            fitted = cuml.manifold.UMAP(
                n_components=3,
                n_neighbors=indices.shape[1],
                min_dist=settings.min_dist,
                n_epochs=settings.n_epochs,
                init=start,
                random_state=settings.seed,
                precomputed_knn=(indices, distances),
                output_type="numpy",
                # With a graph of its own cuML looks at the shape of what it fits alone, and leaves it on the host.
            ).fit(start)
            return np.asarray(fitted.embedding_, dtype=np.float32)

    @property
    def max_clustered_points(self) -> int:
        """As many as a large card has memory for: cuML's graph of a million points takes some 6 GB."""
        return 1_000_000

    def cluster_labels(self, points: NDArray[np.float32], smallest: int) -> NDArray[np.int32]:
        """Run cuML's HDBSCAN, with the same meaning of `smallest` as on the CPU."""
        import cuml

        with _drawing, _memory_errors():
            fitted = cuml.cluster.HDBSCAN(
                min_cluster_size=smallest,
                # cuML does not count the point itself among these, scikit-learn does; 1023 is the most that it takes.
                min_samples=min(max(1, smallest - 1), 1023),
                output_type="numpy",
            ).fit(points)
            return np.asarray(fitted.labels_, dtype=np.int32)


@lru_cache(maxsize=1)
def _has_nvimgcodec() -> bool:
    try:
        return importlib.util.find_spec("nvidia.nvimgcodec") is not None
    except ModuleNotFoundError:
        return False


def jpeg_decoder() -> DecodeJpegs:
    """Return what decodes batches of JPEGs with nvImageCodec, by the GPU's JPEG engines where it has some."""
    from nvidia import nvimgcodec

    # Without those for the CPU alone: what is left to the CPU goes to the decoder that tells reasons.
    kinds = nvimgcodec.BackendKind
    decoder = nvimgcodec.Decoder(
        backends=[nvimgcodec.Backend(kind) for kind in (kinds.HW_GPU_ONLY, kinds.GPU_ONLY, kinds.HYBRID_CPU_GPU)],
        # Colours between those that are stored: interpolated, as libjpeg does it.
        options=":fancy_upsampling=1",
    )
    params = nvimgcodec.DecodeParams(apply_exif_orientation=False)

    def decode(data: Sequence[bytes]) -> list[torch.Tensor | None]:
        if not data:
            return []
        images = decoder.decode(list(data), params=params, cuda_stream=torch.cuda.current_stream().cuda_stream)
        return [None if image is None else from_dlpack(image) for image in images]

    return decode


# One per process: every thread's copies go through it, in turn.
@lru_cache(maxsize=1)
def _copying() -> torch.cuda.Stream:
    return torch.cuda.Stream()


_POOL_SHARE = 0.5
"""Of a GPU's memory that a worker's pool begins with; it grows as far as there is room."""


class _CuvsIvf:
    """A cuVS IVF-Flat index; distances are measured anew from differences, so that copies are at distance 0."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        import cupy
        from cuvs.neighbors import ivf_flat

        self.count = max(1, int(4 * len(vectors) ** 0.5))
        self._vectors = cupy.asarray(vectors)
        self._index = ivf_flat.build(ivf_flat.IndexParams(n_lists=self.count, metric="sqeuclidean"), self._vectors)

    def search(self, vectors: NDArray[np.float32], k: int, probes: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Search `probes` cells; see `gapscope.neighbors.ivf.Ivf`."""
        import cupy
        from cuvs.neighbors import ivf_flat

        asking = cupy.asarray(vectors)
        _, found = ivf_flat.search(ivf_flat.SearchParams(n_probes=probes), self._index, asking, k)
        positions = torch.as_tensor(cupy.asarray(found).astype(cupy.int64), device="cuda")
        # Where a cell had too few, what stands there is no position.
        there = (positions >= 0) & (positions < len(self._vectors))
        positions = torch.where(there, positions, -1)
        own = torch.as_tensor(self._vectors, device="cuda")
        return half_squares(torch.as_tensor(asking, device="cuda"), own, positions.clamp(min=0)), positions


_drawing = threading.Lock()
_NO_MEMORY = ("bad_alloc", "out of memory", "out_of_memory", "maximum pool size exceeded")


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Turn every way in which CUDA's libraries say that memory ran out into a MemoryError."""
    try:
        yield
    except MemoryError:
        # CuPy's and RMM's are of this kind already.
        raise
    # Those of RAFT and of the driver are RuntimeErrors, those of cuVS of no kind but Exception.
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in _NO_MEMORY):
            raise MemoryError(str(error)) from error
        raise


def local_cuda_cluster(threads: int, dashboard: str | None) -> AbstractContextManager[Any]:
    """Start one Dask worker per GPU of this machine, with one RMM pool each that torch and CuPy share.

    Args:
        threads: blocks that a worker works on at a time.
        dashboard: where Dask's dashboard listens; None for none.

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
        """Starts workers without cuDF, which they do not use, and which ends them where it cannot be imported."""

        def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
            specs: dict[Any, dict[str, Any]] = super().new_worker_spec()
            for spec in specs.values():
                plugins = spec["options"]["plugins"]
                spec["options"]["plugins"] = {plugin for plugin in plugins if not isinstance(plugin, CUDFSetup)}
            return specs

    return WithoutCudf(
        threads_per_worker=threads,
        dashboard_address=dashboard,
        # Counts are all that travels: nothing to spill, and Dask's guard would kill a worker for what it works with.
        memory_limit=None,
        device_memory_limit=None,
        rmm_pool_size=_POOL_SHARE,
        # Each with a pool of its own, one would starve beside what the other keeps and does not use.
        rmm_allocator_external_lib_list=["torch", "cupy"],
    )
