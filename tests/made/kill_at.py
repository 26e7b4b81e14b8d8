"""A comparison that is killed: `python kill_at.py RUN NAME=SOURCE...` reads points from its input, a line each.

For each it begins the comparison in a child, which has itself killed there, and answers with how the child ended. The
library, which takes seconds to import, is imported once.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from whole_run import compare

POINTS: dict[str, tuple[str, str, int]] = {
    # An index is half written.
    "listing": ("gapscope.store.index", "listed_table", 2),
    # Some images of a block are decoded.
    "decode": ("gapscope.stages.block", "_fact", 5),
    # A block's shards are there, what became of its images is not.
    "embed": ("gapscope.stages.block", "write_image_stats", 2),
    # An index holds what became of all images, and the parts that it came from are still there.
    "store": ("gapscope.store.index", "remove_tree", 1),
    # Arrays of neighbors are whole and do not say so.
    "neighbors": ("gapscope.stages.neighbors", "finish_neighbors", 3),
    # A level's clusters are there, its map is not.
    "layout": ("gapscope.store.results", "_write", 2),
    # All manifests of a level are there, no numbers.
    "compare": ("gapscope.stages.compare", "write_across_levels", 1),
    # The report's folder is all but whole.
    "report": ("gapscope.stages.report", "write_sums", 1),
    # The old report has stepped aside for the new one.
    "report again": ("pathlib", "Path.rename", 2),
}
"""What is called there, and which call of it does not return."""


def kill_at(point: str) -> None:
    """Patch what is called at a point."""
    module, name, number = POINTS[point]
    owner, _, attribute = name.rpartition(".")
    holder = getattr(import_module(module), owner) if owner else import_module(module)
    called, real = [0], getattr(holder, attribute)

    def counted(*given: Any, **named: Any) -> Any:
        called[0] += 1
        if called[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **named)

    setattr(holder, attribute, counted)


if __name__ == "__main__":
    run, *datasets = sys.argv[1:]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            kill_at(line.strip())
            compare(dict(each.split("=", 1) for each in datasets), Path(run))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201
