"""Prove the GPU path within a quarter of an hour, the most important steps first, without losing any result.

    python benchmarks/gpu/prove.py                            on a machine with an NVIDIA GPU, in the repository's root
    python benchmarks/gpu/prove.py --device cpu --dry         test of the proof itself; its numbers are worth nothing

Every step runs in a process of its own with a time limit, and writes each result to the JSON file at once. A part that
fails, crashes, hangs or leaves a broken GPU behind is recorded with the reason, and the parts after it start in a new
process. Steps up to `decoder` need only torch and nvImageCodec, later ones RAPIDS too: with `--until decoder` and
`--from smoke` the proof can start while RAPIDS is still being unpacked. A part for which no time is left is recorded as
such.
"""

import argparse
import importlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
"""Of the repository."""
OUT = ROOT / "benchmarks" / "results" / "gpu" / "prove.json"

_MIN_SECONDS = 10
"""With less time left no process starts, since imports would take most of it."""
_MAX_OUTPUT = 2000
"""Characters of output that are kept of a failed part."""


@dataclass(frozen=True)
class Step:
    """Parts that run one after the other in one process, as long as none fails.

    Attributes:
        seconds: time limit of all parts together.
        parts: each as `module: name`, where `name` is a key of PARTS in that module of this folder.
    """

    seconds: float
    parts: tuple[str, ...]


def _parts(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}: {name}" for name in names)


STEPS: dict[str, Step] = {
    "machine": Step(60, _parts("smoke", "versions", "compiler")),
    "embeddings": Step(90, _parts("right_embed", "bundled")),
    "decoder": Step(60, _parts("right_embed", "decoder")),
    # From here on with RAPIDS.
    "smoke": Step(90, _parts("smoke", "map", "clusters", "cells", "jpeg", "worker", "libraries")),
    "tests": Step(150, _parts("smoke", "tests")),
    "maps": Step(150, _parts("maps", "100 thousand", "1 million")),
    "speed-512": Step(140, _parts("fast_embed", "512 pixels, batch 128")),
    "speed-224": Step(110, _parts("fast_embed", "224 pixels, batch 128")),
    "whole-job": Step(150, _parts("whole_job", "20 thousand files")),
    "stages": Step(90, _parts("right_layout", "stages", "odd inputs")),
    "clusters": Step(60, _parts("maps", "clusters")),
    "cells": Step(90, _parts("maps", "exact or cells")),
    "killed": Step(150, _parts("engine", "a worker killed", "resumed")),
    "memory": Step(240, _parts("engine", "memory", "decoder")),
    # For a longer day, or a second one.
    "five-levels": Step(
        300, _parts("fast_layout", "1 million, 5 levels", "100 thousand, 5 levels", "1 million, 1 level")
    ),
    "files-to-zarr": Step(400, _parts("end_to_end", "detector at 512, small files", "bundled at 224, small files")),
    "decoding": Step(120, _parts("fast_embed", "decode")),
    "ceilings": Step(60, _parts("ceilings", "matrices", "copies")),
    "want-of-memory": Step(300, _parts("memory_layout", "copies", "map", "cells", "quality")),
    "detector": Step(200, _parts("right_embed", "fasterrcnn_resnet50_fpn_v2")),
    "maps-right": Step(300, _parts("right_layout", "maps of 10 thousand", "maps of 100 thousand")),
    "workers": Step(300, _parts("engine", "one worker", "two workers")),
    "kernels": Step(200, _parts("fast_embed", "profile at 512 pixels", "profile at 224 pixels")),
    "batches-512": Step(300, _parts("fast_batches", *(f"512 pixels, batch {batch}" for batch in (32, 64, 256)))),
    "batches-224": Step(300, _parts("fast_batches", *(f"224 pixels, batch {batch}" for batch in (64, 256, 512)))),
    "models": Step(
        400,
        _parts(
            "right_models",
            "fasterrcnn_resnet50_fpn",
            "fasterrcnn_mobilenet_v3_large_fpn",
            "fasterrcnn_mobilenet_v3_large_320_fpn",
        ),
    ),
    "files-to-zarr-more": Step(
        600, _parts("end_to_end", "detector at 512, large files", "detector at 224, small files")
    ),
    "whole-job-100": Step(400, _parts("whole_job", "100 thousand files")),
    "plain": Step(
        600,
        _parts(
            "fast_layout", "umap-learn, 100 thousand", "cuML, brute force, 1 million", "cuML, nn_descent, 10 million"
        ),
    ),
    "10-million": Step(900, _parts("fast_layout", "10 million, 1 level")),
}
"""The steps, most important first."""


