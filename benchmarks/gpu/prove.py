"""Proves the GPU path within a quarter of an hour, the most valuable first, and loses nothing that was measured.

    python benchmarks/gpu/prove.py                            on a machine with an NVIDIA GPU, in the repository's root
    python benchmarks/gpu/prove.py --device cpu --dry         does the proof itself run? its numbers are worth nothing

Every step is a process of its own with a limit, and what it finds goes into the JSON file number by number. A part that
fails, crashes, hangs or leaves a broken card behind is written down with its reason, and the parts after it begin in a
new process. Steps up to `decoder` need torch and nvImageCodec alone, those after it RAPIDS too: with `--until decoder`
and `--from smoke` the proof can begin while RAPIDS is still being unpacked. What no time is left for is written down as
that.
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

_FEWEST_SECONDS = 10
"""Below which no process is begun: most of it would go into imports."""
_SAID = 2000


@dataclass(frozen=True)
class Step:
    """Some parts that are measured in one process after the other, as long as none fails.

    Attributes:
        seconds: that all of them may take.
        parts: each as `module: name`, where `name` is in the table PARTS of that module beside this one.
    """

    seconds: float
    parts: tuple[str, ...]


def _of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}: {name}" for name in names)


STEPS: dict[str, Step] = {
    "machine": Step(60, _of("smoke", "versions", "compiler")),
    "embeddings": Step(90, _of("right_embed", "bundled")),
    "decoder": Step(60, _of("right_embed", "decoder")),
    # From here on with RAPIDS.
    "smoke": Step(90, _of("smoke", "map", "clusters", "cells", "jpeg", "worker", "libraries")),
    "tests": Step(150, _of("smoke", "tests")),
    "maps": Step(150, _of("maps", "100 thousand", "1 million")),
    "speed-512": Step(140, _of("fast_embed", "512 pixels, batch 128")),
    "speed-224": Step(110, _of("fast_embed", "224 pixels, batch 128")),
    "whole-job": Step(150, _of("whole_job", "20 thousand files")),
    "stages": Step(90, _of("right_layout", "stages", "odd inputs")),
    "clusters": Step(60, _of("maps", "clusters")),
    "cells": Step(90, _of("maps", "exact or cells")),
    "killed": Step(150, _of("engine", "a worker killed", "resumed")),
    "memory": Step(240, _of("engine", "memory", "decoder")),
    # For a longer day, or a second one.
    "five-levels": Step(300, _of("fast_layout", "1 million, 5 levels", "100 thousand, 5 levels", "1 million, 1 level")),
    "files-to-zarr": Step(400, _of("end_to_end", "detector at 512, small files", "bundled at 224, small files")),
    "decoding": Step(120, _of("fast_embed", "decode")),
    "ceilings": Step(60, _of("ceilings", "matrices", "copies")),
    "want-of-memory": Step(300, _of("memory_layout", "copies", "map", "cells", "quality")),
    "detector": Step(200, _of("right_embed", "fasterrcnn_resnet50_fpn_v2")),
    "maps-right": Step(300, _of("right_layout", "maps of 10 thousand", "maps of 100 thousand")),
    "workers": Step(300, _of("engine", "one worker", "two workers")),
    "kernels": Step(200, _of("fast_embed", "profile at 512 pixels", "profile at 224 pixels")),
    "batches-512": Step(300, _of("fast_batches", *(f"512 pixels, batch {batch}" for batch in (32, 64, 256)))),
    "batches-224": Step(300, _of("fast_batches", *(f"224 pixels, batch {batch}" for batch in (64, 256, 512)))),
    "models": Step(
        400,
        _of(
            "right_models",
            "fasterrcnn_resnet50_fpn",
            "fasterrcnn_mobilenet_v3_large_fpn",
            "fasterrcnn_mobilenet_v3_large_320_fpn",
        ),
    ),
    "files-to-zarr-more": Step(600, _of("end_to_end", "detector at 512, large files", "detector at 224, small files")),
    "whole-job-100": Step(400, _of("whole_job", "100 thousand files")),
    "plain": Step(
        600,
        _of("fast_layout", "umap-learn, 100 thousand", "cuML, brute force, 1 million", "cuML, nn_descent, 10 million"),
    ),
    "10-million": Step(900, _of("fast_layout", "10 million, 1 level")),
}
"""The steps in order of worth."""


def main(given: list[str] | None = None, steps: dict[str, Step] | None = None) -> int:
    """Take the steps that are asked for, write what they find, print a line for each, and return 1 where one failed."""
    table = STEPS if steps is None else steps
    options = _options(table, given)
    if options.measure:
        return _measure(options)
    # Every driver brings it; to ask torch would take seconds, of which there are few.
    if options.device == "cuda" and shutil.which("nvidia-smi") is None:
        print("there is no NVIDIA driver here (nvidia-smi); --device cpu --dry tells whether the proof itself runs")
        return 2
    names = list(table)
    chosen = names[names.index(options.first) : names.index(options.last) + 1]
    if options.only:
        chosen = [name for name in chosen if name in options.only.split(",")]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    record, end, failed = _Record(options), time.monotonic() + options.seconds, False
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for name in chosen:
            began = time.monotonic()
            outcome = _take(name, table[name], options, Path(scratch), end, record)
            failed |= outcome != "done"
            print(f"{name:18} {time.monotonic() - began:7.1f} s  {outcome}", flush=True)
    record.write(ended=True)
    return int(failed)


def _options(table: dict[str, Step], given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"some of the steps, with commas between: {', '.join(table)}")
    parser.add_argument("--from", dest="first", choices=table, default=next(iter(table)), metavar="STEP")
    parser.add_argument("--until", dest="last", choices=table, default=list(table)[-1], metavar="STEP")
    parser.add_argument("--seconds", type=float, default=840, help="that all steps may take together (default: 840)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dry", action="store_true", help="everything is tiny: does it run at all?")
    parser.add_argument("--images", type=Path, help="folder of photographs (default: scikit-image's)")
    parser.add_argument(
        "--out", type=Path, default=OUT, help=f"the JSON file to write (default: {OUT.relative_to(ROOT)})"
    )
    parser.add_argument("--scratch", type=Path, help="folder for files on the way (default: the system's)")
    parser.add_argument("--measure", nargs="+", metavar="PART", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(given)


class _Record:
    """What was found so far, always whole on the disk; what processes said lies in a file beside it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._out, self._began = options.out, time.monotonic()
        self.content: dict[str, Any] = {"machine": None, "dry": options.dry, "device": options.device, "steps": {}}
        self.log: Path = options.out.with_suffix(".log")
        self.log.write_bytes(b"")
        self.write()

    def write(self, *, ended: bool = False) -> None:
        self.content |= {"seconds": round(time.monotonic() - self._began, 1), "ended": ended}
        beside = self._out.with_suffix(".new")
        beside.write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")
        beside.replace(self._out)

    def keep(self, step: str, part: str, what: dict[str, Any]) -> None:
        """Add to what is known of a part; `found` grows."""
        kept = self.content["steps"].setdefault(step, {}).setdefault(part, {"outcome": "begun", "found": {}})
        kept["found"] |= what.pop("found", {})
        kept |= what
        self.write()


