"""The CPU: torch, umap-learn and scikit-learn."""

import os
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.decode.children import decode_apart
from gapscope.decode.picture import Picture
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.unit_rows import UnitRows
from gapscope.pyramid import Pyramid
from gapscope.settings import Frame, LayoutSettings, Precision
from gapscope.sources import Box


@dataclass(frozen=True)
class Cpu:
    """Every verb on the processor's cores."""

    name: str = "cpu"
    batch_images: int = 32

    def check(self) -> str:
        """Return the number of cores in words; a CPU can always be used."""
        return f"CPU, {len(os.sched_getaffinity(0))} cores"

    def decode(self, data: bytes, frame: Frame, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
        """Decode one image with Pillow, in a process of its own."""
        return decode_apart(data, frame, box, thumbnail=thumbnail)

    def place(self, pyramid: Pyramid) -> Pyramid:
        """Return the network with its weights laid out as convolutions on a CPU like them."""
        return pyramid.to(memory_format=torch.channels_last)

    def embed(
        self, pyramid: Pyramid, pixels: NDArray[np.uint8], precision: Precision
    ) -> dict[str, NDArray[np.float32]]:
        """Embed a batch with torch."""
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return {level: values.numpy() for level, values in pyramid(batch).items()}

    def neighbors(
        self, query: UnitRows, reference: UnitRows, k: int, *, same: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find neighbours exactly, by matrix products."""
        return exact_neighbors(query, reference, k, same=same, device=torch.device("cpu"))

    def layout(
        self,
        start: NDArray[np.float32],
        distances: NDArray[np.float32],
        indices: NDArray[np.int64],
        settings: LayoutSettings,
    ) -> NDArray[np.float32]:
        """Run umap-learn on the given graph."""
        # Importing it compiles; only the stage that needs it should wait.
        import umap

        with warnings.catch_warnings():
            # It says that new points cannot be placed later, which nobody asks of it.
            warnings.filterwarnings("ignore", message=".*knn_search_index.*")
            fitted = umap.UMAP(
                n_components=3,
                n_neighbors=indices.shape[1],
                min_dist=settings.min_dist,
                init=start,
                random_state=settings.seed,
                n_jobs=1,
                precomputed_knn=(indices, distances),
                # Without it small inputs ignore the graph and compare all pairs anew.
                force_approximation_algorithm=True,
            ).fit(start)
        return np.asarray(fitted.embedding_, dtype=np.float32)

    def cluster_labels(self, points: NDArray[np.float32], smallest: int) -> NDArray[np.int32]:
        """Run scikit-learn's HDBSCAN."""
        from sklearn.cluster import HDBSCAN

        return np.asarray(HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(points), dtype=np.int32)
