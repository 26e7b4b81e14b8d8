"""Are neighbors, maps, clusters, numbers and manifests from the GPU those of the CPU? Every option, and odd inputs."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from gpu.points import copied, embeddings, given_run, two_datasets, view_of
from gpu.stage import Found, Part, Setting
from numpy.typing import NDArray
from scipy.spatial import procrustes
from sklearn.metrics import adjusted_rand_score

from gapscope.cluster import lazy_cluster
from gapscope.compare.outlier_scores import knn_radius, score_outliers
from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.layout.strategy import layout_by_landmarks
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.result import recall
from gapscope.progress import Silent
from gapscope.run import open_run
from gapscope.settings import CompareSettings, LayoutSettings
from gapscope.stages.compare import compare_datasets
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors
from gapscope.store.manifests import manifest_path
from gapscope.store.results import layout_info, read_layout, read_neighbors
from gapscope.store.run_record import RunRecord

_K = 30
_OPTIONS = {
    "default": LayoutSettings(),
    "n_neighbors 5": LayoutSettings(n_neighbors=5),
    "n_neighbors 31": LayoutSettings(n_neighbors=31),
    "min_dist 0": LayoutSettings(min_dist=0.0),
    "min_dist 0.5": LayoutSettings(min_dist=0.5),
    "n_epochs 100": LayoutSettings(n_epochs=100),
    "seed 1": LayoutSettings(seed=1),
}
_BOTH_UP_TO = 20_000
"""Points from which on umap-learn, and scikit-learn's HDBSCAN, take minutes."""
_P_VALUES = ("p", "q", "outside_p", "outside_q", "under_p", "under_q")


