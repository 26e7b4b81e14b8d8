"""Runs the stages of one of the two GPU scripts, and writes a JSON file per stage: `python -m gpu.run embed`.

Each part of a stage is a process of its own with a time limit: one that crashes, hangs or leaves a broken card behind
is written down as failed, and the next one is begun. A file is written anew after each of its parts, so that nothing
that was measured is lost. A dry run does the quick parts with tiny sizes and in this process, and with `--every` all of
them as a real run does; its results say `dry` and are worth nothing.
"""

import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from gpu.stage import Setting

from gapscope.bench.machine import machine
from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda
from gapscope.errors import GapscopeError

DEVICES: dict[str, type[Cpu] | type[Cuda]] = {"cpu": Cpu, "cuda": Cuda}

SCRIPTS: dict[str, dict[str, int]] = {
    "embed": {
        "ceilings": 60,
        "right_embed": 180,
        "fast_embed": 200,
        "end_to_end": 180,
        "engine": 180,
        "fast_batches": 120,
        "right_models": 90,
    },
    "layout": {"right_layout": 300, "memory_layout": 120, "whole_job": 300, "fast_layout": 600},
}
"""Script to its stages, and the seconds that a part of each may take; what matters most comes first.

A stage is the module of that name beside this one. What no time is left for is written down as that; `--only` does it.
"""

_RESULTS = Path(__file__).parents[1] / "results" / "gpu"
_SAID = 2000


def main() -> int:
    """Run what is asked for, and return how many parts failed."""
    options = _options()
    if options.part:
        return _part(options, *options.part)
    out = options.out or (_RESULTS / "dry" if options.tiny else _RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    try:
        DEVICES[options.device]().check()
    except GapscopeError as error:
        print(error, file=sys.stderr)
        return 2
    deadline, failed = time.monotonic() + options.seconds, 0
    here = machine()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for name, limit in SCRIPTS[options.script].items():
            if options.only and name not in options.only.split(","):
                continue
            module = importlib.import_module(f"gpu.{name}")
            parts: dict[str, Any] = {}
            about = " ".join((module.__doc__ or "").split())
            quick = options.tiny and not options.every
            for part in getattr(module, "DRY", module.PARTS) if quick else module.PARTS:
                start = time.monotonic()
                parts[part] = _tried(options, name, part, Path(scratch), min(limit, deadline - start))
                parts[part]["seconds"] = time.monotonic() - start
                failed += "failed" in parts[part]
                said = parts[part].get("failed", "done")
                print(f"{name}: {part}: {said} ({parts[part]['seconds']:.1f} s)", flush=True)
                result = {"machine": here, "dry": options.tiny, "device": options.device, "about": about}
                content = json.dumps(result | {"parts": parts}, indent=2)
                (out / f"{name}.json").write_text(content + "\n", encoding="utf-8")
    return min(failed, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("script", choices=SCRIPTS)
    parser.add_argument("--device", choices=DEVICES, default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a dry run: does it run at all?")
    parser.add_argument("--every", action="store_true", help="a dry run of all parts, each in a process of its own")
    parser.add_argument("--images", type=Path, help="folder of photographs (default: scikit-image's)")
    parser.add_argument("--only", help="some of the stages, with commas between")
    parser.add_argument("--seconds", type=float, default=1150, help="that all parts may take together (default: 1150)")
    parser.add_argument("--out", type=Path, help="folder for the JSON files (default: benchmarks/results/gpu)")
    parser.add_argument("--scratch", type=Path, help="folder for files on the way (default: the system's)")
    parser.add_argument("--part", nargs=2, metavar=("STAGE", "PART"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _tried(options: argparse.Namespace, stage: str, part: str, scratch: Path, seconds: float) -> dict[str, Any]:
    if seconds <= 0:
        return {"failed": "no time was left"}
    if options.tiny and not options.every:
        return _measured(options, stage, part, scratch)
    answer = scratch / "answer.json"
    answer.unlink(missing_ok=True)
    given = [options.script, "--device", options.device, "--scratch", str(scratch), "--part", stage, part]
    given += ["--images", str(options.images)] if options.images else []
    given += ["--tiny"] if options.tiny else []
    log = scratch / "log.txt"
    with log.open("wb") as said:
        command = [sys.executable, "-m", "gpu.run", *given]
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        # Workers and decoders that it left behind go with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if answer.exists():
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found
    why = f"not finished after {seconds:.0f} s" if code is None else f"exit code {code}"
    return {"failed": why, "said": log.read_text(encoding="utf-8", errors="replace")[-_SAID:]}


def _part(options: argparse.Namespace, stage: str, part: str) -> int:
    answer = options.scratch / "answer.json"
    found = _measured(options, stage, part, options.scratch)
    beside = answer.with_suffix(".new")
    beside.write_text(json.dumps(found), encoding="utf-8")
    beside.replace(answer)
    return 0


def _measured(options: argparse.Namespace, stage: str, part: str, scratch: Path) -> dict[str, Any]:
    setting = Setting(
        device=DEVICES[options.device](),
        dry=options.tiny,
        images=options.images.absolute() if options.images else None,
        scratch=scratch,
    )
    warnings.simplefilter("ignore")
    # Whatever goes wrong is a result.
    try:
        return {"found": importlib.import_module(f"gpu.{stage}").PARTS[part](setting)}
    except Exception as error:  # noqa: BLE001
        return {"failed": f"{type(error).__name__}: {error}"[:_SAID], "said": traceback.format_exc()[-_SAID:]}


if __name__ == "__main__":
    sys.exit(main())
