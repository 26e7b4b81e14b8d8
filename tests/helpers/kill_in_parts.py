"""Kills a search in parts at chosen points: `python kill_in_parts.py RUN` reads one point per line from stdin.

For each point it searches in a forked child that kills itself there, and prints the child's exit code.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from embedded_run import write_embedded_run
from kill_at import kill_on_call, run_children
from numpy.typing import NDArray

from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.neighbors import partition
from gapscope.progress import Silent
from gapscope.stages import neighbors, partitioned_search
from gapscope.store import arrays
from gapscope.store.run_store import RunStore, open_store

KILL_POINTS: dict[str, tuple[str, int]] = {
    "sample": ("SampleChunk.run", 2),
    "fit": ("FitPartition.run", 1),
    "true neighbors": ("FindTrueNeighbors.run", 3),
    "margins": ("ChooseMargins.run", 1),
    "sort": ("SortChunk.run", 2),
    "search": ("SearchPart.run", 5),
    "half a file": ("write_segments", 3),
    "collect": ("CollectChunk.run", 2),
    "neighbors without a flag": ("write_neighbor_rows", 3),
}
"""Point to the function of `gapscope.stages.partition_jobs`, and the number of the call that kills the process."""


def partition_finely(set_attribute: Callable[[Any, str, Any], object]) -> None:
    """Let what is small be partitioned, into many parts, chunks and jobs."""
    set_attribute(neighbors, "PARTITION_FROM", 1)
    set_attribute(partition, "PART_ROWS", 256)
    set_attribute(partition, "MIN_PARTS", 1)
    set_attribute(partitioned_search, "_JOB_QUERIES", 640)
    set_attribute(partition, "SMALL_ROWS", 64)
    set_attribute(partition, "MIN_PART_ROWS", 32)
    set_attribute(partitioned_search, "_MAX_CHUNKS", 1)
    for module in (partitioned_search, arrays):
        set_attribute(module, "CHUNK_ROWS", 512)


def clustered(rows: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    """Return (rows, 16) points around twelve fixed centers, in no order."""
    random = np.random.default_rng(seed)
    spread = np.linspace(1, 0.2, 16)
    kinds = np.random.default_rng(0).normal(size=(12, 16)) * spread
    values = kinds[random.integers(0, 12, rows)] + 0.35 * random.normal(size=(rows, 16)) * spread
    values[:, 3] += shift
    return np.asarray(values.astype(np.float16), np.float32)


def write_run(folder: Path) -> RunStore:
    """Write a run of two levels that is embedded."""
    real, synthetic = clustered(3000, 1), clustered(1700, 2, shift=0.2)
    return write_embedded_run(
        folder,
        {"real": {"P4": real, "P5": real[:, ::-1]}, "synthetic": {"P4": synthetic, "P5": synthetic[:, ::-1]}},
    )


def find(run: RunStore, connect: Callable[[], Any]) -> None:
    """Find the neighbors of every level."""
    neighbors.find_neighbors(run, Cpu(), 6, connect, Silent())


def read_neighbors_files(run: Path) -> dict[str, bytes]:
    """Return the bytes of all files of neighbors."""
    files = sorted(path for path in (run / "neighbors.zarr").rglob("*") if path.is_file())
    assert not (run / "shuffle").exists()
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    partition_finely(setattr)

    def find_until(point: str) -> None:
        if point in KILL_POINTS:
            kill_on_call("gapscope.stages.partition_jobs", *KILL_POINTS[point])
        run = open_store(folder) if folder.exists() else write_run(folder)
        with lazy_cluster("inline", "cpu", 0) as connect:
            find(run, connect)

    run_children(find_until)
