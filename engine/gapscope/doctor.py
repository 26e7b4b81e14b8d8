"""Checks what works on this machine, and what is missing."""

import importlib.util
import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from PIL import Image, features

from gapscope.cluster import wait_for_workers
from gapscope.decode.children import thumbnail_in_subprocess
from gapscope.device import choose_device
from gapscope.errors import GapscopeError
from gapscope.progress import Progress
from gapscope.pyramid.models import MODELS
from gapscope.settings import Preprocess
from gapscope.sources.rejects import Rejected

_FORMATS = {"JPEG": "jpg", "JPEG 2000": "jpg_2000", "PNG": "zlib", "WebP": "webp", "AVIF": "avif", "TIFF": "libtiff"}
_STORAGE = {"s3://": "s3fs", "gs://": "gcsfs", "https://": "aiohttp"}
_MIN_FREE_BYTES = 10**9


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked, in a word or two.
        works: False if a run that needs it would fail; None if it is missing but optional.
        message: what is there, or what to do.
    """

    name: str
    works: bool | None
    message: str


def examine(
    cluster: str | None = None,
    wait_seconds: float = 0,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Check everything that a run may need, and yield one finding after the other. Downloads nothing.

    Args:
        cluster: a Dask scheduler's address or scheduler file, or another name that `gapscope.cluster.open_cluster`
            knows, to be checked too.
        wait_seconds: how long its scheduler and workers may take to start.
        n_workers: how many workers it is to have; None for any number.
        progress: is told what is waited for.
    """
    yield Finding("gapscope", True, f"{version('gapscope')}, torch {torch.__version__}, Dask {version('dask')}")
    yield Finding("CPU", True, f"{len(os.sched_getaffinity(0))} cores, {_memory()}")
    for check in (
        _gpu,
        _driver,
        _cuml,
        _dask_cuda,
        _device,
        _formats,
        _decoder_process,
        _gpu_decoder,
        _storage,
        _working_folder,
        _dashboard,
    ):
        yield check()
    yield from _weights()
    if cluster is not None:
        yield _cluster(cluster, wait_seconds, n_workers, progress)


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"


def _gpu() -> Finding:
    if not torch.cuda.is_available():
        return Finding("GPU", None, "torch sees none; runs use the CPU")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Finding("GPU", True, ", ".join(names))


def _driver() -> Finding:
    command = shutil.which("nvidia-smi")
    if command is None:
        return Finding("driver", None, "no nvidia-smi")
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    return Finding("driver", result.returncode == 0, " ".join((result.stdout or result.stderr).split()))


def _cuml() -> Finding:
    return _package(
        "cuML", "cuml", ("cuml-cu13", "cuml-cu12"), 'layouts on a GPU need it: pip install "gapscope[cuda13]"'
    )


def _dask_cuda() -> Finding:
    return _package("dask-cuda", "dask_cuda", ("dask-cuda",), 'cluster cuda needs it: pip install "gapscope[cuda13]"')


def _gpu_decoder() -> Finding:
    names = ("nvidia-nvimgcodec-cu13", "nvidia-nvimgcodec-cu12")
    return _package("nvImageCodec", "nvidia", names, "images are decoded on the CPU")


def _dashboard() -> Finding:
    return _package("dashboard", "bokeh", ("bokeh",), 'Dask draws it with Bokeh: pip install "gapscope[dashboard]"')


def _package(name: str, module: str, distributions: tuple[str, ...], missing: str) -> Finding:
    for distribution in distributions if importlib.util.find_spec(module) else ():
        try:
            return Finding(name, True, f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            continue
    return Finding(name, None, f"not installed; {missing}")


def _device() -> Finding:
    try:
        device = choose_device("auto")
        device.check_layout_support()
        return Finding("device auto", True, device.describe())
    except GapscopeError as error:
        return Finding("device auto", False, error.message)


def _formats() -> Finding:
    supported = [name for name, feature in _FORMATS.items() if features.check(feature)]
    missing = [name for name in _FORMATS if name not in supported]
    if importlib.util.find_spec("pillow_heif"):
        supported.append("HEIF")
    message = ", ".join(supported) + (f"; Pillow lacks {', '.join(missing)}" if missing else "")
    return Finding("decoders", not missing, message)


def _decoder_process() -> Finding:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(file, "PNG")
    try:
        thumbnail_in_subprocess(file.getvalue(), 8, Preprocess(size=64))
    except (GapscopeError, Rejected) as error:
        return Finding("decoder process", False, str(error))
    return Finding("decoder process", True, "starts and decodes")


def _storage() -> Finding:
    supported = [scheme for scheme, package in _STORAGE.items() if importlib.util.find_spec(package)]
    missing = [scheme for scheme in _STORAGE if scheme not in supported]
    message = ", ".join(supported) or "none"
    if missing:
        message += f'; for {", ".join(missing)} pip install "gapscope[cloud]"'
    return Finding("storage", True if supported else None, message)


def _working_folder() -> Finding:
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    message = f"{'may' if writable else 'may not'} be written, {free / 1e9:,.0f} GB free"
    return Finding("this folder", writable and free > _MIN_FREE_BYTES, message)


def _weights() -> Iterator[Finding]:
    cached = [name for name, model in MODELS.items() if model.cached_weights() is not None]
    yield Finding("weights cached", True if cached else None, ", ".join(cached) or "none")
    if missing := [name for name in MODELS if name not in cached]:
        yield Finding("weights to fetch", None, f"on first use: {', '.join(missing)}")


def _cluster(cluster: str, wait_seconds: float, n_workers: int | None, progress: Progress | None) -> Finding:
    try:
        joined = wait_for_workers(cluster, wait_seconds, n_workers, progress)
    except GapscopeError as error:
        return Finding("cluster", False, f"{cluster}: {error.message}")
    workers, machines = _count(len(joined), "worker"), _count(len(set(joined.values())), "machine")
    return Finding("cluster", True, f"{cluster}: {workers} on {machines}, all with gapscope {version('gapscope')}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
