"""A million images in tar archives, from the list to the page, by two workers, killed twice on the way.

The images are crops, 64 pixels wide, of two folders of photographs with a subfolder per class. The command is killed
with all its workers when half of the images are embedded, and again when half of the neighbors are found; each time the
same command goes on. The result is every stage's time. If the benchmark itself is stopped, the same command goes on.

Takes some two hours on two cores, and 25 GB of `--folder`.

    python benchmarks/scale/million.py --out million.json --real photos --synthetic paintings --folder scratch
"""

import argparse
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gapscope.bench.watch import ProcessWatch

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

_SIDE = 64
_PER_ARCHIVE = 10_000
_QUALITY = 90
_WORKERS = 2
_FIRST_KINDS = 10
_KIND_COLUMNS = ("sort", "query", "reference", "name", "images", "levels")
_SUFFIXES = (".jpg", ".jpeg", ".png")
_KILLS = (("embedding", 0.5), ("neighbors", 0.5))
"""The stages in which the command is killed, and at which share of them."""
_ENDED = re.compile(r"(?P<title>.+?) done in (?P<seconds>[\d.,]+) s: (?P<done>[\d,]+)")
_UNDER_WAY = re.compile(r"(?P<title>.+?): (?P<done>[\d,]+) of (?P<total>[\d,]+) ")


