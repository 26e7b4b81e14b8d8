"""Does everything that gapscope asks of CUDA, RAPIDS and nvImageCodec answer at all? Each in seconds, on little."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from gpu.points import normal_view
from gpu.stage import Found, Part, Setting, Stopwatch
from PIL import Image

from gapscope.device import cuda
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.settings import LayoutSettings
from gapscope.stages.precision import compile_failure_reason

_MORE = (
    "cuda-bindings",
    "cuda-core",
    "cudf-cu13",
    "distributed",
    "llvmlite",
    "numba",
    "numba-cuda",
    "pandas",
    "triton",
)
_LOADED = ("JitLink", "cuvs", "cuml", "cudf", "cublas.", "nccl")


def _versions(_: Setting) -> Iterator[Found]:
    for name in _MORE:
        try:
            yield {name: version(name)}
        except PackageNotFoundError:
            yield {name: None}


def _compiler(setting: Setting) -> Iterator[Found]:
    """Why torch cannot compile on this machine; empty where it can."""
    yield {"compile_failure_reason": compile_failure_reason(setting.device)}


def _map(setting: Setting) -> Iterator[Found]:
    view, clock = normal_view(setting, setting.size(5000, 500)), Stopwatch()
    near = setting.device.neighbors(view, view, LayoutSettings().graph_k, same=True)
    yield {"neighbors_seconds": clock.lap()}
    graph, start = with_self(near.distances, near.indices), pca_init([view], 0)
    clock.lap()
    one = setting.device.layout(start, *graph, LayoutSettings())
    yield {"first_map_seconds": clock.lap()}
    other = setting.device.layout(start, *graph, LayoutSettings())
    yield {"map_seconds": clock.lap(), "same_again": bool(np.array_equal(one, other))}
    yield layout_quality([view], one, seed=0)


def _clusters(setting: Setting) -> Iterator[Found]:
    groups = np.repeat(np.eye(3, dtype=np.float32) * 20, 200, axis=0)
    points = np.random.default_rng(0).normal(size=groups.shape).astype(np.float32) + groups
    yield {"planted": 3, "found": int(setting.device.cluster(points, 20).max() + 1)}


def _cells(setting: Setting) -> Iterator[Found]:
    view = normal_view(setting, setting.size(20_000, 500))
    with patch.object(cuda, "_IVF_FROM", 1000):
        near = setting.device.neighbors(view, view, 30, same=True)
    yield {"method": near.method, "recall": near.recall}


def _jpeg(setting: Setting) -> Iterator[Found]:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (47, 63, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((500, 375)).save(file, "JPEG")
    if not setting.on_gpu:
        yield {"decoded": None}
        return
    from gapscope.device.cuda import jpeg_decoder

    (found,) = jpeg_decoder()([file.getvalue()])
    yield {"decoded": None if found is None else [list(found.shape), str(found.dtype), str(found.device)]}


def _worker(setting: Setting) -> Iterator[Found]:
    """A worker as `--cluster cuda` starts it, with one pool of memory for torch, CuPy and RAPIDS."""
    from distributed import Client, LocalCluster

    if setting.on_gpu:
        from gapscope.device.cuda import local_cuda_cluster

        started: Any = local_cuda_cluster(2, None)
    else:
        started = LocalCluster(n_workers=1, processes=False, dashboard_address=None)
    with started as cluster, Client(cluster, set_as_default=False) as client:
        yield {"workers": len(client.scheduler_info()["workers"])}
        if setting.on_gpu:
            yield client.submit(_of_worker).result(timeout=60)


def _of_worker() -> Found:
    import cupy
    import rmm
    import torch

    return {
        "torch": torch.ones(3, device="cuda").sum().item(),
        "cupy": float(cupy.ones(3).sum()),
        "pool": type(rmm.mr.get_current_device_resource()).__name__,
        "torch_allocator": torch.cuda.get_allocator_backend(),
        "cudf_imported": "cudf" in sys.modules,
    }


def _libraries(_: Setting) -> Iterator[Found]:
    """Which copies of the libraries that are there more than once this process has loaded by now."""
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    yield {"loaded": sorted(each for each in loaded if any(word in each for word in _LOADED))}


def _tests(setting: Setting) -> Iterator[Found]:
    """The project's tests for GPUs."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "--durations=12", "-p", "no:cacheprovider", "tests/gpu"]
    command += setting.size([], ["--collect-only"])
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    counts = re.findall(r"(\d+) (passed|failed|skipped|errors?|tests collected)", done.stdout)
    yield {"exit_code": done.returncode, **{what: int(count) for count, what in counts}}
    yield {"failures": re.findall(r"^(?:FAILED|ERROR) (.*)", done.stdout, re.MULTILINE)}
    yield {"slowest": re.findall(r"^\d+\.\d+s call .*", done.stdout, re.MULTILINE)}
    if done.returncode:
        raise RuntimeError(f"tests/gpu end with exit code {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")


PARTS: dict[str, Part] = {
    "versions": _versions,
    "compiler": _compiler,
    "map": _map,
    "clusters": _clusters,
    "cells": _cells,
    "jpeg": _jpeg,
    "worker": _worker,
    "libraries": _libraries,
    "tests": _tests,
}
