"""Cost of embedding as datasets grow: wall time, and peak memory of every process.

Each case runs in a process of its own, with its own Dask workers of one thread each. Images are crops of the
photographs in scikit-image's wheel, linked under as many names as a case needs; the network is `bundled` at 64 pixels,
levels P3 and P5. The last part measures scheduling alone: the blocks of 10 million images (--stub-images), where the
work on a block is a stub that sleeps (--stub-ms) and reads, decodes and embeds nothing. With --images and no number
only this part runs.
`load_before` is the machine's load average over a minute when a case starts: if it is well above zero, other programs
were running, and the times say little.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

from gapscope.bench.subprocess_case import peak_gib
from gapscope.cluster import lazy_cluster, run_jobs
from gapscope.device import choose_device
from gapscope.progress import Silent
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.stages.precision import resolve_precision

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, case_arguments, run_case, write_result
from images import PHOTOGRAPHS, random_crop, skimage_photograph
from networks import bundled_settings
from runs import start_run

_CROPS = 210
_BLOCK_ROWS = 8192
_SIZE, _LEVELS = 64, ("P3", "P5")
_MAX_SECONDS = 7 * 86_400
"""No case takes that long."""


def main() -> None:
    """Measure, print, and write the JSON; or run one case."""
    if (case := case_arguments()) is not None:
        print(json.dumps(_run(**json.loads(case[0]))))
        return
    parser = argument_parser(__doc__, repeats=1)
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="numbers of images")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of Dask workers")
    parser.add_argument("--stub-ms", type=float, default=50.0, help="milliseconds that the stub sleeps (default: 50)")
    parser.add_argument(
        "--stub-images", type=int, default=10_000_000, help="images of the scheduling part (default: 10 million)"
    )
    parser.add_argument(
        "--stub-workers", type=int, nargs="+", help="--workers of the scheduling part (default: the same)"
    )
    options = parser.parse_args()
    result: dict[str, Any] = {"settings": {"model": "bundled", "size": _SIZE, "levels": _LEVELS}}
    with tempfile.TemporaryDirectory() as folder:
        _write_crops(Path(folder) / "crops")
        result["embedding"] = [
            _run_in_child({"folder": folder, "images": images, "workers": workers})
            for images in options.images
            for workers in options.workers
            for _ in range(options.repeats)
        ]
        result["scheduling_with_a_stub"] = [
            _run_in_child(
                {"folder": folder, "images": options.stub_images, "workers": workers, "stub_ms": options.stub_ms}
            )
            for workers in options.stub_workers or options.workers
            for _ in range(options.repeats)
        ]
    write_result(options.out, result)


def _write_crops(folder: Path) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(_CROPS):
        image = skimage_photograph(PHOTOGRAPHS[number % len(PHOTOGRAPHS)])
        random_crop(image, 200, random).save(folder / f"{number:03d}.jpg", quality=90)


def _run_in_child(case: dict[str, Any]) -> dict[str, Any]:
    result = run_case(__file__, json.dumps(case), timeout=_MAX_SECONDS)
    if "failed" in result:
        raise SystemExit(result["failed"])
    print(json.dumps(result), flush=True)
    return result


def _run(folder: str, images: int, workers: int, stub_ms: float = 0.0) -> dict[str, Any]:
    load = os.getloadavg()[0]
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=None, dashboard_address=None)
    with Client(cluster, set_as_default=False) as client:
        measured = (
            _schedule_stubs(client, images, stub_ms)
            if stub_ms
            else _embed(Path(folder), images, cluster.scheduler_address)
        )
        peaks = client.run(_peak_mib)
    # On a busy machine a process may end late; that changes no measurement.
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
            links = Path(work) / name
            links.mkdir()
            for number in range(images // 2):
                (links / f"{number:08d}.jpg").symlink_to(folder / "crops" / f"{number % _CROPS:03d}.jpg")
            sources[name] = open_source(name, str(links))
        device = choose_device("cpu")
        settings = resolve_precision(bundled_settings(_SIZE, levels=_LEVELS), images, device)
        run = start_run(Path(work) / "run", list(sources), settings)
        start = time.perf_counter()
        list_datasets(run, sources, Silent(), update=False)
        listed = time.perf_counter()
        with lazy_cluster(address, device.name, images) as connect:
            embed_datasets(run, sources, settings, device, connect, Silent(), thumbnails=False)
        ended = time.perf_counter()
        read = sum(dataset.read or 0 for dataset in run.record.datasets.values())
        if read != images:
            raise SystemExit(f"{read} of {images} images were read")
        return {
            "images": images,
            "blocks": sum(run.record.blocks(name) for name in sources),
            "block_rows": run.record.block_rows,
            "listing_seconds": round(listed - start, 2),
            "embedding_seconds": round(ended - listed, 2),
            "images_per_second": round(images / (ended - listed), 1),
        }


def _schedule_stubs(client: Client, images: int, stub_ms: float) -> dict[str, Any]:
    blocks = -(-images // _BLOCK_ROWS)
    workers = len(client.scheduler_info(n_workers=-1)["workers"])
    cpu_start, start = time.process_time(), time.perf_counter()
    done = sum(run_jobs(client, partial(_sleep, stub_ms / 1000), range(blocks)))
    # Scheduler and client run in this process.
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
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


def _sleep(seconds: float, number: int) -> int:
    del number
    time.sleep(seconds)
    return 1


if __name__ == "__main__":
    main()
