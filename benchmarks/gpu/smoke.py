"""Whether every CUDA, RAPIDS and nvImageCodec function that gapscope uses works at all, in seconds on small inputs."""

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
from gpu.stage import Part, Result, Setting
from harness import Stopwatch
from PIL import Image

from gapscope.device import cuda
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.settings import LayoutSettings
from gapscope.stages.precision import compile_failure_reason

_PACKAGES = (
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
_LIBRARIES = ("JitLink", "cuvs", "cuml", "cudf", "cublas.", "nccl")


def _versions(_: Setting) -> Iterator[Result]:
    for name in _PACKAGES:
        try:
            yield {name: version(name)}
        except PackageNotFoundError:
            yield {name: None}


def _compiler(setting: Setting) -> Iterator[Result]:
    """Report why torch cannot compile on this machine; empty if it can."""
    yield {"compile_failure_reason": compile_failure_reason(setting.device)}


def _map(setting: Setting) -> Iterator[Result]:
    view, clock = normal_view(setting, setting.size(5000, 500)), Stopwatch()
    neighbors = setting.device.neighbors(view, view, LayoutSettings().graph_k, same=True)
    yield {"neighbors_seconds": clock.lap()}
    graph, initial = with_self(neighbors.distances, neighbors.indices), pca_init([view], 0)
    clock.lap()
    first = setting.device.layout(initial, *graph, LayoutSettings())
    yield {"first_map_seconds": clock.lap()}
    second = setting.device.layout(initial, *graph, LayoutSettings())
    yield {"map_seconds": clock.lap(), "same_again": bool(np.array_equal(first, second))}
    yield {**layout_quality([view], first, seed=0)}


def _clusters(setting: Setting) -> Iterator[Result]:
    centers = np.repeat(np.eye(3, dtype=np.float32) * 20, 200, axis=0)
    points = np.random.default_rng(0).normal(size=centers.shape).astype(np.float32) + centers
    yield {"planted": 3, "found": int(setting.device.cluster(points, 20).max() + 1)}


def _ivf(setting: Setting) -> Iterator[Result]:
    view = normal_view(setting, setting.size(20_000, 500))
    with patch.object(cuda, "_IVF_FROM", 1000):
        neighbors = setting.device.neighbors(view, view, 30, same=True)
    yield {"method": neighbors.method, "recall": neighbors.recall}


def _jpeg(setting: Setting) -> Iterator[Result]:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (47, 63, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((500, 375)).save(file, "JPEG")
    if not setting.on_gpu:
        yield {"decoded": None}
        return
    from gapscope.device.cuda import jpeg_decoder

    (image,) = jpeg_decoder()([file.getvalue()])
    yield {"decoded": None if image is None else [list(image.shape), str(image.dtype), str(image.device)]}


def _worker(setting: Setting) -> Iterator[Result]:
    """Start a worker as `--cluster cuda` does, with one memory pool for torch, CuPy and RAPIDS."""
    from distributed import Client, LocalCluster

    if setting.on_gpu:
        from gapscope.device.cuda import local_cuda_cluster

        local_cluster: Any = local_cuda_cluster(2, None)
    else:
        local_cluster = LocalCluster(n_workers=1, processes=False, dashboard_address=None)
    with local_cluster as cluster, Client(cluster, set_as_default=False) as client:
        yield {"workers": len(client.scheduler_info()["workers"])}
        if setting.on_gpu:
            yield client.submit(_worker_state).result(timeout=60)


def _worker_state() -> Result:
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


def _libraries(_: Setting) -> Iterator[Result]:
    """Report which shared libraries this process has loaded, of those that are installed more than once."""
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    yield {"loaded": sorted(path for path in loaded if any(library in path for library in _LIBRARIES))}


def _tests(setting: Setting) -> Iterator[Result]:
    """Run gapscope's tests for GPUs.

    Raises:
        RuntimeError: a test fails.
    """
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
    "cells": _ivf,
    "jpeg": _jpeg,
    "worker": _worker,
    "libraries": _libraries,
    "tests": _tests,
}
