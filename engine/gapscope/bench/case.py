"""One map, measured in this process: `python -m gapscope.bench.case BACKEND POINTS.npy` prints a line of JSON."""

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


def measured(name: str, file: Path) -> dict[str, Any]:
    """Draw one map and return its measures.

    Args:
        name: of a backend.
        file: of (n, dims) float32.
    """
    warnings.simplefilter("ignore")
    backend = BACKENDS[name]
    backend.warm()
    before = peak_gib()
    with Watch() as watch:
        used, start = time.process_time(), time.perf_counter()
        points, facts = backend.draw(file)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - used
    measures = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_gib": peak_gib(),
        "peak_before_gib": before,
        "peak_gpu_gib": watch.facts()["gpu_gib"],
    }
    return measures | facts | layout_quality([view_of(file)], points, seed=0)


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201
