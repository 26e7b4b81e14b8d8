"""Methods that turn embeddings into a 3-D map: gapscope's own, and the common alternatives (umap-learn, cuML)."""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.bench.plain_cuml import CUML
from gapscope.bench.points import view_of
from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.strategy import layout_by_landmarks
from gapscope.settings import LayoutSettings

LayoutResult = tuple[NDArray[np.float32], dict[str, Any]]
"""(n, 3) coordinates, and details to store with the measurement, such as seconds per step; JSON values."""

_SETTINGS = LayoutSettings()
_GRAPH_K = 30
"""Neighbors per image that a run finds anyway for its outlier scores; the map reuses them."""

_WARM_ROWS = 5000
_WARM_EPOCHS = 11


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A method that computes a map.

    Attributes:
        draw: takes a .npy file of (n, dims) float32 embeddings; returns (n, 3) coordinates and details of the method.
        warm: compiles and loads whatever would otherwise slow down the first map.
        gpu: whether the method needs cuML and a GPU.
    """

    draw: Callable[[Path], LayoutResult]
    warm: Callable[[], object]
    gpu: bool = False

    def lacks(self) -> str:
        """Return why the backend cannot run on this machine; an empty string if it can."""
        if not self.gpu:
            return ""
        if not torch.cuda.is_available():
            return "no GPU"
        return "" if importlib.util.find_spec("cuml") else "cuML is not installed"


def plain_umap(vectors: NDArray[np.float32], seed: int | None = None, **options: Any) -> NDArray[np.float32]:
    """Lay out vectors with umap-learn, which uses all cores only if it gets no seed.

    Args:
        vectors: (n, dims) embeddings.
        seed: makes the layout reproducible, and single-threaded.
        options: more arguments of `umap.UMAP`.

    Returns:
        (n, 3) coordinates.
    """
    # The import compiles for seconds, so only this function pays for it.
    import umap

    return np.asarray(umap.UMAP(n_components=3, random_state=seed, **options).fit_transform(vectors))


def drawn_by_umap(points: Path, seed: int | None = None) -> LayoutResult:
    """Lay out the embeddings of a file with `umap.UMAP`, called as in its documentation."""
    return plain_umap(_vectors(points), seed), {}


def drawn_by_gapscope(points: Path, device: Device, epochs: int | None = None) -> LayoutResult:
    """Find the neighbors of all embeddings and lay out the map from them, as a run does."""
    view = view_of(points)
    search_start = time.perf_counter()
    neighbors = device.neighbors(view, view, _GRAPH_K, same=True)
    layout_start, layout_cpu_start = time.perf_counter(), time.process_time()
    graph = with_self(neighbors.distances[:, : _SETTINGS.graph_k], neighbors.indices[:, : _SETTINGS.graph_k])
    method, recall = neighbors.method, neighbors.recall
    # The layout should not have to share the memory with what it no longer needs.
    del neighbors
    coordinates = device.layout(pca_init([view], 0), *graph, LayoutSettings(n_epochs=epochs))
    timings = {
        "neighbors": layout_start - search_start,
        "layout": time.perf_counter() - layout_start,
        "layout_cpu_seconds": time.process_time() - layout_cpu_start,
    }
    return coordinates, {**timings, "neighbors_method": method, "neighbors_recall": recall}


def drawn_by_landmarks(points: Path, device: Device, share: int) -> LayoutResult:
    """Lay out one in `share` embeddings with UMAP, and interpolate the coordinates of the others."""
    view = view_of(points)
    layout = layout_by_landmarks([view], _SETTINGS, device, len(view) // share, "")
    return layout.coordinates, {"landmarks": layout.umap_images}


def warm_umap(seed: int | None = None) -> None:
    """Make umap-learn compile what a layout with this seed, or without one, needs."""
    plain_umap(_warm_vectors(), seed, n_epochs=_WARM_EPOCHS)


def warm_gapscope(device: Device) -> None:
    """Make a device load and compile what its layouts need."""
    vectors = _warm_vectors()
    indices = (np.arange(_WARM_ROWS)[:, None] + np.arange(15)) % _WARM_ROWS
    distances = np.sort(np.abs(vectors[:, :1] + np.arange(15, dtype=np.float32)), axis=1)
    device.layout(vectors[:, :3].copy(), distances, indices, LayoutSettings(n_epochs=_WARM_EPOCHS))


def _vectors(points: Path) -> NDArray[np.float32]:
    view = view_of(points)
    return view.tile(0, len(view))


def _warm_vectors() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(_WARM_ROWS, 8)).astype(np.float32)


def _gapscope_backends(device: Device, *, gpu: bool) -> dict[str, Backend]:
    warm, name = partial(warm_gapscope, device), f"gapscope, {device.name}"
    return {
        name: Backend(draw=partial(drawn_by_gapscope, device=device), warm=warm, gpu=gpu),
        f"{name}, landmarks": Backend(draw=partial(drawn_by_landmarks, device=device, share=10), warm=warm, gpu=gpu),
    }


def _cuml_backend(name: str) -> Backend:
    lay_out = CUML[name]
    return Backend(draw=lambda points: (lay_out(_vectors(points)), {}), warm=lambda: lay_out(_warm_vectors()), gpu=True)


BACKENDS: dict[str, Backend] = {
    "umap-learn": Backend(draw=drawn_by_umap, warm=warm_umap),
    **_gapscope_backends(Cpu(), gpu=False),
    **{name: _cuml_backend(name) for name in CUML},
    **_gapscope_backends(Cuda(), gpu=True),
}
"""Name in the results to backend. `landmarks` lays out one embedding in ten, and interpolates the others."""
