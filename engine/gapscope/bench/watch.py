"""How busy the GPU is and how much memory is taken, sampled while something runs."""

import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

_EVERY_SECONDS = 0.5
_QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--id=0")
Sample = tuple[float, float | None, float | None, float]
"""Seconds since the start, the GPU's use (0 to 1), GiB that all have taken on it, GiB of the process and its own."""


class Watch:
    """Samples from a thread while the context is open, of this process and its own, or of another."""

    def __init__(self, of: int | None = None) -> None:
        self._of = os.getpid() if of is None else of
        self.samples: list[Sample] = []
        self._ended = threading.Event()
        self._start = time.perf_counter()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def facts(self) -> dict[str, Any]:
        """Return the mean use of the GPU, the most memory, and the median memory of each quarter of the time.

        Memory that does not grow shows in quarters that are alike.
        """
        _, busy, card, host = zip(*self.samples, strict=True)
        return {
            "samples": len(self.samples),
            "gpu_busy": _mean(busy),
            "gpu_gib": _most(card),
            "gpu_gib_by_quarter": _quarters(card),
            "host_gib": _most(host),
            "host_gib_by_quarter": _quarters(host),
        }

    def _run(self) -> None:
        while True:
            self.samples.append((time.perf_counter() - self._start, *_card(), _host(self._of)))
            if self._ended.wait(_EVERY_SECONDS):
                return


def _card() -> tuple[float | None, float | None]:
    # The driver's own tool: it needs no context on the card, which would take memory itself.
    if shutil.which(_QUERY[0]) is None:
        return None, None
    said = subprocess.run(_QUERY, capture_output=True, text=True, check=False).stdout.split(",")  # noqa: S603
    try:
        return float(said[0]) / 100, float(said[1]) / 1024
    except (ValueError, IndexError):
        return None, None


def _host(process_id: int) -> float:
    """Return the memory of a process and all that it has started, shared pages counted once (PSS)."""
    waiting, total = [process_id], 0
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        # It may be gone by now.
        with suppress(OSError, ValueError):
            lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for task in (process / "task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return total / 2**20


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _most(values: tuple[float | None, ...]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _quarters(values: tuple[float | None, ...]) -> list[float | None]:
    parts = np.array_split(np.array(values, dtype=np.float64), 4)
    return [float(np.median(part)) if len(part) and np.isfinite(part).all() else None for part in parts]