def _take(name: str, step: Step, options: argparse.Namespace, scratch: Path, end: float, record: _Record) -> str:
    """Measure a step's parts, in a new process after each that failed; return the first failure in words, or `done`."""
    left, limit = list(step.parts), min(time.monotonic() + step.seconds, end)
    outcomes: list[str] = []
    while left:
        if limit - time.monotonic() < _FEWEST_SECONDS:
            for part in left:
                record.keep(name, part, {"outcome": "no time was left"})
            return next((outcome for outcome in outcomes if outcome != "done"), "no time was left")
        for part, outcome in _measured(name, tuple(left), options, scratch, limit, record):
            outcomes.append(outcome)
            left.remove(part)
    return next((outcome for outcome in outcomes if outcome != "done"), "done")


def _measured(
    step: str, parts: tuple[str, ...], options: argparse.Namespace, scratch: Path, limit: float, record: _Record
) -> Iterator[tuple[str, str]]:
    """Measure parts in one process until one fails; yield each that was begun, and what became of it."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "gpu.prove", "--device", options.device, "--scratch", str(scratch)]
    command += ["--images", str(options.images.absolute())] if options.images else []
    command += ["--dry"] if options.dry else []
    command += ["--report", str(writing), "--measure", *parts]
    folders = [ROOT / "engine", ROOT / "cli", ROOT / "benchmarks", _metadata(scratch)]
    paths = os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])
    with record.log.open("ab") as log:
        log.write(f"\n===== {step}: {', '.join(parts)}\n".encode())
        log.flush()
        before = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
        )
    os.close(writing)
    current, began = parts[0], time.monotonic()
    record.keep(step, current, {"outcome": "begun"})
    try:
        with os.fdopen(reading, "rb") as report:
            for line in _lines(report, limit):
                told = json.loads(line)
                if "machine" in told:
                    record.content["machine"] = record.content["machine"] or told["machine"]
                    continue
                if "outcome" in told:
                    told["seconds"] = round(time.monotonic() - began, 1)
                record.keep(step, current, told)
                if told.get("outcome"):
                    yield current, told["outcome"]
                    if told["outcome"] != "done" or current == parts[-1]:
                        return
                    current, began = parts[parts.index(current) + 1], time.monotonic()
                    record.keep(step, current, {"outcome": "begun"})
        overdue = time.monotonic() >= limit
        why = "not finished in time" if overdue else f"the process ended: {_end_of(process)}"
        said = record.log.read_bytes()[before:].decode(errors="replace")
        taken = round(time.monotonic() - began, 1)
        record.keep(step, current, {"outcome": why, "seconds": taken, "said": said[-_SAID:]})
        yield current, why
    finally:
        # Workers and decoders that it left behind go with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _metadata(scratch: Path) -> Path:
    """Return a folder with the name and version of the project, which a checkout that is not installed lacks."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    folder = scratch / "metadata" / f"gapscope-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gapscope\nVersion: {version}\n", encoding="utf-8")
    return folder.parent


