"""gapscope in one process, with all its stages.

python gapscope_script.py FIRST SECOND OUT THREADS
"""

import json
import sys
from pathlib import Path

import torch
from backbone import Steps

import gapscope


def main() -> None:
    """Compare two folders, and write answer.json."""
    first, second, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    steps = Steps()
    run = gapscope.compare({"first": first, "second": second}, out=out / "run", model="bundled", cluster="inline")
    steps.done("all")
    images = sum(dataset["listed"] for dataset in run.metrics["datasets"].values())
    numbers = {
        level: {pair: metrics["outliers"] for pair, metrics in level_metrics["pairs"].items()}
        for level, level_metrics in run.metrics["levels"].items()
    }
    answer = {"images": images, "steps": steps.seconds, "numbers": numbers}
    answer["comes_out"] = "five maps, two calibrated lists of outliers per pair, eight numbers with error bars, a page"
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
