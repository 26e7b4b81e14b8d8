"""How much of the time workers would be idle: the jobs of a search in parts, and of maps, for many virtual workers.

Every job is done here, one after the other in one thread, and its time is taken. The jobs are handed out to virtual
workers in the order in which the cluster hands them out, each to the first that is free, as if every job took as long
there. So two cores can tell how eight workers would wait for each other.

    python benchmarks/scale/idle.py --out idle.json --rows 1000000 --points embeddings.npy
"""

import heapq
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gapscope.stages.layout as layout_stage
import gapscope.stages.neighbors as neighbors_stage
import gapscope.stages.partitioned_search as search_stage
from gapscope.bench.mixture import fit_mixture
from gapscope.bench.points import made_points
from gapscope.stages.pipeline import compare

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result


class VirtualWorkers:
    """Stands in for the cluster in the stages.

    Attributes:
        count: number of workers.
        stages: per stage, its seconds, those of all its jobs together and of the longest, and their number.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.stages: dict[str, dict[str, float]] = {}

    def run_jobs(self, stage: str) -> Callable[..., Iterator[Any]]:
        """Return what `gapscope.cluster.run_jobs` is for a stage."""

        def run(_client: object, work: Callable[[Any], Any], jobs: Any, **_: object) -> Iterator[Any]:
            waiting = jobs if isinstance(jobs, deque) else deque(jobs)
            running: list[tuple[float, int, Any]] = []
            own = self.stages.setdefault(stage, {"seconds": 0.0, "work": 0.0, "jobs": 0.0, "longest": 0.0})
            now = 0.0
            while waiting or running:
                while waiting and len(running) < self.count:
                    job = waiting.popleft()
                    start = time.perf_counter()
                    result = work(job)
                    seconds = time.perf_counter() - start
                    own["jobs"] += 1.0
                    own["work"] += seconds
                    own["longest"] = max(own["longest"], seconds)
                    heapq.heappush(running, (now + seconds, int(own["jobs"]), result))
                now, _number, finished = heapq.heappop(running)
                yield finished
            own["seconds"] += now

        return run


def main() -> None:
    """Measure, and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="images of both datasets")
    parser.add_argument("--dims", type=int, default=64, help="of the embeddings")
    parser.add_argument("--workers", type=int, default=8, help="virtual workers")
    parser.add_argument("--points", type=Path, help="real embeddings (.npy) that the made-up ones are fitted to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    workers = VirtualWorkers(options.workers)
    for module, stage in ((search_stage, "neighbors"), (neighbors_stage, "neighbors"), (layout_stage, "maps")):
        module.run_jobs = workers.run_jobs(stage)  # type: ignore[attr-defined]
        module.workers_per_host = lambda _client: 1  # type: ignore[attr-defined]
    points = made_points(5000, options.dims, seed=0) if options.points is None else np.load(options.points)
    mixture = fit_mixture(points, options.dims)
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        files = {name: Path(folder) / f"{name}.npy" for name in ("real", "synthetic")}
        mixture.write(files["real"], options.rows // 2, seed=1)
        mixture.without_some(seed=5).write(files["synthetic"], options.rows - options.rows // 2, seed=2)
        compare(
            {name: f"vectors:{file}" for name, file in files.items()},
            out=Path(folder) / "run",
            device="cpu",
            cluster="local",
            landmarks=50_000,
        )
    stages = {
        stage: own | {"idle_share": 1 - own["work"] / (workers.count * own["seconds"])}
        for stage, own in workers.stages.items()
    }
    write_result(options.out, {"settings": {"rows": options.rows, "workers": workers.count}, "stages": stages})


if __name__ == "__main__":
    main()