def _lines(report: IO[bytes], limit: float) -> Iterator[bytes]:
    """Yield the lines that a process reports, until it has ended or its time has."""
    held = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(report, selectors.EVENT_READ)
        while waiting.select(max(0.0, limit - time.monotonic())):
            piece = os.read(report.fileno(), 2**16)
            if not piece:
                return
            *lines, held = (held + piece).split(b"\n")
            yield from lines


def _end_of(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(10)
    except subprocess.TimeoutExpired:
        return "it hangs"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _measure(options: argparse.Namespace) -> int:
    """Measure parts in this process, and report each number as it is found; end with the first part that fails."""
    end_with_parent()
    with os.fdopen(options.report, "w", encoding="utf-8") as report:

        def tell(what: dict[str, Any]) -> None:
            report.write(json.dumps(what, default=str) + "\n")
            report.flush()

        for name in options.measure:
            try:
                part, setting = _prepared(name, options, tell)
                for found in part(setting):
                    tell({"found": found})
            # Whatever goes wrong is a result.
            except BaseException as error:  # noqa: BLE001
                said = f"{type(error).__name__}: {error}"[:_SAID]
                tell(
                    {
                        "outcome": f"failed: {said.splitlines()[0]}",
                        "said": said + "\n" + traceback.format_exc()[-_SAID:],
                    }
                )
                return 1
            tell({"outcome": "done"})
    return 0


def end_with_parent() -> None:
    """End this process, and all that it has started, when its standard input ends: a pipe that its parent holds.

    A process with a session of its own outlives a parent that is killed, and would share the GPU with what comes next.
    """

    def wait() -> None:
        # Not by sys.stdin, whose lock would be held when the interpreter ends.
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _prepared(name: str, options: argparse.Namespace, tell: Callable[[dict[str, Any]], None]) -> tuple[Any, Any]:
    # Here, so that a package that cannot be imported is a part's failure too.
    from gpu.stage import Setting

    from gapscope.bench.machine import machine
    from gapscope.device import choose_device

    warnings.simplefilter("ignore")
    if name == options.measure[0]:
        tell({"machine": machine()})
    setting = Setting(
        device=choose_device(options.device), dry=options.dry, images=options.images, scratch=options.scratch
    )
    module, _, part = name.partition(": ")
    return importlib.import_module(f"gpu.{module}").PARTS[part], setting


if __name__ == "__main__":
    sys.exit(main())
