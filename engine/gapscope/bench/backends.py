"""Ways from embeddings to a three-dimensional map: gapscope's, and what people take instead."""

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

PlottedPoints = tuple[NDArray[np.float32], dict[str, Any]]
_SETTINGS = LayoutSettings()
_GRAPH_K = 30
"""Neighbors that gapscope finds anyway, for the outliers."""
_WARM_ROWS = 5000
_WARM_EPOCHS = 11


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A way to draw a map.

    Attributes:
        draw: from a file of (n, dims) float32 to (n, 3) coordinates, and facts about the way.
        warm: compiles and loads what the first map would wait for.
        gpu: whether it needs cuML and a GPU.
    """

    draw: Callable[[Path], PlottedPoints]
    warm: Callable[[], object]
    gpu: bool = False

    def lacks(self) -> str:
        """Return what it lacks on this machine, nothing where it can run."""
        if not self.gpu:
            return ""
        if not torch.cuda.is_available():
            return "no GPU"
        return "" if importlib.util.find_spec("cuml") else "cuML is not installed"


def plain_umap(vectors: NDArray[np.float32], seed: int | None = None, **options: Any) -> NDArray[np.float32]:
    """Return (n, 3) coordinates of (n, dims) vectors by umap-learn, which without a seed uses all cores."""
    # Importing it compiles; only those that need it should wait.
    import umap

    return np.asarray(umap.UMAP(n_components=3, random_state=seed, **options).fit_transform(vectors))


def drawn_by_umap(points: Path, seed: int | None = None) -> PlottedPoints:
    """Hand the vectors to `umap.UMAP` as its documents show it."""
    return plain_umap(_vectors(points), seed), {}


def drawn_by_gapscope(points: Path, device: Device, epochs: int | None = None) -> PlottedPoints:
    """Find all neighbors and draw the map from them, as a run does."""
    view = view_of(points)
    start = time.perf_counter()
    near = device.neighbors(view, view, _GRAPH_K, same=True)
    between, used = time.perf_counter(), time.process_time()
    graph = with_self(near.distances[:, : _SETTINGS.graph_k], near.indices[:, : _SETTINGS.graph_k])
    method, recall = near.method, near.recall
    del near
    drawn = device.layout(pca_init([view], 0), *graph, LayoutSettings(n_epochs=epochs))
    facts = {
        "neighbors": between - start,
        "layout": time.perf_counter() - between,
        "layout_cpu_seconds": time.process_time() - used,
    }
    return drawn, {**facts, "neighbors_method": method, "neighbors_recall": recall}


def drawn_by_landmarks(points: Path, device: Device, share: int) -> PlottedPoints:
    """Draw the map of one in `share` embeddings, and place the others among them."""
    view = view_of(points)
    made = layout_by_landmarks([view], _SETTINGS, device, len(view) // share, "")
    return made.coordinates, {"landmarks": made.umap_images}


def warm_umap(seed: int | None = None) -> None:
    """Have umap-learn compile what a map with or without a seed needs."""
    plain_umap(_few(), seed, n_epochs=_WARM_EPOCHS)


def warm_gapscope(device: Device) -> None:
    """Have a device load and compile what it draws maps with."""
    few = _few()
    indices = (np.arange(_WARM_ROWS)[:, None] + np.arange(15)) % _WARM_ROWS
    distances = np.sort(np.abs(few[:, :1] + np.arange(15, dtype=np.float32)), axis=1)
    device.layout(few[:, :3].copy(), distances, indices, LayoutSettings(n_epochs=_WARM_EPOCHS))


def _vectors(points: Path) -> NDArray[np.float32]:
    view = view_of(points)
    return view.tile(0, len(view))


def _few() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(_WARM_ROWS, 8)).astype(np.float32)


def _ours(device: Device, *, gpu: bool) -> dict[str, Backend]:
    warm, name = partial(warm_gapscope, device), f"gapscope, {device.name}"
    return {
        name: Backend(draw=partial(drawn_by_gapscope, device=device), warm=warm, gpu=gpu),
        f"{name}, landmarks": Backend(draw=partial(drawn_by_landmarks, device=device, share=10), warm=warm, gpu=gpu),
    }


def _plain_cuml(name: str) -> Backend:
    return Backend(draw=lambda points: (CUML[name](_vectors(points)), {}), warm=lambda: CUML[name](_few()), gpu=True)


BACKENDS: dict[str, Backend] = {
    "umap-learn": Backend(draw=drawn_by_umap, warm=warm_umap),
    **_ours(Cpu(), gpu=False),
    **{name: _plain_cuml(name) for name in CUML},
    **_ours(Cuda(), gpu=True),
}
"""What results call a way, to the way. `landmarks` draws one embedding in ten, and places the others among them."""
