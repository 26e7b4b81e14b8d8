"""Fallbacks when the GPU's memory runs out, and copies between the GPU and the host."""

import json
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from gpu.points import embeddings, two_datasets, view_of, write_run
from gpu.stage import Part, Result, Setting
from torch.profiler import ProfilerActivity, profile

from gapscope.cluster import lazy_cluster
from gapscope.device import cuda
from gapscope.layout.quality import layout_quality
from gapscope.layout.strategy import LevelLayout, compute_layout
from gapscope.progress import Silent
from gapscope.settings import LayoutSettings
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors

_POOL_MIB = 128


def _small_pool(setting: Setting) -> None:
    """Limit RAPIDS and CuPy to so little memory that neither a map nor an IVF index of all points fits."""
    if not setting.on_gpu:
        return
    import cupy
    import rmm
    from rmm.allocators.cupy import rmm_cupy_allocator

    size = _POOL_MIB * 2**20
    rmm.reinitialize(pool_allocator=True, initial_pool_size=size, maximum_pool_size=size)
    cupy.cuda.set_allocator(rmm_cupy_allocator)


def _map(setting: Setting) -> Iterator[Result]:
    """Check that a map of 400,000 points in the small pool becomes a map of landmarks, and reports that."""
    values, kind = embeddings(setting, setting.size(400_000, 320))
    run = write_run(setting.folder("small-pool") / "run", two_datasets(values, 1))
    settings = LayoutSettings(n_epochs=setting.size(None, 11))
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(run, setting.device, 30, connect, Silent())
    _small_pool(setting)
    layout = compute_layout(run, "P2", settings, setting.device, 1)
    yield {
        "pool_mib": _POOL_MIB,
        "kind": kind,
        **_describe(layout),
        "finite": bool(np.isfinite(layout.coordinates).all()),
    }


def _describe(layout: LevelLayout) -> Result:
    return {"strategy": layout.strategy, "umap_images": layout.umap_images, "note": layout.note}


def _ivf(setting: Setting) -> Iterator[Result]:
    """Check that an IVF index that does not fit gives way to exact search, with the same neighbors."""
    values, kind = embeddings(setting, setting.size(300_000, 320))
    view = view_of(values)
    expected = setting.device.neighbors(view, view, 30, same=True)
    _small_pool(setting)
    with patch.object(cuda, "_IVF_FROM", 1000):
        actual = setting.device.neighbors(view, view, 30, same=True)
    same = float((actual.indices == expected.indices).mean())
    yield {"pool_mib": _POOL_MIB, "kind": kind, "method": actual.method, "same": same}


def _copies(setting: Setting) -> Iterator[Result]:
    """Count the copies, and their bytes, that neighbor search and layout make, by kind of copy."""
    values, kind = embeddings(setting, setting.size(100_000, 320))
    run = write_run(setting.folder("copies") / "run", two_datasets(values, 1))
    settings = LayoutSettings(n_epochs=setting.size(None, 11))
    yield {"points": len(values), "kind": kind, "embedding_bytes": values.nbytes}
    search_id = ""
    for name in ("neighbors", "layout"):
        trace = run.path.parent / f"{name}.json"
        with (
            lazy_cluster("inline", setting.device.name, 0) as connect,
            profile(activities=[ProfilerActivity.CUDA if setting.on_gpu else ProfilerActivity.CPU]) as profiler,
        ):
            if name == "neighbors":
                search_id = find_neighbors(run, setting.device, 30, connect, Silent(), graph_k=settings.graph_k)
            else:
                compute_layouts(run, settings, setting.device, connect, Silent(), search_id)
        profiler.export_chrome_trace(str(trace))
        copies: dict[str, dict[str, float]] = {}
        for event in json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]:
            if event.get("cat") == "gpu_memcpy":
                total = copies.setdefault(event["name"], {"count": 0, "bytes": 0, "seconds": 0.0})
                total["count"] += 1
                total["bytes"] += event["args"].get("bytes", 0)
                total["seconds"] += event["dur"] / 1e6
        yield {name: copies}


def _quality(setting: Setting) -> Iterator[Result]:
    """Compare the quality of a map of landmarks, forced by a small pool, with that of a map of all points."""
    values, _ = embeddings(setting, setting.size(400_000, 320))
    settings = LayoutSettings(n_epochs=setting.size(None, 11))
    run = write_run(setting.folder("quality") / "run", two_datasets(values, 1))
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(run, setting.device, 30, connect, Silent())
    datasets = [view_of(level) for levels in two_datasets(values, 1).values() for level in levels.values()]
    for name in ("whole card", "small pool"):
        if name == "small pool":
            _small_pool(setting)
        layout = compute_layout(run, "P2", settings, setting.device, 1)
        yield {name: {**_describe(layout), **layout_quality(datasets, layout.coordinates, seed=0)}}


PARTS: dict[str, Part] = {"map": _map, "cells": _ivf, "copies": _copies, "quality": _quality}
