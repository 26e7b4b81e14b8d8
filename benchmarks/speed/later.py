"""Memory and time of the later stages (neighbors, layout, compare) per image, measured between two sizes.

The benchmark writes a run with random embeddings of one level and runs each stage in a process of its own. The
difference between the smallest and the largest size gives the cost of one more image. Maps use few landmarks, so that
the time of UMAP itself is not measured.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from gapscope.bench.points import made_points
from gapscope.bench.subprocess_case import peak_gib
from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.progress import Silent
from gapscope.settings import CompareSettings, LayoutSettings
from gapscope.stages.compare import compare_datasets
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, find_style_aside_neighbors
from gapscope.store.run_store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.points import two_datasets, write_run
from harness import argument_parser, case_arguments, run_case, write_result

_LANDMARKS = 2000
_STAGES = ("neighbors", "layout", "compare")


def main() -> None:
    """Measure, print, and write the JSON."""
    if (case := case_arguments()) is not None:
        print(json.dumps(_measure_stage(case[0], Path(case[1]))))
        return
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 300_000], help="numbers of images")
    parser.add_argument("--channels", type=int, default=32, help="few, so that the search is quick (default: 32)")
    parser.add_argument("--timeout", type=float, default=1800, help="maximum seconds per stage")
    options = parser.parse_args()
    cases: list[dict[str, Any]] = []
    for images in options.images:
        with tempfile.TemporaryDirectory(prefix="later-") as folder:
            run = Path(folder) / "run"
            write_run(run, two_datasets(made_points(images, options.channels, seed=0).astype(np.float16), levels=1))
            for stage in _STAGES:
                measured = run_case(__file__, stage, str(run), timeout=options.timeout)
                files = [file for file in run.rglob("*") if file.is_file()]
                size = {"files": len(files), "run_bytes": sum(file.stat().st_size for file in files)}
                cases.append({"stage": stage, "images": images, **measured, "held": size})
                print(cases[-1], flush=True)
    growth = {stage: _cost_per_image([case for case in cases if case["stage"] == stage]) for stage in _STAGES}
    settings = {"levels": 1, "datasets": 2, "channels": options.channels, "landmarks": _LANDMARKS}
    write_result(options.out, {"settings": settings, "cases": cases, "growth": growth})
    print(json.dumps(growth, indent=2))


def _measure_stage(stage: str, run: Path) -> dict[str, float]:
    store, device, layout = open_store(run), Cpu(), LayoutSettings(landmarks=_LANDMARKS, n_epochs=11)
    peak_before, start = peak_gib(), time.perf_counter()
    _run_stage(stage, store, device, layout)
    return {"seconds": time.perf_counter() - start, "peak_gib": peak_gib(), "peak_before_gib": peak_before}


def _run_stage(stage: str, run: RunStore, device: Cpu, layout: LayoutSettings) -> None:
    if stage == "compare":
        compare_datasets(run, CompareSettings(), device, Silent())
    else:
        with lazy_cluster("inline", "cpu", 0) as connect:
            if stage == "neighbors":
                find_neighbors(run, device, CompareSettings().graph_k, connect, Silent())
                find_style_aside_neighbors(run, device, CompareSettings().graph_k, connect, Silent())
            else:
                compute_layouts(run, layout, device, connect, Silent())


def _cost_per_image(cases: list[dict[str, Any]]) -> dict[str, float] | None:
    """Return the memory and time of one more image, between the smallest and the largest size."""
    if any("failed" in case for case in cases) or len(cases) < 2:
        return None
    small, large = cases[0], cases[-1]
    added_images = large["images"] - small["images"]
    return {
        "bytes_of_memory_per_image": (large["peak_gib"] - small["peak_gib"]) * 2**30 / added_images,
        "microseconds_per_image": (large["seconds"] - small["seconds"]) * 1e6 / added_images,
    }


if __name__ == "__main__":
    main()
