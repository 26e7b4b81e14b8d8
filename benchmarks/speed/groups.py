"""What groups cost: the search among groups, the look for clips and the scaler, against the search among images.

The benchmark writes a run of two datasets whose rows are clips of 30 frames, each a walk around a point of its own, at
one level, and calls the stages one after the other in one process. It does so again for the same images in random
order, which are no clips and have no groups, so that nothing should be added.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.bench.points import made_points
from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.neighbors.bursts import clip_scale, find_clips
from gapscope.neighbors.scaler import fit_scaler
from gapscope.progress import Silent
from gapscope.settings import CompareSettings
from gapscope.stages.groups import record_groups
from gapscope.stages.neighbors import find_group_neighbors, find_neighbors, fit_scalers
from gapscope.store.groups import write_groups

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.points import two_datasets, write_run
from harness import Stopwatch, argument_parser, write_result

_FRAMES = 30
_STEP = 0.05


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__, repeats=2)
    parser.add_argument("--images", type=int, default=100_000, help="images of both datasets together")
    parser.add_argument("--channels", type=int, default=256, help="of each embedding (default: 256)")
    options = parser.parse_args()
    values = _clips(options.images, options.channels)
    shuffled = np.random.default_rng(1).permutation(values)
    # Importing scikit-learn takes a second, and is no part of any stage.
    fit_scaler([np.zeros((2, 1), np.float32)])
    cases = []
    for _ in range(options.repeats):
        for grouped in (True, False):
            cases.append(_measure(values if grouped else shuffled, grouped=grouped))
            print(cases[-1], flush=True)
    settings = {"images": options.images, "frames_per_clip": _FRAMES, "levels": 1, "channels": options.channels}
    write_result(options.out, {"settings": settings, "cases": cases})


def _clips(images: int, channels: int) -> NDArray[np.float16]:
    random = np.random.default_rng(0)
    centers = made_points(-(-images // _FRAMES), channels, seed=0)
    steps = random.normal(size=(len(centers), _FRAMES, channels)) * _STEP
    frames = centers[:, None] + np.cumsum(steps, axis=1)
    return frames.reshape(-1, channels)[:images].astype(np.float16)


def _measure(values: NDArray[np.float16], *, grouped: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="groups-") as folder:
        run = write_run(Path(folder) / "run", two_datasets(values, levels=1))
        run.record.scaler.clear()
        watch, device = Stopwatch(), Cpu()
        scale = clip_scale(run)
        for name in run.datasets:
            find_clips(run, name, scale)
        seconds = {"look_for_clips": watch.lap()}
        if grouped:
            for name, dataset in run.record.datasets.items():
                write_groups(run, name, [f"clip {row // _FRAMES}" for row in range(dataset.listed)])
        watch.lap()
        record_groups(run, dict.fromkeys(run.datasets, "values" if grouped else "none"), Silent())
        seconds["record"] = watch.lap()
        fit_scalers(run)
        seconds["scaler"] = watch.lap()
        with lazy_cluster("inline", device.name, 0) as connect:
            find_neighbors(run, device, CompareSettings().graph_k, connect, Silent())
            seconds["neighbors"] = watch.lap()
            find_group_neighbors(run, device, CompareSettings().graph_k, connect, Silent())
            seconds["neighbors_by_group"] = watch.lap()
    added = sum(seconds[name] for name in ("look_for_clips", "record", "neighbors_by_group"))
    return {"grouped": grouped, "seconds": seconds, "added_share": round(added / seconds["neighbors"], 4)}


if __name__ == "__main__":
    main()
