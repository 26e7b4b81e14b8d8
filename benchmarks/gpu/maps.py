"""Times of neighbors, maps and clusters of 100,000 and more points of 256 dimensions, against plain cuML."""

import time
from collections.abc import Iterator
from functools import partial
from unittest.mock import patch

import numpy as np
from gpu.points import normal_view
from gpu.stage import Part, Result, Setting
from harness import Stopwatch
from numpy.typing import NDArray

from gapscope.device import cuda
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.neighbors import exact
from gapscope.settings import LayoutSettings

_K = 30
"""Neighbors that a run finds, since the outlier tests need them."""
_N_CLUSTERS = 100


def _map(count: int, setting: Setting) -> Iterator[Result]:
    """Time neighbors and map as a run makes them with its seed, the map without a seed (cuml#7176), and plain cuML."""
    view, settings = normal_view(setting, setting.size(count, 600)), LayoutSettings()
    yield {"points": len(view), "dims": view.channels}
    clock = Stopwatch()
    neighbors = setting.device.neighbors(view, view, _K, same=True)
    yield {"neighbors": {"seconds": clock.lap(), "method": neighbors.method, "recall": neighbors.recall}}
    graph = with_self(neighbors.distances[:, : settings.graph_k], neighbors.indices[:, : settings.graph_k])
    yield {"graph": {"seconds": clock.lap()}}
    initial = pca_init([view], settings.seed)
    yield {"start": {"seconds": clock.lap()}}
    unseeded = LayoutSettings()
    # The settings allow no missing seed, since a run must draw the same map again.
    object.__setattr__(unseeded, "seed", None)
    for name, layout_settings in (("map", settings), ("map again", settings), ("map without a seed", unseeded)):
        clock.lap()
        points = setting.device.layout(initial, *graph, layout_settings)
        yield {name: {"seconds": clock.lap(), "finite": bool(np.isfinite(points).all())}}
        if name != "map again":
            yield {f"{name}, quality": layout_quality([view], points, seed=0)}
    if setting.on_gpu:
        yield from _plain(view.tile(0, len(view)))


def _plain(vectors: NDArray[np.float32]) -> Iterator[Result]:
    from gapscope.bench.plain_cuml import CUML

    methods = ["cuML, nn_descent", *(["cuML, brute force"] if len(vectors) <= 100_000 else [])]
    for method in methods:
        CUML[method](vectors[:2000])
        clock = Stopwatch()
        CUML[method](vectors)
        yield {f"plain {method}": {"seconds": clock.lap()}}


def _clusters(setting: Setting) -> Iterator[Result]:
    """Time HDBSCAN on ever larger maps; its smallest cluster, and so its graph, grows with the root of the points."""
    random = np.random.default_rng(0)
    for count in setting.size((30_000, 100_000, 300_000, 1_000_000), (1000,)):
        centers = random.uniform(-20, 20, (_N_CLUSTERS, 3))
        points = (centers[random.integers(_N_CLUSTERS, size=count)] + random.normal(size=(count, 3))).astype(np.float32)
        start = time.perf_counter()
        labels = setting.device.cluster(points, max(5, round(count**0.5) // 2))
        yield {f"{count} points": {"seconds": time.perf_counter() - start, "clusters": int(labels.max() + 1)}}


def _exact_or_ivf(setting: Setting) -> Iterator[Result]:
    """Force exact search and IVF: from which size is IVF faster, and do larger tiles speed up exact search?"""
    yield {"assumed": cuda._IVF_FROM}
    for count in setting.size((100_000, 200_000, 500_000), (300,)):
        view = normal_view(setting, count)
        for name, limit, tile in (
            ("cells", 0, 16384),
            ("exact", 10**12, 16384),
            ("exact, larger tiles", 10**12, 65536),
        ):
            clock = Stopwatch()
            with patch.object(cuda, "_IVF_FROM", limit), patch.object(exact, "_REFERENCE_TILE", tile):
                neighbors = setting.device.neighbors(view, view, _K, same=True)
            yield {
                f"{count}, {name}": {
                    "seconds": clock.lap(),
                    "method": neighbors.method,
                    "recall": neighbors.recall,
                }
            }


PARTS: dict[str, Part] = {
    "100 thousand": partial(_map, 100_000),
    "1 million": partial(_map, 1_000_000),
    "clusters": _clusters,
    "exact or cells": _exact_or_ivf,
}
