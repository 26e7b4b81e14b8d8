"""Memory and time of neighbors, maps and comparison, by the number of images: what grows with it, and how fast.

A run with made-up embeddings of one level is written, each stage is a process of its own, and the differences between
the sizes give what an image costs. Maps are of few landmarks, so that what is measured is not UMAP.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from gpu.points import given_run, two_datasets

from gapscope.bench.machine import machine
from gapscope.bench.points import made_points
from gapscope.bench.subprocess_case import in_child, peak_gib
from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.progress import Silent
from gapscope.settings import CompareSettings, LayoutSettings
from gapscope.stages.compare import compare_datasets
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors
from gapscope.store.run_record import RunRecord, read_run_record

_LANDMARKS = 2000
_STAGES = ("neighbors", "layout", "compare")


def main() -> None:
    """Measure, print, and write the JSON."""
    if sys.argv[1:2] == ["stage"]:
        print(json.dumps(_stage(sys.argv[2], Path(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 300_000])
    parser.add_argument("--channels", type=int, default=32, help="few, so that the search is quick (default: 32)")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds that a stage may take")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    cases: list[dict[str, Any]] = []
    for images in options.images:
        with tempfile.TemporaryDirectory(prefix="later-") as folder:
            run = Path(folder) / "run"
            given_run(run, two_datasets(made_points(images, options.channels, seed=0).astype(np.float16), levels=1))
            for stage in _STAGES:
                good, said = in_child(__file__, "stage", stage, str(run), timeout=options.timeout)
                facts = json.loads(said.splitlines()[-1]) if good else {"failed": said}
                files = [file for file in run.rglob("*") if file.is_file()]
                held = {"files": len(files), "run_bytes": sum(file.stat().st_size for file in files)}
                cases.append({"stage": stage, "images": images, **facts, "held": held})
                print(cases[-1], flush=True)
    growth = {stage: _growth([case for case in cases if case["stage"] == stage]) for stage in _STAGES}
    settings = {"levels": 1, "datasets": 2, "channels": options.channels, "landmarks": _LANDMARKS}
    result = {"machine": machine(), "settings": settings, "cases": cases, "growth": growth}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(growth, indent=2))


def _stage(name: str, run: Path) -> dict[str, float]:
    record, device, layout = read_run_record(run), Cpu(), LayoutSettings(landmarks=_LANDMARKS, n_epochs=11)
    before, start = peak_gib(), time.perf_counter()
    _work(name, run, record, device, layout)
    return {"seconds": time.perf_counter() - start, "peak_gib": peak_gib(), "peak_before_gib": before}


def _work(name: str, run: Path, record: RunRecord, device: Cpu, layout: LayoutSettings) -> None:
    if name == "compare":
        compare_datasets(run, record, CompareSettings(), device, Silent())
    else:
        with lazy_cluster("inline", "cpu", 0) as connect:
            if name == "neighbors":
                find_neighbors(run, record, device, CompareSettings().graph_k, connect, Silent())
            else:
                compute_layouts(run, record, layout, device, connect, Silent())


def _growth(cases: list[dict[str, Any]]) -> dict[str, float] | None:
    """Return what one more image costs, between the smallest and the largest size."""
    if any("failed" in case for case in cases) or len(cases) < 2:
        return None
    few, many = cases[0], cases[-1]
    more = many["images"] - few["images"]
    return {
        "bytes_of_memory_per_image": (many["peak_gib"] - few["peak_gib"]) * 2**30 / more,
        "microseconds_per_image": (many["seconds"] - few["seconds"]) * 1e6 / more,
    }


if __name__ == "__main__":
    main()
