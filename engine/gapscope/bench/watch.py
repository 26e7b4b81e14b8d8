"""Samples GPU utilization and memory, and host memory, in the background while a benchmark runs."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

_INTERVAL_SECONDS = 0.5
_QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--id=0")
Sample = tuple[float, float | None, float | None, float]
"""Seconds since the start; GPU utilization (0 to 1); GPU memory used by all processes, GiB; host memory of the process
and its descendants, GiB. GPU values are None without nvidia-smi."""


class _Sampler:
    """Context manager that calls `_sample` every half second, in a thread."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._sample()
            if self._stop.wait(_INTERVAL_SECONDS):
                return

    def _sample(self) -> None:
        raise NotImplementedError


class Watch(_Sampler):
    """Context manager that samples a process and its descendants every half second.

    Args:
        of: process id; this process by default.
    """

    def __init__(self, of: int | None = None) -> None:
        super().__init__()
        self._process_id = os.getpid() if of is None else of
        self.samples: list[Sample] = []
        self._start = time.perf_counter()

    def facts(self) -> dict[str, Any]:
        """Return the mean GPU utilization, the peak memory, and the median memory of each quarter of the time.

        If the quarters are alike, memory does not grow.
        """
        _, gpu_busy, gpu_gib, host_gib = zip(*self.samples, strict=True)
        return {
            "samples": len(self.samples),
            "gpu_busy": _mean(gpu_busy),
            "gpu_gib": _max(gpu_gib),
            "gpu_gib_by_quarter": _quarter_medians(gpu_gib),
            "host_gib": _max(host_gib),
            "host_gib_by_quarter": _quarter_medians(host_gib),
        }

    def _sample(self) -> None:
        self.samples.append((time.perf_counter() - self._start, *_sample_gpu(), _process_tree_gib(self._process_id)))


def _sample_gpu() -> tuple[float | None, float | None]:
    # The driver's own tool needs no CUDA context, which would itself take GPU memory.
    if shutil.which(_QUERY[0]) is None:
        return None, None
    values = subprocess.run(_QUERY, capture_output=True, text=True, check=False).stdout.split(",")  # noqa: S603
    try:
        return float(values[0]) / 100, float(values[1]) / 1024
    except (ValueError, IndexError):
        return None, None


def _process_tree_gib(process_id: int) -> float:
    """Return the memory of a process and its descendants in GiB; shared pages count once (PSS)."""
    total_kib = 0
    for process in (process_id, *_descendants(process_id)):
        # The process may have ended in the meantime.
        with suppress(OSError, ValueError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kib / 2**20


def _descendants(process_id: int) -> Iterator[int]:
    pending = [process_id]
    while pending:
        # The process may have ended in the meantime.
        with suppress(OSError, ValueError):
            for task in Path(f"/proc/{pending.pop()}/task").iterdir():
                children = [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
                pending += children
                yield from children


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _max(values: tuple[float | None, ...]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _quarter_medians(values: tuple[float | None, ...]) -> list[float | None]:
    parts = np.array_split(np.array(values, dtype=np.float64), 4)
    return [float(np.median(part)) if len(part) and np.isfinite(part).all() else None for part in parts]


class ProcessWatch(_Sampler):
    """Context manager that samples the memory of a process, and of each of its descendants, every half second.

    Args:
        process_id: of the process.
        start: what `time.perf_counter` returned when the work began.
    """

    def __init__(self, process_id: int, start: float) -> None:
        super().__init__()
        self._process_id, self._start = process_id, start
        self._samples: list[tuple[float, float, float, float | None]] = []

    def peaks(self, began: float, ended: float) -> dict[str, float]:
        """Return the peak memory, in GiB, of the process, of the largest of its descendants, and of the GPU if any.

        Args:
            began: seconds since the start.
            ended: likewise.
        """
        within = [sample for sample in self._samples if began - _INTERVAL_SECONDS <= sample[0] <= ended]
        own, worker, gpu = (_max(tuple(sample[index] for sample in within)) for index in (1, 2, 3))
        named = {"command_gib": own, "worker_gib": worker, "gpu_gib": gpu}
        return {name: round(value, 3) for name, value in named.items() if value is not None}

    def _sample(self) -> None:
        worker = max(map(_process_gib, _descendants(self._process_id)), default=0.0)
        own = _process_gib(self._process_id)
        self._samples.append((time.perf_counter() - self._start, own, worker, _sample_gpu()[1]))


def _process_gib(process_id: int) -> float:
    # The process may have ended in the meantime.
    with suppress(OSError, ValueError):
        lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0) / 2**20
    return 0.0
