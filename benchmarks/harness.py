"""What the benchmarks share: command line, timing, cases in processes of their own, and the JSON file of a result."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from gapscope.bench.machine import machine
from gapscope.bench.subprocess_case import in_child

_CASE = "case"


def argument_parser(doc: str | None, *, repeats: int | None = None) -> argparse.ArgumentParser:
    """Return a parser with `--out` and, if a default for it is given, `--repeats`.

    Args:
        doc: the benchmark's module docstring, which `--help` prints.
        repeats: default of `--repeats`; None for a benchmark without repeats.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    if repeats is not None:
        parser.add_argument(
            "--repeats", type=int, default=repeats, help=f"repeats of every measurement (default: {repeats})"
        )
    return parser


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result as JSON, with the machine that it was measured on as its first entry.

    A benchmark that takes long calls this after every case, so that a result survives if a later case fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), **result}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def run_case(file: str, *arguments: str, timeout: float) -> dict[str, Any]:
    """Run one case of a benchmark in a process of its own, so that its peak memory is its own.

    Args:
        file: the benchmark, which handles `case_arguments` first and prints a JSON object as its last line.
        arguments: of the case.
        timeout: seconds that the case may take.

    Returns:
        What the case printed; or `failed` with the reason, since a failure is a result too.
    """
    succeeded, output = in_child(file, _CASE, *arguments, timeout=timeout)
    result: dict[str, Any] = json.loads(output.splitlines()[-1]) if succeeded else {"failed": output}
    return result


def case_arguments() -> list[str] | None:
    """Return the arguments of the case that this process was started for; None if it is the benchmark itself."""
    return sys.argv[2:] if sys.argv[1:2] == [_CASE] else None


def wait_for_gpu() -> None:
    """Return when the GPU, if there is one, has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(run: Callable[[], Any], repeats: int) -> list[float]:
    """Return the seconds of every call until the GPU, if there is one, has finished; a first call is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        wait_for_gpu()
        start = time.perf_counter()
        run()
        wait_for_gpu()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def rates_of(amount: float, run: Callable[[], Any], repeats: int) -> list[float]:
    """Return `amount` per second for every repeat of `run`, which processes that amount."""
    return [amount / seconds for seconds in seconds_of(run, repeats)]


class Stopwatch:
    """Measures laps, each of which includes the work that the GPU still has to finish."""

    def __init__(self) -> None:
        wait_for_gpu()
        self._lap_start = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last lap, once the GPU, if there is one, has finished its work."""
        wait_for_gpu()
        now = time.perf_counter()
        seconds, self._lap_start = now - self._lap_start, now
        return round(seconds, 4)
