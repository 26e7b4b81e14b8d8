"""Describes the machine, the versions and the commit that a benchmark's numbers were measured on."""

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_LIBRARIES = (
    "gapscope",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "dask",
    "zarr",
    "umap-learn",
    "scikit-learn",
    "pillow",
)
_GPU_LIBRARIES = (
    "cuml-cu13",
    "cuml-cu12",
    "cuvs-cu13",
    "cuvs-cu12",
    "rmm-cu13",
    "rmm-cu12",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "dask-cuda",
    "nvidia-nvimgcodec-cu13",
    "nvidia-nvimgcodec-cu12",
    "nvidia-nvjitlink",
)


def machine() -> dict[str, Any]:
    """Return processor, memory, GPU, versions, commit and time as JSON values; None where something is missing."""
    libraries = _LIBRARIES + (_GPU_LIBRARIES if torch.cuda.is_available() else ())
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "gpu_details": _gpu_details(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in libraries},
        "commit": _commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _gpu_details() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    details = {
        "count": torch.cuda.device_count(),
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "multiprocessors": properties.multi_processor_count,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    if shutil.which("nvidia-smi"):
        fields = "driver_version,power.limit,clocks.max.sm,clocks.max.mem"
        command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "--id=0"]
        output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout  # noqa: S603
        details |= dict(zip(fields.split(","), (value.strip() for value in output.split(",")), strict=False))
    return details


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str | None:
    """Return the commit of the checkout that holds this file; None if gapscope is installed elsewhere."""
    this_file = Path(__file__)
    try:
        root = _git(this_file.parent, "rev-parse", "--show-toplevel")
        commit = _git(this_file.parent, "describe", "--always", "--dirty")
    except (OSError, subprocess.CalledProcessError):
        return None
    # A virtual environment may lie within the checkout of another project.
    return commit if this_file == Path(root) / "engine" / "gapscope" / "bench" / this_file.name else None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.strip()  # noqa: S603
