"""One whole job on embeddings, in a process of its own: `python -m gapscope.bench.scale_case OPTIONS` prints JSON."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gapscope.bench.watch import ProcessWatch
from gapscope.progress import Silent, Task
from gapscope.stages.pipeline import compare
from gapscope.store.metrics import read_metrics
from gapscope.store.run_store import open_store


class StageTimes(Silent):
    """Shows nothing, and notes when every stage began and ended, in seconds since the start."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.stages: list[tuple[str, float, float]] = []

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Note a stage."""
        began = time.perf_counter() - self.start
        with super().task(title, total, unit) as task:
            yield task
        self.stages.append((title, began, time.perf_counter() - self.start))


def measure_job(options: dict[str, Any]) -> dict[str, Any]:
    """Compare two .npy files of embeddings, and return the time and memory of every stage, and how good it is.

    Args:
        options: `real`, `synthetic` and `out`, paths; others are arguments of `gapscope.compare`.
    """
    files = {name: f"vectors:{options.pop(name)}" for name in ("real", "synthetic")}
    out = Path(options.pop("out"))
    progress = StageTimes()
    with ProcessWatch(os.getpid(), progress.start) as watch:
        compare(files, out=out, progress=progress, **options)
        seconds = time.perf_counter() - progress.start
    level = next(iter(read_metrics(open_store(out))["levels"].values()))
    known = {**level["neighbors"]}
    recalls = {
        "within": [info["recall"] for pair, info in known.items() if len(set(pair.split("-vs-"))) == 1],
        "between": [info["recall"] for pair, info in known.items() if len(set(pair.split("-vs-"))) == 2],
    }
    stages: dict[str, dict[str, float]] = {}
    for title, began, ended in progress.stages:
        peaks = watch.peaks(began, ended)
        stage = stages.setdefault(title, {"seconds": 0.0})
        stage["seconds"] += ended - began
        for name, gib in peaks.items():
            stage[name] = max(stage.get(name, 0.0), gib)
    return {
        "seconds": seconds,
        "stages": stages,
        "recall_within": min(recalls["within"]),
        "recall_between": min(recalls["between"]),
        "trustworthiness": level["layout"]["trustworthiness"],
        "neighbor_recall": level["layout"]["neighbor_recall"],
        "umap_images": level["layout"]["umap_images"],
        **watch.peaks(0.0, seconds),
        "run_bytes": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()),
    }


if __name__ == "__main__":
    print(json.dumps(measure_job(json.loads(sys.argv[1]))))  # noqa: T201
