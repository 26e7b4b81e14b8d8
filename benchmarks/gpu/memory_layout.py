"""What happens when the card's memory runs out, and what travels between the card and the host."""

import json
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from gpu.points import embeddings, given_run, two_datasets, view_of
from gpu.stage import Found, Part, Setting
from torch.profiler import ProfilerActivity, profile

from gapscope.cluster import lazy_cluster
from gapscope.device import cuda
from gapscope.layout.quality import layout_quality
from gapscope.layout.strategy import compute_layout
from gapscope.progress import Silent
from gapscope.settings import LayoutSettings
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors

_POOL_MIB = 128


def _small_pool(setting: Setting) -> None:
    """Give RAPIDS and CuPy so little of the card that a map of all, and cells of all, do not fit."""
    if not setting.on_gpu:
        return
    import cupy
    import rmm
    from rmm.allocators.cupy import rmm_cupy_allocator

    size = _POOL_MIB * 2**20
    rmm.reinitialize(pool_allocator=True, initial_pool_size=size, maximum_pool_size=size)
    cupy.cuda.set_allocator(rmm_cupy_allocator)


def _map(setting: Setting) -> Iterator[Found]:
    """A map of 400,000 in a pool of that size has to end as one of landmarks, and say so."""
    values, kind = embeddings(setting, setting.size(400_000, 320))
    run = setting.folder("small-pool") / "run"
    record = given_run(run, two_datasets(values, 1))
    settings = LayoutSettings(n_epochs=setting.size(None, 11))
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(run, record, setting.device, 30, connect, Silent())
    _small_pool(setting)
    made = compute_layout(run, record, "P2", settings, setting.device, 1)
    yield {"pool_mib": _POOL_MIB, "kind": kind, **made.facts(), "finite": bool(np.isfinite(made.points).all())}


def _cells(setting: Setting) -> Iterator[Found]:
    """Ivf that do not fit have to give way to comparing everything, with the same neighbors."""
    values, kind = embeddings(setting, setting.size(300_000, 320))
    view = view_of(values)
    expected = setting.device.neighbors(view, view, 30, same=True)
    _small_pool(setting)
    with patch.object(cuda, "_IVF_FROM", 1000):
        found = setting.device.neighbors(view, view, 30, same=True)
    same = float((found.indices == expected.indices).mean())
    yield {"pool_mib": _POOL_MIB, "kind": kind, "method": found.method, "same": same}


def _copies(setting: Setting) -> Iterator[Found]:
    """Which copies are made while neighbors are found and a map is drawn? By kind: how many, and how many bytes."""
    values, kind = embeddings(setting, setting.size(100_000, 320))
    run = setting.folder("copies") / "run"
    record = given_run(run, two_datasets(values, 1))
    settings = LayoutSettings(n_epochs=setting.size(None, 11))
    yield {"points": len(values), "kind": kind, "embedding_bytes": values.nbytes}
    search = ""
    for name in ("neighbors", "layout"):
        trace = run.parent / f"{name}.json"
        with (
            lazy_cluster("inline", setting.device.name, 0) as connect,
            profile(activities=[ProfilerActivity.CUDA if setting.on_gpu else ProfilerActivity.CPU]) as profiler,
        ):
            if name == "neighbors":
                search = find_neighbors(run, record, setting.device, 30, connect, Silent(), graph_k=settings.graph_k)
            else:
                compute_layouts(run, record, settings, setting.device, connect, Silent(), search)
        profiler.export_chrome_trace(str(trace))
        copies: dict[str, dict[str, float]] = {}
        for event in json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]:
            if event.get("cat") == "gpu_memcpy":
                kept = copies.setdefault(event["name"], {"count": 0, "bytes": 0, "seconds": 0.0})
                kept["count"] += 1
                kept["bytes"] += event["args"].get("bytes", 0)
                kept["seconds"] += event["dur"] / 1e6
        yield {name: copies}


def _quality(setting: Setting) -> Iterator[Found]:
    """Is a map of landmarks that a small pool forced as good as one of all? Twice the same embeddings."""
    values, _ = embeddings(setting, setting.size(400_000, 320))
    settings = LayoutSettings(n_epochs=setting.size(None, 11))
    run = setting.folder("quality") / "run"
    record = given_run(run, two_datasets(values, 1))
    with lazy_cluster("inline", setting.device.name, 0) as connect:
        find_neighbors(run, record, setting.device, 30, connect, Silent())
    datasets = [view_of(level) for levels in two_datasets(values, 1).values() for level in levels.values()]
    for name in ("whole card", "small pool"):
        if name == "small pool":
            _small_pool(setting)
        made = compute_layout(run, record, "P2", settings, setting.device, 1)
        yield {name: {**made.facts(), **layout_quality(datasets, made.points, seed=0)}}


PARTS: dict[str, Part] = {"map": _map, "cells": _cells, "copies": _copies, "quality": _quality}
