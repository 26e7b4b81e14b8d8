"""Kills a comparison at chosen points: `python kill_at.py RUN NAME=SOURCE...` reads one point per line from stdin.

For each point it runs the comparison in a forked child that kills itself there, and prints the child's exit code. That
way the library, which takes seconds to import, is imported only once.
"""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from quick_compare import quick_compare

KILL_POINTS: dict[str, tuple[str, str, int]] = {
    # Only one of the indexes is written.
    "listing": ("gapscope.store.index", "listed_table", 2),
    # Some images of a block are decoded.
    "decode": ("gapscope.stages.block", "_image_stats", 5),
    # A block's embeddings are written, its image statistics are not.
    "embed": ("gapscope.stages.block", "write_image_stats", 2),
    # An index has the statistics of all images, and the parts that they came from are not yet removed.
    "store": ("gapscope.store.image_stats", "remove_tree", 1),
    # Neighbor arrays are complete, but not marked as such.
    "neighbors": ("gapscope.stages.neighbors", "finish_neighbors", 3),
    # A level's clusters are written, its map is not.
    "layout": ("gapscope.store.layouts", "write_array", 2),
    # All manifests of a level are written, its metrics are not.
    "compare": ("gapscope.stages.compare", "write_across_levels", 1),
    # The report's folder is complete except for its checksums.
    "report": ("gapscope.stages.report", "write_checksums", 1),
    # The old report has been moved away, and the new one is not in its place yet.
    "report again": ("pathlib", "Path.rename", 2),
}
"""Point to module, function, and the number of the call that kills the process."""


def kill_on_call(module: str, name: str, fatal_call: int) -> None:
    """Patch a function, or a method of a class, so that its call of that number kills this process."""
    owner, _, attribute = name.rpartition(".")
    target = getattr(import_module(module), owner) if owner else import_module(module)
    calls, original = [0], getattr(target, attribute)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == fatal_call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(target, attribute, counted)


def run_children(work: Callable[[str], object]) -> None:
    """Call `work` with each line from stdin, in a forked child, and print the child's exit code."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(line.strip())
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    run, *datasets = sys.argv[1:]

    def compare_until(point: str) -> None:
        kill_on_call(*KILL_POINTS[point])
        quick_compare(dict(dataset.split("=", 1) for dataset in datasets), Path(run))

    run_children(compare_until)
