"""An NVIDIA GPU: torch, and RAPIDS cuML for the layout and its clusters."""

import importlib.util
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.decode.children import decode_apart
from gapscope.decode.picture import Picture
from gapscope.errors import OptionError
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.unit_rows import UnitRows
from gapscope.pyramid import Pyramid
from gapscope.settings import Frame, LayoutSettings, Precision
from gapscope.sources import Box


@dataclass(frozen=True)
class Cuda:
    """Every verb but decoding on the process's first visible GPU."""

    name: str = "cuda"
    batch_images: int = 128

    def check(self) -> str:
        """Return the GPUs in words.

        Raises:
            OptionError: torch sees no GPU, or cuML is not installed.
        """
        if not torch.cuda.is_available():
            raise OptionError("--device cuda: torch sees no usable NVIDIA GPU here; use --device cpu or auto")
        if importlib.util.find_spec("cuml") is None:
            raise OptionError(
                '--device cuda: cuML is not installed; pip install "gapscope[cuda13]", or use --device cpu'
            )
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"

    def decode(self, data: bytes, frame: Frame, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image with Pillow, in a process of its own, so that both devices see the same pixels."""
        return decode_apart(data, frame, box, thumbnail=thumbnail)

    def place(self, pyramid: Pyramid) -> Pyramid:
        """Return the network in the GPU's memory, laid out for its tensor cores."""
        return pyramid.to(device="cuda", memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def embed(
        self, pyramid: Pyramid, pixels: NDArray[np.uint8], precision: Precision
    ) -> dict[str, NDArray[np.float32]]:
        """Embed a batch with torch."""
        batch = torch.from_numpy(pixels).pin_memory().to("cuda", non_blocking=True).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            return {level: values.cpu().numpy() for level, values in pyramid(batch).items()}

    def neighbors(
        self, query: UnitRows, reference: UnitRows, k: int, *, same: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find neighbours exactly, by matrix products."""
        return exact_neighbors(query, reference, k, same=same, device=torch.device("cuda"))

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Run cuML's UMAP on the given graph."""
        import cuml
        import cupy

        fitted = cuml.manifold.UMAP(
            n_components=3,
            n_neighbors=indices.shape[1],
            min_dist=settings.min_dist,
            init=cupy.asarray(start),
            random_state=settings.seed,
            precomputed_knn=(cupy.asarray(indices), cupy.asarray(distances)),
            output_type="numpy",
        ).fit(cupy.asarray(start))
        return np.asarray(fitted.embedding_, dtype=np.float32)

    def cluster_labels(self, points: NDArray[np.float32], smallest: int) -> NDArray[np.int32]:
        """Run cuML's HDBSCAN."""
        import cuml

        fitted = cuml.cluster.HDBSCAN(min_cluster_size=smallest, output_type="numpy").fit(points)
        return np.asarray(fitted.labels_, dtype=np.int32)


def local_cuda_cluster() -> AbstractContextManager[Any]:
    """Start one Dask worker per GPU of this machine.

    Raises:
        OptionError: dask-cuda is not installed.
    """
    try:
        import dask_cuda
    except ImportError as error:
        raise OptionError('--cluster cuda: dask-cuda is not installed; pip install "gapscope[cuda13]"') from error
    return dask_cuda.LocalCUDACluster(dashboard_address=None)  # type: ignore[no-any-return]