def write_archives(photographs: Path, folder: Path, images: int, *, seed: int, without: str | None = None) -> None:
    """Write tar archives of `images` crops of a folder of photographs, in random order, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(
        file
        for file in photographs.rglob("*")
        if file.suffix.lower() in _SUFFIXES and without not in file.relative_to(photographs).parts
    )
    for number, first in enumerate(range(0, images, _PER_ARCHIVE)):
        archive = folder / f"crops-{number:04d}.tar"
        if not archive.exists():
            _write_archive(archive, photographs, files, min(_PER_ARCHIVE, images - first), seed=(seed, number))


def _write_archive(archive: Path, photographs: Path, files: list[Path], count: int, *, seed: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    cached: dict[Path, Image.Image] = {}
    partial = archive.with_suffix(".part")
    with tarfile.open(partial, "w") as tar:
        for number in range(count):
            file = files[random.integers(len(files))]
            if file not in cached:
                cached[file] = Image.open(file).convert("RGB")
            content = _crop(cached[file], random)
            member = tarfile.TarInfo(f"{file.parent.relative_to(photographs)}/{archive.stem}-{number:05d}.jpg")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    partial.rename(archive)


def _crop(photograph: Image.Image, random: np.random.Generator) -> bytes:
    """Return a JPEG of a random square, from half of the photograph's short side to all of it, mirrored or not."""
    short = min(photograph.size)
    side = int(random.integers(short // 2, short + 1))
    left, top = (int(random.integers(0, length - side + 1)) for length in photograph.size)
    crop = photograph.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    if random.integers(2):
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    content = io.BytesIO()
    crop.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()


class Attempt(NamedTuple):
    """One start of the command.

    Attributes:
        killed_in: title of the work in which it was killed; None if it went on to its end.
        seconds: from the start to the end.
        stages: title of a piece of work, and its seconds and count.
        reached: if it was killed, what was last told of how much was done.
        peaks: memory of the command and of the largest worker, in GiB.
    """

    killed_in: str | None
    seconds: float
    stages: dict[str, dict[str, float]]
    reached: dict[str, int]
    peaks: dict[str, float]


def run_until(command: list[str], log: Path, kill: tuple[str, float] | None) -> Attempt:
    """Run the command; kill it and its workers when the share of a piece of work, if one is given, is done."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    stages: dict[str, dict[str, float]] = {}
    reached: dict[str, int] = {}
    killed_in, last_end, under_way = None, start, ""
    with ProcessWatch(process.pid, start) as watch:
        for line in _logged_lines(process, log, start):
            if ended := _ENDED.match(line):
                seconds, done = float(ended["seconds"].replace(",", "")), int(ended["done"].replace(",", ""))
                stages[ended["title"]] = {"seconds": seconds, "done": done}
                last_end = time.perf_counter()
            elif found := _UNDER_WAY.match(line):
                under_way = found["title"]
                done, total = (int(found[name].replace(",", "")) for name in ("done", "total"))
                reached = {"done": done, "total": total}
                if kill and under_way == kill[0] and done >= kill[1] * total:
                    os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        ended_at = time.perf_counter()
        seconds = ended_at - start
        peaks = watch.peaks(0.0, seconds)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"the command ended with exit code {code}; see {log}")
    if code:
        killed_in = under_way
        stages[killed_in] = {"seconds": round(ended_at - last_end, 1), "done": reached["done"]}
    return Attempt(killed_in, round(seconds, 1), stages, reached if code else {}, peaks)


def _logged_lines(process: subprocess.Popen[str], log: Path, start: float) -> Iterator[str]:
    assert process.stderr is not None
    with log.open("a", encoding="utf-8") as file:
        for line in process.stderr:
            file.write(f"{time.perf_counter() - start:9.1f} {line}")
            file.flush()
            yield line


def main() -> None:
    """Write the archives, run, and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--real", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--synthetic", type=Path, required=True, help="another one")
    parser.add_argument("--folder", type=Path, required=True, help="folder for the archives and the run")
    parser.add_argument("--images", type=int, default=1_000_000, help="of both datasets (default: 1,000,000)")
    parser.add_argument("--leave-out", help="name of a class that the synthetic dataset lacks")
    parser.add_argument("--levels", default="P2,P3,P4,P5,P6", help="levels to compare (default: all)")
    options = parser.parse_args()
    each = options.images // 2
    with ProcessPoolExecutor(_WORKERS) as pool:
        pending = [
            pool.submit(write_archives, options.real, options.folder / "real", each, seed=1),
            pool.submit(
                write_archives,
                options.synthetic,
                options.folder / "synthetic",
                each,
                seed=2,
                without=options.leave_out,
            ),
        ]
        for written in pending:
            written.result()
    run = options.folder / "run"
    patterns = [f"{name}={options.folder / name / '*.tar'}" for name in ("real", "synthetic")]
    command = [str(Path(sys.executable).parent / "gapscope"), "compare", *patterns, "--out", str(run)]
    command += ["--model", "bundled", "--size", str(_SIDE), "--cluster", "local", "--device", "cpu"]
    command += ["--levels", options.levels]
    attempts = _attempts_before(options)
    while not attempts or attempts[-1].killed_in:
        kill = _KILLS[len(attempts)] if len(attempts) < len(_KILLS) else None
        attempts.append(run_until(command, options.folder / "million.log", kill))
        write_result(options.out, _result(attempts, options))
    write_result(options.out, {**_result(attempts, options), **_answers(run)})


def _attempts_before(options: argparse.Namespace) -> list[Attempt]:
    """Return the attempts of a benchmark that was stopped."""
    if not (options.folder / "run").exists() or not options.out.exists():
        return []
    before = json.loads(options.out.read_text(encoding="utf-8"))
    return [Attempt(**attempt) for attempt in before["attempts"]]


def _result(attempts: list[Attempt], options: argparse.Namespace) -> dict[str, Any]:
    totals: dict[str, float] = {}
    for attempt in attempts:
        for title, stage in attempt.stages.items():
            totals[title] = round(totals.get(title, 0.0) + stage["seconds"], 1)
    return {
        "settings": {
            "images": options.images,
            "side": _SIDE,
            "workers": _WORKERS,
            "leave_out": options.leave_out,
            "levels": options.levels,
            "kills": [{"stage": stage, "share": share} for stage, share in _KILLS],
        },
        "rows": options.images,
        "seconds": round(sum(attempt.seconds for attempt in attempts), 1),
        "stage_seconds": totals,
        "attempts": [attempt._asdict() for attempt in attempts],
    }


def _answers(run: Path) -> dict[str, Any]:
    """Return the first kinds of images that the run named."""
    with (run / "gaps.csv").open(encoding="utf-8", newline="") as file:
        kinds = list(csv.DictReader(file))
    return {
        "kinds": len(kinds),
        "first_kinds": [{column: kind[column] for column in _KIND_COLUMNS} for kind in kinds[:_FIRST_KINDS]],
    }


if __name__ == "__main__":
    main()
