"""Is every row there, and every byte the same, after an hour of kills, Ctrl-C, full disks and files that vanish?

Photographs (crops of scikit-image's, or those of a folder) with some broken files among them are listed and embedded
once undisturbed. Then, round after round, the same is done in a process of its own that something happens to, drawn at
random from a seed: a worker or the whole command is killed, Ctrl-C is pressed, the disk is filled (where a small one
may be mounted), a file is away for a while, or nothing. The same command then goes on until it ends well. After each
round no row may be missing and all arrays must be equal to the undisturbed ones, bit by bit.

Beside it one process lives through all rounds, embeds the same images once in each, and says how much memory it holds;
its growth per round is fitted by least squares, over the rounds after the first quarter, with a 95% interval.

Takes `--minutes`, two cores and 2 GB of a temporary folder.
"""

import argparse
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import stats

from gapscope.bench.machine import machine
from gapscope.cluster import lazy_cluster
from gapscope.device import choose_device
from gapscope.progress import Silent
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.store.index import read_index
from gapscope.store.pyramid import open_embeddings, pending_blocks
from gapscope.store.run_record import RunRecord, open_or_create, read_run_record

LEVELS, SIZE = ("P3", "P5"), 96
FAULTS = ("worker killed", "command killed", "Ctrl-C", "Ctrl-C twice", "disk full", "file away", "nothing")
MOST_ATTEMPTS = 5
"""That something may happen to in a round; the one after them is left alone."""

_DISK_MIB = 96
_LONGEST_SECONDS = 600
_PHOTOGRAPHS = ("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png", "rocket.jpg")
_BEGUN = "begun"
_ENDINGS = {
    0: "finished",
    1: "failed, to go on",
    130: "stopped",
    # Ctrl-C after all was done, while Python takes itself down.
    -signal.SIGINT: "stopped at its end",
    -signal.SIGKILL: "killed",
}
_NO_PLACE = {2: "could not be begun"}
"""Also how the command may end where the disk is full before there is a run."""


def main() -> int:
    """Disturb for so long, print a line per round, write the JSON, and return 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    parser.add_argument("--minutes", type=float, default=60.0, help="no round begins after so long (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of what happens when (default: 0)")
    parser.add_argument("--images", type=Path, help="a folder of photographs (default: crops of scikit-image's)")
    parser.add_argument("--count", type=int, default=1500, help="photographs that are used (default: 1500)")
    parser.add_argument("--folder", type=Path, help="where runs are made (default: the system's)")
    parser.add_argument("--embed", nargs=3, metavar=("RUN", "IMAGES", "CLUSTER"), help=argparse.SUPPRESS)
    parser.add_argument("--update", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.embed:
        return as_a_command(*options.embed, update=options.update)
    if options.keep:
        return keep_going(options.keep)
    if not options.out:
        parser.error("the following arguments are required: --out")
    # A shell begins what it leaves in the background with SIGINT ignored, and every process below inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="soak-") as folder:
        found = soaked(Path(folder), options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{found['rounds']} rounds, {sum(found['faults'].values())} faults, {len(found['failures'])} failures")
    print(f"memory of the long-lived process: {found['memory']}")
    return 1 if found["failures"] else 0


def soaked(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what happened in all rounds, and what was wrong after them."""
    images = folder / "images"
    listed = write_images(images, options.images, options.count, options.seed)
    began = time.monotonic()
    embed(folder / "undisturbed", images, "inline")
    undisturbed = digests(folder / "undisturbed", listed)
    wanted = Expected(images, listed, undisturbed, time.monotonic() - began)
    chance = random.Random(options.seed)
    rounds: list[Round] = []
    failures: list[str] = []
    memory: list[float] = []
    with small_disk(folder / "disk") as disk, kept_process(images) as keeper:
        while time.monotonic() - began < options.minutes * 60 or not rounds:
            place = disk if disk is not None and chance.random() < 0.5 else folder
            this = one_round(place / "run", wanted, chance, on_small_disk=place == disk)
            failures += [f"round {len(rounds)}: {failure}" for failure in this.failures]
            memory.append(keeper.next_round(undisturbed))
            rounds.append(this)
            print(f"round {len(rounds)}: {this.said}; {memory[-1]:.0f} MB", flush=True)
    return {
        "seed": options.seed,
        "minutes": round((time.monotonic() - began) / 60, 2),
        "images": {"listed": listed, "size": SIZE, "levels": LEVELS, "from": str(options.images or "scikit-image")},
        "disk": f"{_DISK_MIB} MiB" if disk is not None else "none could be mounted, so none was filled",
        "rounds": len(rounds),
        "faults": {fault: sum(one.faults.count(fault) for one in rounds) for fault in FAULTS if fault != "nothing"},
        "endings": count_of(ending for one in rounds for ending in one.endings),
        "failures": failures,
        "memory": growth(memory),
        "memory_mb": [round(value, 1) for value in memory],
        "each": [{"faults": one.faults, "endings": one.endings, "seconds": round(one.seconds, 1)} for one in rounds],
        "machine": machine(),
    }


