"""Measures one map in this process: `python -m gapscope.bench.case BACKEND POINTS.npy` prints one line of JSON.

With `cold` behind it, the first map of a process: libraries are imported and code is compiled within its time.
"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from gapscope.bench.backends import BACKENDS
from gapscope.bench.points import view_of
from gapscope.bench.subprocess_case import peak_gib
from gapscope.bench.watch import Watch
from gapscope.layout.quality import layout_quality


def measure_cold(name: str, file: Path) -> dict[str, float]:
    """Compute the first map of this process, and return its time (s).

    Args:
        name: key of `BACKENDS`.
        file: .npy file of (n, dims) float32 embeddings.
    """
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    BACKENDS[name].draw(file)
    return {"cold_seconds": time.perf_counter() - start}


def measure_case(name: str, file: Path) -> dict[str, Any]:
    """Compute one map; return its time (s), memory (GiB) and quality, and the details that the backend reports.

    Args:
        name: key of `BACKENDS`.
        file: .npy file of (n, dims) float32 embeddings.
    """
    warnings.simplefilter("ignore")
    backend = BACKENDS[name]
    backend.warm()
    peak_before = peak_gib()
    with Watch() as watch:
        cpu_start, start = time.process_time(), time.perf_counter()
        points, details = backend.draw(file)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    measures = {
        "seconds": seconds,
        "rows_per_second": len(points) / seconds,
        "cpu_seconds": cpu_seconds,
        "peak_gib": peak_gib(),
        "peak_before_gib": peak_before,
        "peak_gpu_gib": watch.facts()["gpu_gib"],
    }
    return measures | details | layout_quality([view_of(file)], points, seed=0)


if __name__ == "__main__":
    measure = measure_cold if sys.argv[3:] == ["cold"] else measure_case
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201