def main(arguments: list[str] | None = None, steps: dict[str, Step] | None = None) -> int:
    """Run the chosen steps, write their results, print a line for each step, and return 1 if one failed."""
    table = STEPS if steps is None else steps
    options = _parse_options(table, arguments)
    if options.measure:
        return _measure(options)
    # Every driver installs nvidia-smi; importing torch to find out would take seconds.
    if options.device == "cuda" and shutil.which("nvidia-smi") is None:
        print("there is no NVIDIA driver (nvidia-smi); --device cpu --dry tests whether the proof itself runs")
        return 2
    names = list(table)
    chosen = names[names.index(options.first) : names.index(options.last) + 1]
    if options.only:
        chosen = [name for name in chosen if name in options.only.split(",")]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    record, end, failed = _Record(options), time.monotonic() + options.seconds, False
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for name in chosen:
            start = time.monotonic()
            outcome = _run_step(name, table[name], options, Path(scratch), end, record)
            failed |= outcome != "done"
            print(f"{name:18} {time.monotonic() - start:7.1f} s  {outcome}", flush=True)
    record.write(ended=True)
    return int(failed)


def _parse_options(table: dict[str, Step], arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"steps to run, separated by commas: {', '.join(table)}")
    parser.add_argument(
        "--from", dest="first", choices=table, default=next(iter(table)), metavar="STEP", help="first step"
    )
    parser.add_argument(
        "--until", dest="last", choices=table, default=list(table)[-1], metavar="STEP", help="last step"
    )
    parser.add_argument("--seconds", type=float, default=840, help="time limit of all steps together (default: 840)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dry", action="store_true", help="make everything tiny, to test the proof itself")
    parser.add_argument("--images", type=Path, help="folder of photographs (default: scikit-image's)")
    parser.add_argument(
        "--out", type=Path, default=OUT, help=f"the JSON file to write (default: {OUT.relative_to(ROOT)})"
    )
    parser.add_argument("--scratch", type=Path, help="folder for temporary files (default: the system's)")
    parser.add_argument("--measure", nargs="+", metavar="PART", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


class _Record:
    """The results so far, always complete on disk; the output of the processes is in a log beside them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._out, self._start = options.out, time.monotonic()
        self.content: dict[str, Any] = {"machine": None, "dry": options.dry, "device": options.device, "steps": {}}
        self.log: Path = options.out.with_suffix(".log")
        self.log.write_bytes(b"")
        self.write()

    def write(self, *, ended: bool = False) -> None:
        self.content |= {"seconds": round(time.monotonic() - self._start, 1), "ended": ended}
        temporary = self._out.with_suffix(".new")
        temporary.write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self._out)

    def update(self, step: str, part: str, report: dict[str, Any]) -> None:
        """Merge a report into the record of a part; its `found` is merged into the earlier one."""
        record = self.content["steps"].setdefault(step, {}).setdefault(part, {"outcome": "begun", "found": {}})
        record["found"] |= report.pop("found", {})
        record |= report
        self.write()


def _run_step(name: str, step: Step, options: argparse.Namespace, scratch: Path, end: float, record: _Record) -> str:
    """Run a step's parts, in a new process after each failure; return the first failure in words, or `done`."""
    remaining, limit = list(step.parts), min(time.monotonic() + step.seconds, end)
    outcomes: list[str] = []
    while remaining:
        if limit - time.monotonic() < _MIN_SECONDS:
            for part in remaining:
                record.update(name, part, {"outcome": "no time was left"})
            return next((outcome for outcome in outcomes if outcome != "done"), "no time was left")
        for part, outcome in _run_parts(name, tuple(remaining), options, scratch, limit, record):
            outcomes.append(outcome)
            remaining.remove(part)
    return next((outcome for outcome in outcomes if outcome != "done"), "done")


def _run_parts(
    step: str, parts: tuple[str, ...], options: argparse.Namespace, scratch: Path, limit: float, record: _Record
) -> Iterator[tuple[str, str]]:
    """Run parts in one process until one fails; yield each part that was started, and its outcome."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "gpu.prove", "--device", options.device, "--scratch", str(scratch)]
    command += ["--images", str(options.images.absolute())] if options.images else []
    command += ["--dry"] if options.dry else []
    command += ["--report", str(write_end), "--measure", *parts]
    folders = [ROOT / "engine", ROOT / "cli", ROOT / "benchmarks", _metadata(scratch)]
    paths = os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])
    with record.log.open("ab") as log:
        log.write(f"\n===== {step}: {', '.join(parts)}\n".encode())
        log.flush()
        log_start = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[write_end],
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
        )
    os.close(write_end)
    current, start = parts[0], time.monotonic()
    record.update(step, current, {"outcome": "begun"})
    try:
        with os.fdopen(read_end, "rb") as report:
            for line in _lines(report, limit):
                message = json.loads(line)
                if "machine" in message:
                    record.content["machine"] = record.content["machine"] or message["machine"]
                    continue
                outcome = message.get("outcome")
                if outcome:
                    message["seconds"] = round(time.monotonic() - start, 1)
                record.update(step, current, message)
                if outcome:
                    yield current, outcome
                    if outcome != "done" or current == parts[-1]:
                        return
                    current, start = parts[parts.index(current) + 1], time.monotonic()
                    record.update(step, current, {"outcome": "begun"})
        timed_out = time.monotonic() >= limit
        outcome = "not finished in time" if timed_out else f"the process ended: {_exit_status(process)}"
        output = record.log.read_bytes()[log_start:].decode(errors="replace")
        seconds = round(time.monotonic() - start, 1)
        record.update(step, current, {"outcome": outcome, "seconds": seconds, "said": output[-_MAX_OUTPUT:]})
        yield current, outcome
    finally:
        # This also ends the workers and decoders that the process left behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _metadata(scratch: Path) -> Path:
    """Return a folder with the project's package metadata, which a checkout without an installation lacks."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    folder = scratch / "metadata" / f"gapscope-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gapscope\nVersion: {version}\n", encoding="utf-8")
    return folder.parent


def _lines(report: IO[bytes], limit: float) -> Iterator[bytes]:
    """Yield the lines that a process reports, until it ends or its time is over."""
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(report, selectors.EVENT_READ)
        while selector.select(max(0.0, limit - time.monotonic())):
            chunk = os.read(report.fileno(), 2**16)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from lines


def _exit_status(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(10)
    except subprocess.TimeoutExpired:
        return "it hangs"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _measure(options: argparse.Namespace) -> int:
    """Run parts in this process, and report each result as soon as it is measured; stop at the first failure."""
    end_with_parent()
    with os.fdopen(options.report, "w", encoding="utf-8") as report:

        def send(message: dict[str, Any]) -> None:
            report.write(json.dumps(message, default=str) + "\n")
            report.flush()

        for name in options.measure:
            try:
                part, setting = _prepare(name, options, send)
                for result in part(setting):
                    send({"found": result})
            # Any failure is a result.
            except BaseException as error:  # noqa: BLE001
                description = f"{type(error).__name__}: {error}"[:_MAX_OUTPUT]
                send(
                    {
                        "outcome": f"failed: {description.splitlines()[0]}",
                        "said": description + "\n" + traceback.format_exc()[-_MAX_OUTPUT:],
                    }
                )
                return 1
            send({"outcome": "done"})
    return 0


def end_with_parent() -> None:
    """Kill this process and all that it started when its standard input, a pipe from its parent, is closed.

    A process in a session of its own outlives a killed parent, and would share the GPU with the next process.
    """

    def wait() -> None:
        # Not sys.stdin, whose lock this thread would hold when the interpreter ends.
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _prepare(name: str, options: argparse.Namespace, send: Callable[[dict[str, Any]], None]) -> tuple[Any, Any]:
    # Imported here, so that a package that cannot be imported is a failure of the part.
    from gpu.stage import Setting

    from gapscope.bench.machine import machine
    from gapscope.device import choose_device

    warnings.simplefilter("ignore")
    if name == options.measure[0]:
        send({"machine": machine()})
    setting = Setting(
        device=choose_device(options.device), dry=options.dry, images=options.images, scratch=options.scratch
    )
    module, _, part = name.partition(": ")
    return importlib.import_module(f"gpu.{module}").PARTS[part], setting


if __name__ == "__main__":
    sys.exit(main())