@dataclass(frozen=True)
class Expected:
    """What every round must end with."""

    images: Path
    listed: int
    digests: dict[str, str]
    seconds: float


@dataclass
class Round:
    """What happened in one round."""

    faults: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """The round in a line."""
        steps = [f"{fault}: {ending}" for fault, ending in zip(self.faults, self.endings, strict=True)]
        return f"{', '.join(steps)} in {self.seconds:.0f} s" + (f" FAILED {self.failures}" if self.failures else "")


def one_round(run: Path, wanted: Expected, chance: random.Random, *, on_small_disk: bool) -> Round:
    """Embed into `run` through whatever happens, hold it against the undisturbed run, and remove it."""
    this, began = Round(), time.monotonic()
    shutil.rmtree(run, ignore_errors=True)
    for attempt in range(MOST_ATTEMPTS + 1):
        choices = [fault for fault in FAULTS if fault != "disk full" or on_small_disk]
        fault = "nothing" if attempt == MOST_ATTEMPTS else chance.choice(choices)
        code, words = attempted(run, wanted, fault, chance)
        endings = _ENDINGS | (_NO_PLACE if fault == "disk full" else {})
        this.faults.append(fault)
        this.endings.append(endings.get(code, f"exit code {code}"))
        if code not in endings or "Traceback" in words:
            this.failures.append(f"{fault}: exit code {code}: {words[-2000:]}")
        if code == 0:
            break
    else:
        this.failures.append("left alone, it did not end well")
    # What was away is there again. Whatever was said on the way, the rows and the bytes are looked at.
    code, words = ended(started(run, wanted.images, "inline", update=True), wanted.images)
    this.failures += [f"--update: exit code {code}: {words[-2000:]}"] if code else differing(run, wanted)
    this.seconds = time.monotonic() - began
    shutil.rmtree(run, ignore_errors=True)
    return this


