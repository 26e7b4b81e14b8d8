"""Time, memory and quality of neighbors, maps and comparison, against plain cuML and umap-learn on the same points."""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from gpu.points import embeddings, given_run, two_datasets, view_of
from gpu.stage import Found, Part, Setting
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
from gapscope.stages.neighbors import find_neighbors

Points = NDArray[np.float32]


def _stages(count: int, levels: int, setting: Setting) -> Iterator[Found]:
    """Do what a run does with embeddings that are there; all levels hold the same, and are worked on one by one."""
    values, kind = embeddings(setting, setting.size(count, 320))
    layout, comparison = LayoutSettings(n_epochs=setting.size(None, 11)), CompareSettings()
    run = setting.folder(f"fast-{count}-{levels}") / "run"
    record = given_run(run, two_datasets(values, levels))
    yield {"points": len(values), "kind": kind, "levels": levels}
    del values
    k, search, total = max(comparison.graph_k, layout.graph_k), "", 0.0

    def neighbors() -> None:
        nonlocal search
        search = find_neighbors(run, record, setting.device, k, connect, Silent(), graph_k=layout.graph_k)

    steps: dict[str, Callable[[], None]] = {
        "neighbors": neighbors,
        "layout": lambda: compute_layouts(run, record, layout, setting.device, connect, Silent(), search),
        "compare": lambda: compare_datasets(run, record, comparison, setting.device, Silent()),
    }
    _begin(setting)
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        for name, step in steps.items():
            with Watch() as watch:
                start = time.perf_counter()
                step()
                seconds = time.perf_counter() - start
            total += seconds
            yield {name: {"seconds": seconds, "watched": watch.facts()}, "seconds": total}
    metrics = open_run(run).metrics["levels"]
    yield {"quality": {level: {name: metrics[level][name] for name in ("neighbors", "layout")} for level in metrics}}
    shutil.rmtree(run)


def _begin(setting: Setting) -> None:
    """Load what is loaded on first use, so that no step is charged for it."""
    few = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    indices = (np.arange(2000)[:, None] + np.arange(15)) % 2000
    distances = np.sort(np.abs(few[:, :1] + np.arange(15, dtype=np.float32)), axis=1)
    if not setting.dry:
        setting.device.layout(few, distances, indices, LayoutSettings(n_epochs=11))
        setting.device.cluster(few, 20)


def _plain(count: int, way: str, setting: Setting) -> Iterator[Found]:
    """Hand the same vectors, in host memory, to a UMAP as its documents show it."""
    values, kind = embeddings(setting, setting.size(count, 320))
    view = view_of(values)
    if way in CUML and not setting.on_gpu:
        yield {"points": len(view), "not_run": "cuML needs a GPU"}
        return
    vectors = view.tile(0, len(view))
    found: list[Points] = []
    _PLAIN[way](vectors[:2000])
    with Watch() as watch:
        start = time.perf_counter()
        found.append(_PLAIN[way](vectors))
        seconds = time.perf_counter() - start
    yield {"points": len(view), "kind": kind, "seconds": seconds, "watched": watch.facts()}
    yield layout_quality([view], found[0], seed=0)


_PLAIN: dict[str, Callable[[Points], Points]] = {"umap-learn": plain_umap, **CUML}


_SIZES = {"100 thousand": 100_000, "1 million": 1_000_000, "10 million": 10_000_000}
PARTS: dict[str, Part] = {
    "100 thousand, 1 level": partial(_stages, 100_000, 1),
    "100 thousand, 5 levels": partial(_stages, 100_000, 5),
    "1 million, 1 level": partial(_stages, 1_000_000, 1),
    "1 million, 5 levels": partial(_stages, 1_000_000, 5),
    **{
        f"{way}, {name}": partial(_plain, _SIZES[name], way)
        for way, name in (
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
