"""What works on this machine, and what is missing."""

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

from gapscope.cluster import open_cluster
from gapscope.decode.children import thumbnail_in_subprocess
from gapscope.device import choose_device
from gapscope.errors import GapscopeError
from gapscope.pyramid.models import MODELS
from gapscope.pyramid.weights import is_cached
from gapscope.sources.rejects import Rejected

_FORMATS = {"JPEG": "jpg", "JPEG 2000": "jpg_2000", "PNG": "zlib", "WebP": "webp", "AVIF": "avif", "TIFF": "libtiff"}
_STORAGE = {"s3://": "s3fs", "gs://": "gcsfs", "https://": "aiohttp"}
_ENOUGH_BYTES = 10**9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: in a word or two.
        works: False where a run that needs it would fail; None where it is not there, and need not be.
        said: what was found, or what to do.
    """

    what: str
    works: bool | None
    said: str


def examine(cluster: str | None = None) -> Iterator[Finding]:
    """Look at everything that a run may need, and at a cluster if one is named; yields findings as they come."""
    yield Finding("gapscope", True, f"{version('gapscope')}, torch {torch.__version__}, Dask {version('dask')}")
    yield Finding("CPU", True, f"{len(os.sched_getaffinity(0))} cores, {_memory()}")
    for look in (
        _gpu,
        _driver,
        _cuml,
        _pool,
        _device,
        _formats,
        _decoder,
        _gpu_decoder,
        _storage,
        _scratch,
        _dashboard,
    ):
        yield look()
    yield from _weights()
    if cluster is not None:
        yield _cluster(cluster)


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
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    said = " ".join((done.stdout or done.stderr).split())
    return Finding("driver", done.returncode == 0, said)


def _cuml() -> Finding:
    return _package(
        "cuML", "cuml", ("cuml-cu13", "cuml-cu12"), 'layouts on a GPU need it: pip install "gapscope[cuda13]"'
    )


def _pool() -> Finding:
    return _package("dask-cuda", "dask_cuda", ("dask-cuda",), 'cluster cuda needs it: pip install "gapscope[cuda13]"')


def _gpu_decoder() -> Finding:
    names = ("nvidia-nvimgcodec-cu13", "nvidia-nvimgcodec-cu12")
    return _package("nvImageCodec", "nvidia", names, "images are decoded on the CPU")


def _dashboard() -> Finding:
    return _package("dashboard", "bokeh", ("bokeh",), "Dask draws it with Bokeh: pip install bokeh")


def _package(what: str, module: str, names: tuple[str, ...], missing: str) -> Finding:
    for name in names if importlib.util.find_spec(module) else ():
        try:
            return Finding(what, True, f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return Finding(what, None, f"not installed; {missing}")


def _device() -> Finding:
    try:
        device = choose_device("auto")
        device.check_layout_support()
        return Finding("device auto", True, device.check())
    except GapscopeError as error:
        return Finding("device auto", False, str(error))


def _formats() -> Finding:
    there = [name for name, feature in _FORMATS.items() if features.check(feature)]
    lacks = [name for name in _FORMATS if name not in there]
    heif = ["HEIF"] if importlib.util.find_spec("pillow_heif") else []
    return Finding(
        "decoders", not lacks, ", ".join(there + heif) + (f"; Pillow lacks {', '.join(lacks)}" if lacks else "")
    )


def _decoder() -> Finding:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(file, "PNG")
    try:
        thumbnail_in_subprocess(file.getvalue(), 8, 64)
    except (GapscopeError, Rejected) as error:
        return Finding("decoder process", False, str(error))
    return Finding("decoder process", True, "starts and decodes")


def _storage() -> Finding:
    there = [scheme for scheme, package in _STORAGE.items() if importlib.util.find_spec(package)]
    lacks = [scheme for scheme in _STORAGE if scheme not in there]
    said = f"{', '.join(there) or 'none'}"
    return Finding(
        "storage",
        True if there else None,
        said + (f'; for {", ".join(lacks)} pip install "gapscope[cloud]"' if lacks else ""),
    )


def _scratch() -> Finding:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    works = os.access(here, os.W_OK) and free > _ENOUGH_BYTES
    return Finding(
        "this folder",
        works,
        f"{'may' if os.access(here, os.W_OK) else 'may not'} be written, {free / 1e9:,.0f} GB free",
    )


def _weights() -> Iterator[Finding]:
    there = [name for name, model in MODELS.items() if is_cached(model.weights)]
    yield Finding("weights here", True if there else None, ", ".join(there) or "none")
    if lacks := [name for name in MODELS if name not in there]:
        yield Finding("weights to fetch", None, f"on first use: {', '.join(lacks)}")


def _cluster(where: str) -> Finding:
    try:
        with open_cluster(where, "cpu", 0) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
    except GapscopeError as error:
        return Finding("cluster", False, str(error))
    machines = len({worker["host"] for worker in workers.values()})
    said = f"{where}: {len(workers)} workers on {machines} machines, all with gapscope {version('gapscope')}"
    return Finding("cluster", bool(workers), said if workers else f"{where}: a scheduler, but no worker")
