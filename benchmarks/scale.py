"""What embedding costs as datasets grow: wall time, and peak memory of every process.

Each case runs in a process of its own, with Dask workers of its own, over one thread each. Images are crops of the
photographs in scikit-image's wheel, under as many names as a case needs; the network is `bundled` at 64 pixels, levels
P3 and P5. The last part is about scheduling alone: blocks of 10 million images, or as many as --stub-images says, whose
work is a stub that waits as long as --stub-ms says, and reads, decodes and embeds nothing; with --images and no number
it is all.
`load_before` is the machine's load average over a minute as a case begins: where it is well above zero, others were at
work, and times say little.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from PIL import Image

from gapscope.bench.machine import machine
from gapscope.bench.subprocess_case import peak_gib
from gapscope.cluster import lazy_cluster, run_jobs
from gapscope.device import choose_device
from gapscope.progress import Silent
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.stages.precision import resolve_precision
from gapscope.store.run_record import RunRecord, open_or_create

_PHOTOGRAPHS = ("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png", "rocket.jpg")
_CROPS = 210
_BLOCK_ROWS = 8192


def main() -> None:
    """Run the benchmark, or one case of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--stub-ms", type=float, default=50.0)
    parser.add_argument("--stub-images", type=int, default=10_000_000)
    parser.add_argument("--stub-workers", type=int, nargs="+", help="as --workers, where it is not given")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        options.out.write_text(json.dumps(_case(**options.case)))
        return
    result: dict[str, Any] = {
        "machine": machine(),
        "settings": {"model": "bundled", "size": 64, "levels": ["P3", "P5"]},
    }
    with tempfile.TemporaryDirectory() as folder:
        _write_crops(Path(folder) / "crops")
        result["embedding"] = [
            _apart(Path(folder), {"folder": folder, "images": images, "workers": workers})
            for images in options.images
            for workers in options.workers
            for _ in range(options.repeats)
        ]
        result["scheduling_with_a_stub"] = [
            _apart(
                Path(folder),
                {"folder": folder, "images": options.stub_images, "workers": workers, "stub_ms": options.stub_ms},
            )
            for workers in options.stub_workers or options.workers
            for _ in range(options.repeats)
        ]
    options.out.write_text(json.dumps(result, indent=2) + "\n")


def _write_crops(folder: Path) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(_CROPS):
        name = _PHOTOGRAPHS[number % len(_PHOTOGRAPHS)]
        image = Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")
        left, top = (int(random.integers(0, length - 200)) for length in image.size)
        image.crop((left, top, left + 200, top + 200)).save(folder / f"{number:03d}.jpg", quality=90)


def _apart(folder: Path, case: dict[str, Any]) -> dict[str, Any]:
    out = folder / "case.json"
    subprocess.run([sys.executable, __file__, "--out", str(out), "--case", json.dumps(case)], check=True)
    found: dict[str, Any] = json.loads(out.read_text())
    print(json.dumps(found), flush=True)
    return found


def _case(folder: str, images: int, workers: int, stub_ms: float = 0.0) -> dict[str, Any]:
    load = os.getloadavg()[0]
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=None, dashboard_address=None)
    with Client(cluster, set_as_default=False) as client:
        measured = (
            _stub(client, images, stub_ms) if stub_ms else _embed(Path(folder), images, cluster.scheduler_address)
        )
        peaks = client.run(_peak_mib)
    # On a busy machine a process may end late, which changes nothing of what was measured.
    with suppress(TimeoutError):
        cluster.close()
    return {
        "workers": workers,
        "load_before": round(load, 1),
        **measured,
        "peak_mib_per_worker": sorted(round(peak, 1) for peak in peaks.values()),
        "peak_mib_client_and_scheduler": round(_peak_mib(), 1),
    }


def _peak_mib() -> float:
    return 1024 * peak_gib()


def _embed(folder: Path, images: int, address: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        sources = {}
        for name in ("real", "synthetic"):
            many = Path(work) / name
            many.mkdir()
            for number in range(images // 2):
                (many / f"{number:08d}.jpg").symlink_to(folder / "crops" / f"{number % _CROPS:03d}.jpg")
            sources[name] = open_source(name, str(many))
        file = find_model("bundled").weights()
        device = choose_device("cpu")
        wanted = EmbedSettings(
            model="bundled",
            weights=str(file),
            weights_sha256=sha256_of(file),
            levels=("P3", "P5"),
            preprocess=Preprocess(size=64),
        )
        settings = resolve_precision(wanted, images, device)
        run = Path(work) / "run"
        record = open_or_create(run, RunRecord(config={}, model={}, versions={}))
        start = time.perf_counter()
        list_datasets(run, record, sources, Silent(), update=False)
        listed = time.perf_counter()
        with lazy_cluster(address, device.name, images) as connect:
            embed_datasets(run, record, sources, settings, device, connect, Silent(), thumbnails=False)
        ended = time.perf_counter()
        read = sum(facts["read"] for facts in record.datasets.values())
        if read != images:
            raise SystemExit(f"{read} of {images} images were read")
        return {
            "images": images,
            "blocks": sum(-(-facts["listed"] // record.block_rows) for facts in record.datasets.values()),
            "block_rows": record.block_rows,
            "listing_seconds": round(listed - start, 2),
            "embedding_seconds": round(ended - listed, 2),
            "images_per_second": round(images / (ended - listed), 1),
        }


def _stub(client: Client, images: int, stub_ms: float) -> dict[str, Any]:
    blocks = -(-images // _BLOCK_ROWS)
    workers = len(client.scheduler_info(n_workers=-1)["workers"])
    used, start = time.process_time(), time.perf_counter()
    done = sum(run_jobs(client, partial(_wait, stub_ms / 1000), _numbers(blocks)))
    # Scheduler and client are this process.
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - used
    if done != blocks:
        raise SystemExit(f"{done} of {blocks} blocks were done")
    ideal = blocks * stub_ms / 1000 / workers
    return {
        "images": images,
        "blocks": blocks,
        "block_rows": _BLOCK_ROWS,
        "stub_ms_per_block": stub_ms,
        "seconds": round(seconds, 2),
        "seconds_of_stub_alone": round(ideal, 2),
        "cpu_ms_per_block_client_and_scheduler": round(1000 * cpu_seconds / blocks, 2),
        "overhead_ms_per_block": round(1000 * (seconds - ideal) * workers / blocks, 2),
    }


def _numbers(count: int) -> Iterator[int]:
    yield from range(count)


def _wait(seconds: float, number: int) -> int:
    del number
    time.sleep(seconds)
    return 1


if __name__ == "__main__":
    main()