def attempted(run: Path, wanted: Expected, fault: str, chance: random.Random) -> tuple[int, str]:
    """Run the command, let `fault` happen to it, undo the fault, and return the exit code and what was said."""
    cluster = "local" if fault == "worker killed" else chance.choice(("inline", "local"))
    process = started(run, wanted.images, cluster)
    wait_for_begin(process, wanted.images)
    # From before the first image to after the last, as far as one can tell beforehand.
    wait_for(process, chance.uniform(0.0, 2.0 * wanted.seconds))
    away = chance.choice(sorted(wanted.images.glob("*.jpg")))
    aside, ballast = wanted.images.parent / "aside", run.parent / "ballast"
    if fault == "worker killed":
        for pid in chance.sample(workers := workers_of(process.pid), min(1, len(workers))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif fault == "command killed":
        signal_group(process, signal.SIGKILL)
    elif fault.startswith("Ctrl-C"):
        signal_group(process, signal.SIGINT)
        if fault.endswith("twice"):
            wait_for(process, 0.5)
            signal_group(process, signal.SIGINT)
    elif fault == "disk full":
        fill(ballast)
    elif fault == "file away":
        away.rename(aside)
    code, words = ended(process, wanted.images)
    ballast.unlink(missing_ok=True)
    if aside.exists():
        aside.rename(away)
    return code, words


def started(run: Path, images: Path, cluster: str, *, update: bool = False) -> "subprocess.Popen[bytes]":
    """Start the command in a process group of its own, as a terminal does."""
    command = [sys.executable, __file__, "--embed", str(run), str(images), cluster, *(["--update"] if update else [])]
    with _said(images).open("wb") as words:
        return subprocess.Popen(command, stdout=words, stderr=words, start_new_session=True)


def _said(images: Path) -> Path:
    return images.parent / "said.txt"


def wait_for_begin(process: "subprocess.Popen[bytes]", images: Path) -> None:
    """Wait until the command has imported what it needs: what happens before that is Python's to answer."""
    while process.poll() is None and _BEGUN not in _said(images).read_text(encoding="utf-8", errors="replace"):
        time.sleep(0.02)


def wait_for(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Wait so long, or until the process has ended."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def ended(process: "subprocess.Popen[bytes]", images: Path) -> tuple[int, str]:
    """Wait for the end of the command, and return its exit code and all that it said."""
    try:
        process.wait(timeout=_LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        process.wait()
        return 124, f"did not end in {_LONGEST_SECONDS} seconds"
    finally:
        # A command that was killed leaves its workers to find that out by themselves.
        signal_group(process, signal.SIGKILL)
    return process.returncode, _said(images).read_text(encoding="utf-8", errors="replace")


def signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the command and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def workers_of(pid: int) -> list[int]:
    """Return the Dask workers below a process."""
    found = []
    for child in children_of(pid):
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
        found += workers_of(child)
    return found


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def fill(ballast: Path) -> None:
    """Write a file until the disk is full."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(65536)) == 65536:
            pass


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Give a disk of `_DISK_MIB` MiB in memory; None where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def as_a_command(run: str, images: str, cluster: str, *, update: bool) -> int:
    """Embed as the command line does: a line for what goes wrong, and its exit codes."""
    import typer

    from gapscope_cli.errors import leave_at_once, reported_errors

    try:
        with reported_errors():
            print(_BEGUN, flush=True)
            embed(Path(run), Path(images), cluster, update=update)
    except typer.Exit as end:
        leave_at_once(end.exit_code)
        return end.exit_code
    return 0


def embed(run: Path, images: Path, cluster: str, *, update: bool = False) -> None:
    """List the images into a run and embed them with the bundled network: the part of a job that takes hours."""
    shown, file, device = Silent(), find_model("bundled").weights(), choose_device("cpu")
    settings = EmbedSettings(
        model="bundled",
        weights=str(file),
        weights_sha256=sha256_of(file),
        levels=LEVELS,
        preprocess=Preprocess(size=SIZE),
    )
    sources = {"photographs": open_source("photographs", str(images))}
    record = open_or_create(run, RunRecord(config={"datasets": {"photographs": str(images)}}, model={}, versions={}))
    list_datasets(run, record, sources, shown, update=update)
    with lazy_cluster(cluster, device.name, 10**9, shown) as connect:
        embed_datasets(run, record, sources, settings, device, connect, shown)


def differing(run: Path, wanted: Expected) -> list[str]:
    """Return what is not as it is in the undisturbed run."""
    found = digests(run, wanted.listed)
    return [
        f"{name} is {found.get(name)}, not {wanted.digests.get(name)}"
        for name in sorted({*found, *wanted.digests})
        if found.get(name) != wanted.digests.get(name)
    ]


def digests(run: Path, listed: int) -> dict[str, str]:
    """Return counts of rows, and the SHA-256 of every array and column, of a run that is done."""
    facts = read_run_record(run).datasets["photographs"]
    rows = {name: str(facts[name]) for name in ("listed", "read", "rejected")}
    rows["all accounted for"] = str(facts["read"] + facts["rejected"] == facts["listed"] == listed)
    rows["blocks to do"] = str(pending_blocks(run, "photographs"))
    for level in LEVELS:
        array = np.asarray(open_embeddings(run, "photographs", level)[...])
        rows[level] = hashlib.sha256(array.tobytes()).hexdigest()
    index = read_index(run, "photographs").to_pydict()
    for name, values in index.items():
        rows[f"index {name}"] = hashlib.sha256(repr(values).encode()).hexdigest()
    return rows


def write_images(folder: Path, given: Path | None, count: int, seed: int) -> int:
    """Write photographs, and some files that are none, into a folder; return how many there are."""
    folder.mkdir()
    for number, data in enumerate(photographs(given, count, seed)):
        (folder / f"{number:06d}.jpg").write_bytes(data)
    whole = next(iter(sorted(folder.iterdir()))).read_bytes()
    broken = {"cut.jpg": whole[: len(whole) // 2], "empty.jpg": b"", "words.jpg": b"no image", "zeros.jpg": bytes(9999)}
    for name, data in broken.items():
        (folder / f"999999-{name}").write_bytes(data)
    return len(list(folder.iterdir()))


def photographs(given: Path | None, count: int, seed: int) -> Iterator[bytes]:
    """Yield encoded images: the first ones of a folder, or random crops of scikit-image's."""
    if given is not None:
        source = open_source("given", str(given))
        for entry, _ in zip(source.entries(), range(count), strict=False):
            yield source.read(entry)
        return
    at_random = np.random.default_rng(seed)
    images = [
        Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB") for name in _PHOTOGRAPHS
    ]
    for number in range(count):
        image = images[number % len(images)]
        side = min(image.size) // 2
        left, top = (int(at_random.integers(0, length - side)) for length in image.size)
        file = io.BytesIO()
        image.crop((left, top, left + side, top + side)).resize((160, 160)).save(file, "JPEG", quality=90)
        yield file.getvalue()


class Keeper:
    """The process that lives through all rounds."""

    def __init__(self, process: "subprocess.Popen[str]", run: Path) -> None:
        self._process, self._run = process, run

    def next_round(self, undisturbed: dict[str, str]) -> float:
        """Let it embed once more, and return the memory that it and its decoders hold, in MB."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._run}\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if said["digests"] != undisturbed:
            raise AssertionError("the long-lived process gives other embeddings than at first")
        return float(said["mb"])


@contextmanager
def kept_process(images: Path) -> Iterator[Keeper]:
    """Give a process that embeds when it is asked to, and lives until the end."""
    command = [sys.executable, __file__, "--keep", str(images)]
    # As docs/reliability.md has it for processes that live long; kept.py measures what is kept without.
    alive = os.environ | {"MALLOC_ARENA_MAX": "2"}
    with subprocess.Popen(command, env=alive, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Keeper(process, images.parent / "kept")
        finally:
            assert process.stdin is not None
            process.stdin.close()


def keep_going(images: Path) -> int:
    """Embed into the folder that each line of the input names, and say how much memory that leaves in use."""
    for line in sys.stdin:
        run = Path(line.strip())
        embed(run, images, "inline")
        found = digests(run, len(list(images.iterdir())))
        shutil.rmtree(run)
        print(json.dumps({"digests": found, "mb": resident_mb()}), flush=True)
    return 0


def resident_mb() -> float:
    """Return what this process and those below it hold in memory, in MB."""
    waiting, pages = [os.getpid()], 0
    while waiting:
        pid = waiting.pop()
        waiting += children_of(pid)
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth(memory: list[float]) -> dict[str, Any]:
    """Return the slope of memory over rounds, in MB per round, with a 95% interval, leaving out the first quarter."""
    resolve_precision = memory[len(memory) // 4 :]
    if len(resolve_precision) < 3:
        return {"mb_per_round": None, "why": "fewer than three rounds"}
    fit = stats.linregress(np.arange(len(resolve_precision)), resolve_precision)
    across = float(stats.t.ppf(0.975, len(resolve_precision) - 2) * fit.stderr)
    return {
        "mb_per_round": round(float(fit.slope), 4),
        "low": round(float(fit.slope) - across, 4),
        "high": round(float(fit.slope) + across, 4),
        "rounds": len(resolve_precision),
    }


def count_of(values: Iterator[str]) -> dict[str, int]:
    """Return how often each value comes, the most frequent first."""
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return dict(sorted(found.items(), key=lambda one: -one[1]))


if __name__ == "__main__":
    sys.exit(main())
