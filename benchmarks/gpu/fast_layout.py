"""Time, memory and quality of neighbors, maps and comparison, against plain cuML and umap-learn on the same points."""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from gpu.points import embeddings, two_datasets, view_of, write_run
from gpu.stage import Part, Result, Setting
from numpy.typing import NDArray

from gapscope.bench.backends import plain_umap
from gapscope.bench.plain_cuml import CUML
from gapscope.bench.watch import Watch
from gapscope.cluster import lazy_cluster
from gapscope.layout.quality import layout_quality
from gapscope.progress import Silent
from gapscope.run import open_run
from gapscope.settings import CompareSettings, LayoutSettings
from gapscope.stages.compare import compare_datasets
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, find_style_aside_neighbors

Points = NDArray[np.float32]


def _stages(count: int, levels: int, setting: Setting) -> Iterator[Result]:
    """Run the stages after embedding, on levels that all hold the same embeddings, one level after the other."""
    values, kind = embeddings(setting, setting.size(count, 320))
    layout, comparison = LayoutSettings(n_epochs=setting.size(None, 11)), CompareSettings()
    run = write_run(setting.folder(f"fast-{count}-{levels}") / "run", two_datasets(values, levels))
    yield {"points": len(values), "kind": kind, "levels": levels}
    del values
    k, search_id, total = max(comparison.graph_k, layout.graph_k), "", 0.0

    def neighbors() -> None:
        nonlocal search_id
        search_id = find_neighbors(run, setting.device, k, connect, Silent(), graph_k=layout.graph_k)

    steps: dict[str, Callable[[], None]] = {
        "neighbors": neighbors,
        "neighbors style aside": lambda: find_style_aside_neighbors(run, setting.device, k, connect, Silent()),
        "layout": lambda: compute_layouts(run, layout, setting.device, connect, Silent(), search_id),
        "compare": lambda: compare_datasets(run, comparison, setting.device, Silent()),
    }
    _warm_up(setting)
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        for name, step in steps.items():
            with Watch() as watch:
                start = time.perf_counter()
                step()
                seconds = time.perf_counter() - start
            total += seconds
            yield {name: {"seconds": seconds, "watched": watch.facts()}, "seconds": total}
    metrics = open_run(run.path).metrics["levels"]
    yield {
        "quality": {
            level: {"neighbors": values["neighbors"], "layout": values["layout"]} for level, values in metrics.items()
        }
    }
    shutil.rmtree(str(run.path))


def _warm_up(setting: Setting) -> None:
    """Load the libraries that are loaded on first use, so that no step is charged for them."""
    points = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    indices = (np.arange(2000)[:, None] + np.arange(15)) % 2000
    distances = np.sort(np.abs(points[:, :1] + np.arange(15, dtype=np.float32)), axis=1)
    if not setting.dry:
        setting.device.layout(points, distances, indices, LayoutSettings(n_epochs=11))
        setting.device.cluster(points, 20)


def _plain(count: int, method: str, setting: Setting) -> Iterator[Result]:
    """Pass the same vectors, in host memory, to a UMAP implementation as its documentation shows."""
    values, kind = embeddings(setting, setting.size(count, 320))
    view = view_of(values)
    if method in CUML and not setting.on_gpu:
        yield {"points": len(view), "not_run": "cuML needs a GPU"}
        return
    vectors = view.tile(0, len(view))
    _PLAIN[method](vectors[:2000])
    with Watch() as watch:
        start = time.perf_counter()
        coordinates = _PLAIN[method](vectors)
        seconds = time.perf_counter() - start
    yield {"points": len(view), "kind": kind, "seconds": seconds, "watched": watch.facts()}
    yield {**layout_quality([view], coordinates, seed=0)}


_PLAIN: dict[str, Callable[[Points], Points]] = {"umap-learn": plain_umap, **CUML}


_SIZES = {"100 thousand": 100_000, "1 million": 1_000_000, "10 million": 10_000_000}
PARTS: dict[str, Part] = {
    "100 thousand, 1 level": partial(_stages, 100_000, 1),
    "100 thousand, 5 levels": partial(_stages, 100_000, 5),
    "1 million, 1 level": partial(_stages, 1_000_000, 1),
    "1 million, 5 levels": partial(_stages, 1_000_000, 5),
    **{
        f"{method}, {name}": partial(_plain, _SIZES[name], method)
        for method, name in (
            ("umap-learn", "100 thousand"),
            ("cuML, brute force", "100 thousand"),
            ("cuML, nn_descent", "100 thousand"),
            ("cuML, brute force", "1 million"),
            ("cuML, nn_descent", "1 million"),
        )
    },
    "cuML, nn_descent, 10 million": partial(_plain, 10_000_000, "cuML, nn_descent"),
    "10 million, 1 level": partial(_stages, 10_000_000, 1),
}