def _maps(count: int, setting: Setting) -> Iterator[Found]:
    """Draw the same graph with every option, on both devices where that does not take minutes."""
    values, kind = embeddings(setting, setting.size(count, 300))
    view = view_of(values)
    found = setting.device.neighbors(view, view, _K, same=True)
    yield {"points": len(view), "kind": kind}
    both = {"device": setting.device, **({"cpu": Cpu()} if len(view) <= _BOTH_UP_TO else {})}
    options = _OPTIONS if not setting.dry else {"default": LayoutSettings(n_epochs=11)}
    for name, settings in options.items():
        drawn = {where: _drawn(view, found.distances, found.indices, settings, on) for where, on in both.items()}
        yield {name: {where: facts for where, (_, facts) in drawn.items()}}
        if name == "default":
            first, again = drawn["device"][0], _drawn(view, found.distances, found.indices, settings, setting.device)[0]
            yield {"same_again": bool(np.array_equal(first, again))}
            smallest = max(5, round(len(first) ** 0.5) // 2)
            labels = [on.cluster(first, smallest) for on in both.values()]
            yield {"clusters": int(labels[0].max() + 1)}
            if len(labels) > 1:
                yield {"clusters_adjusted_rand_index": float(adjusted_rand_score(*labels))}
        if name == "seed 1":
            yield {"likeness_of_two_seeds": float(1 - procrustes(first, drawn["device"][0])[2])}
    landmarks = layout_by_landmarks([view], options["default"], setting.device, len(view) // 2, "half of them")
    yield {"landmarks, half": layout_quality([view], landmarks.points, seed=0)}


def _drawn(
    view: EmbeddingView,
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    settings: LayoutSettings,
    device: Device,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    graph = with_self(distances[:, : settings.graph_k], indices[:, : settings.graph_k])
    start, begun = pca_init([view], settings.seed), time.perf_counter()
    points = device.layout(start, *graph, settings)
    seconds = time.perf_counter() - begun
    return points, {"layout_seconds": seconds, **layout_quality([view], points, seed=0)}


def _stages(setting: Setting) -> Iterator[Found]:
    """Compare the same embeddings on both devices; the CPU's map stands in both runs, since manifests tell of it."""
    values, kind = embeddings(setting, setting.size(10_000, 90))
    here = setting.folder("stages")
    by_cpu = here / "cpu"
    record = given_run(by_cpu, two_datasets(values, 1))
    by_device = copied(by_cpu, here / "device")
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(by_cpu, record, Cpu(), _K, connect, Silent())
        find_neighbors(by_device, record, setting.device, _K, connect, Silent())
        yield {"points": len(values), "kind": kind, "neighbors": _neighbors(by_cpu, by_device)}
        compute_layouts(by_cpu, record, LayoutSettings(n_epochs=setting.size(None, 11)), Cpu(), connect, Silent())
    for name in ("layout.zarr", "clusters.zarr"):
        copied(by_cpu / name, by_device / name)
    for run, device in ((by_cpu, Cpu()), (by_device, setting.device)):
        compare_datasets(run, record, CompareSettings(), device, Silent())
    yield {"manifests": {f"{a}-vs-{b}": _manifests(by_cpu, by_device, a, b) for a, b in open_run(by_cpu).pairs}}
    yield {"metrics": _metrics(open_run(by_cpu).metrics["levels"], open_run(by_device).metrics["levels"])}
    points = read_layout(by_cpu, "P2")[0]
    labels = [device.cluster(points, 20) for device in (Cpu(), setting.device)]
    yield {"clusters": {"adjusted_rand_index": float(adjusted_rand_score(*labels))}}


def _neighbors(by_cpu: Path, by_device: Path) -> Found:
    found: Found = {}
    for query in ("real", "synthetic"):
        for reference in ("real", "synthetic"):
            (true, rows), (other, there) = (read_neighbors(run, "P2", query, reference) for run in (by_cpu, by_device))
            found[f"{query}-vs-{reference}"] = {
                "recall": recall(other, true),
                "same_rows": float((rows == there).mean()),
                "largest_difference": float(np.abs(true - other).max()),
            }
    return found


def _manifests(by_cpu: Path, by_device: Path, query: str, reference: str) -> Found:
    mine, its = (
        pq.read_table(manifest_path(run, "P2", query, reference)).to_pandas().set_index("uri").sort_index()
        for run in (by_cpu, by_device)
    )
    radii = [knn_radius(run, "P2", reference, CompareSettings().k) for run in (by_cpu, by_device)]
    # Of all images, listed or not.
    all_of, all_its = (
        score_outliers(run, "P2", query, reference, radius, CompareSettings())
        for run, radius in zip((by_cpu, by_device), radii, strict=True)
    )
    apart = {name: float(np.abs(getattr(all_of, name) - getattr(all_its, name)).max()) for name in _P_VALUES}
    return {
        "listed": len(mine),
        "same_images": bool(mine.index.equals(its.index)),
        "within_1e-6": all(value <= 1e-6 for value in apart.values()),
        "largest_differences": apart,
    }


def _metrics(mine: Any, its: Any) -> Found:
    apart = {where: abs(a - b) / max(1.0, abs(a)) for where, a, b in _numbers(mine, its, "")}
    worst = max(apart, key=lambda where: apart[where])
    return {"numbers": len(apart), "worst": worst, "difference": apart[worst], "within_1e-4": apart[worst] <= 1e-4}


def _numbers(mine: Any, its: Any, where: str) -> list[tuple[str, float, float]]:
    if isinstance(mine, dict):
        return [each for name in mine for each in _numbers(mine[name], its[name], f"{where}/{name}")]
    if isinstance(mine, list):
        return [
            each for at, (a, b) in enumerate(zip(mine, its, strict=True)) for each in _numbers(a, b, f"{where}/{at}")
        ]
    return [(where, float(mine), float(its))] if isinstance(mine, int | float) else []


def _odd(setting: Setting) -> Iterator[Found]:
    """Do the stages end, and give finite places, where there is next to nothing to see?"""
    random = np.random.default_rng(0)
    cases = {
        "all equal": np.ones((200, 64)),
        "six images": random.normal(size=(6, 64)),
        "twenty images": random.normal(size=(20, 64)),
        "mostly copies": np.concatenate(
            [np.repeat(random.normal(size=(1, 64)), 300, axis=0), random.normal(size=(100, 64))]
        ),
        "two values": np.repeat(random.normal(size=(2, 64)), 100, axis=0),
        "one dimension": np.pad(random.normal(size=(400, 1)), ((0, 0), (0, 63))),
    }
    for name, values in cases.items():
        yield {name: _ends(setting, values.astype(np.float16))}


def _ends(setting: Setting, values: NDArray[np.float16]) -> Found:
    run = setting.folder("odd") / "run"
    record: RunRecord = given_run(run, {"a": {"P2": values[::2]}, "b": {"P2": values[1::2]}})
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(run, record, setting.device, _K, connect, Silent())
        compute_layouts(run, record, LayoutSettings(n_epochs=setting.size(None, 11)), setting.device, connect, Silent())
    compare_datasets(run, record, CompareSettings(), setting.device, Silent())
    points = read_layout(run, "P2")[0]
    return {"finite": bool(np.isfinite(points).all()), "way": layout_info(run, "P2")["strategy"]}


PARTS: dict[str, Part] = {
    "stages": _stages,
    "odd inputs": _odd,
    "maps of 10 thousand": partial(_maps, 10_000),
    "maps of 100 thousand": partial(_maps, 100_000),
}
