"""Where the workers' time went, told when embedding ends."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gapscope.progress import Progress
from gapscope.stages.block import BlockDone

_TOLD = 8
"""Workers that get a line of their own."""


@dataclass
class _Worker:
    blocks: int = 0
    images: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    utilization: list[float] = field(default_factory=list)

    def add(self, done: BlockDone) -> None:
        self.blocks += 1
        self.images += done.rows
        for what, seconds in done.seconds.items():
            self.seconds[what] += seconds
        if done.utilization is not None:
            self.utilization.append(done.utilization)

    def line(self, total: float) -> str:
        spent = self.seconds
        in_threads = max(spent["read"] + spent["decode"], 1e-9)
        # Threads read and decode side by side and beside the model; what counts is what it had to wait for.
        parts = {
            "read": spent["wait"] * spent["read"] / in_threads,
            "decode": spent["wait"] * spent["decode"] / in_threads,
            "model": spent["model"],
            "write": spent["write"],
        }
        parts["idle"] = max(0.0, total - sum(parts.values()))
        gpu = f", GPU {sum(self.utilization) / len(self.utilization):.0%} busy" if self.utilization else ""
        shares = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in parts.items())
        return f"{self.blocks} blocks, {self.images:,} images; {shares}{gpu}"


class WorkerTimings:
    """Adds up what blocks tell, and shows a line per worker in the end, also where the work was stopped."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._workers: dict[str, _Worker] = defaultdict(_Worker)
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        total = time.monotonic() - self._start
        slowest = sorted(self._workers.items(), key=lambda item: item[1].images)
        for name, worker in slowest[:_TOLD]:
            self._progress.note(f"worker {name}: {worker.line(total)}")
        if len(slowest) > _TOLD:
            self._progress.note(f"and {len(slowest) - _TOLD} workers that did more")

    def add(self, done: BlockDone) -> None:
        """Count a finished block."""
        self._workers[done.worker].add(done)
