"""Soak test: whether a run is complete and equal, bit by bit, after an hour of kills, Ctrl-C, full disks, lost files.

Photographs (crops of scikit-image's, or those of a folder), with some broken files among them, are listed and embedded
once without faults. Then, round after round, a process of its own does the same while a random fault (from a seed)
happens to it: a worker or the whole command is killed, Ctrl-C is pressed, the disk is filled (if a small one can be
mounted), a file is moved away for a while, or nothing. The same command is repeated until it succeeds. After each round
no row may be missing, and every array must equal that of the first run, bit by bit.

In parallel, one long-lived process embeds the same images once per round and reports how much memory it holds. The
growth per round is fitted by least squares over the rounds after the first quarter, with a 95% interval.

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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from gapscope.cluster import lazy_cluster
from gapscope.device import choose_device
from gapscope.progress import Silent
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.store.index import read_index
from gapscope.store.pyramid import open_embeddings, pending_blocks
from gapscope.store.run_store import open_store

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from images import PHOTOGRAPHS, random_crop, skimage_photograph
from networks import bundled_settings
from runs import start_run

LEVELS, SIZE = ("P3", "P5"), 96
FAULTS = ("worker killed", "command killed", "Ctrl-C", "Ctrl-C twice", "disk full", "file away", "nothing")
MAX_FAULTS = 5
"""Attempts per round that a fault may disturb; the next attempt runs without a fault."""

_DISK_MIB = 96
_MAX_SECONDS = 600
_STARTED = "started"
"""The line that the command prints once its imports are done."""
_ENDINGS = {
    0: "finished",
    1: "failed, to go on",
    130: "stopped",
    # Ctrl-C after all work was done, while Python shuts down.
    -signal.SIGINT: "stopped at its end",
    -signal.SIGKILL: "killed",
}
_DISK_FULL_ENDINGS = {2: "could not be begun"}
"""How the command may also end if the disk is full before the run exists."""


def main() -> int:
    """Run rounds for some time, print a line for each, write the JSON, and return 0 if nothing was lost."""
    match sys.argv[1:]:
        case ["embed", run, images, cluster, *flags]:
            return embed_as_command(run, images, cluster, update="--update" in flags)
        case ["embed-repeatedly", images]:
            return embed_repeatedly(Path(images))
    parser = argument_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="minutes after which no round starts (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the faults (default: 0)")
    parser.add_argument("--images", type=Path, help="a folder of photographs (default: crops of scikit-image's)")
    parser.add_argument("--count", type=int, default=1500, help="number of photographs (default: 1500)")
    parser.add_argument("--folder", type=Path, help="folder for the runs (default: the system's temporary one)")
    options = parser.parse_args()
    # A shell starts background jobs with SIGINT ignored, and every child process inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="soak-") as folder:
        result = run_rounds(Path(folder), options)
    write_result(options.out, result)
    print(f"{result['rounds']} rounds, {sum(result['faults'].values())} faults, {len(result['failures'])} failures")
    print(f"memory of the long-lived process: {result['memory']}")
    return 1 if result["failures"] else 0


def run_rounds(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the faults and endings of all rounds, and all failures."""
    images = folder / "images"
    listed = write_images(images, options.images, options.count, options.seed)
    start = time.monotonic()
    embed(folder / "undisturbed", images, "inline")
    undisturbed = digests(folder / "undisturbed", listed)
    expected = Expected(images, listed, undisturbed, time.monotonic() - start)
    generator = random.Random(options.seed)
    rounds: list[Round] = []
    failures: list[str] = []
    memory: list[float] = []
    with small_disk(folder / "disk") as disk, long_lived_process(images) as long_lived:
        while time.monotonic() - start < options.minutes * 60 or not rounds:
            parent = disk if disk is not None and generator.random() < 0.5 else folder
            current = run_round(parent / "run", expected, generator, on_small_disk=parent == disk)
            failures += [f"round {len(rounds)}: {failure}" for failure in current.failures]
            memory.append(long_lived.embed_again(undisturbed))
            rounds.append(current)
            print(f"round {len(rounds)}: {current.summary}; {memory[-1]:.0f} MB", flush=True)
    return {
        "seed": options.seed,
        "minutes": round((time.monotonic() - start) / 60, 2),
        "images": {"listed": listed, "size": SIZE, "levels": LEVELS, "from": str(options.images or "scikit-image")},
        "disk": f"{_DISK_MIB} MiB" if disk is not None else "none could be mounted, so none was filled",
        "rounds": len(rounds),
        "faults": {fault: sum(each.faults.count(fault) for each in rounds) for fault in FAULTS if fault != "nothing"},
        "endings": count_of(ending for each in rounds for ending in each.endings),
        "failures": failures,
        "memory": growth(memory),
        "memory_mb": [round(value, 1) for value in memory],
        "each": [
            {"faults": each.faults, "endings": each.endings, "seconds": round(each.seconds, 1)} for each in rounds
        ],
    }


@dataclass(frozen=True)
class Expected:
    """The result that every round must have.

    Attributes:
        images: folder of the images.
        listed: number of files in it.
        digests: of the run without faults.
        seconds: that the run without faults took.
    """

    images: Path
    listed: int
    digests: dict[str, str]
    seconds: float


@dataclass
class Round:
    """Faults, endings and failures of one round, in order."""

    faults: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def summary(self) -> str:
        """The round in one line."""
        steps = [f"{fault}: {ending}" for fault, ending in zip(self.faults, self.endings, strict=True)]
        return f"{', '.join(steps)} in {self.seconds:.0f} s" + (f" FAILED {self.failures}" if self.failures else "")


def run_round(run: Path, expected: Expected, generator: random.Random, *, on_small_disk: bool) -> Round:
    """Embed into `run` despite faults, compare it with the run without faults, and remove it."""
    current, start = Round(), time.monotonic()
    shutil.rmtree(run, ignore_errors=True)
    for attempt in range(MAX_FAULTS + 1):
        choices = [fault for fault in FAULTS if fault != "disk full" or on_small_disk]
        fault = "nothing" if attempt == MAX_FAULTS else generator.choice(choices)
        code, output = run_attempt(run, expected, fault, generator)
        endings = _ENDINGS | (_DISK_FULL_ENDINGS if fault == "disk full" else {})
        current.faults.append(fault)
        current.endings.append(endings.get(code, f"exit code {code}"))
        if code not in endings or "Traceback" in output:
            current.failures.append(f"{fault}: exit code {code}: {output[-2000:]}")
        if code == 0:
            break
    else:
        current.failures.append("it did not end well without a fault either")
    # A file that was moved away is back. The rows and the bytes are checked whatever the output was.
    code, output = wait_for_end(start_command(run, expected.images, "inline", update=True), expected.images)
    current.failures += [f"--update: exit code {code}: {output[-2000:]}"] if code else differences(run, expected)
    current.seconds = time.monotonic() - start
    shutil.rmtree(run, ignore_errors=True)
    return current


def run_attempt(run: Path, expected: Expected, fault: str, generator: random.Random) -> tuple[int, str]:
    """Run the command, inject `fault`, undo the fault, and return the exit code and the output."""
    cluster = "local" if fault == "worker killed" else generator.choice(("inline", "local"))
    process = start_command(run, expected.images, cluster)
    wait_for_start(process, expected.images)
    # Some time from before the first image to after the last, by the duration of the run without faults.
    wait(process, generator.uniform(0.0, 2.0 * expected.seconds))
    image = generator.choice(sorted(expected.images.glob("*.jpg")))
    moved, ballast = expected.images.parent / "aside", run.parent / "ballast"
    if fault == "worker killed":
        for pid in generator.sample(workers := workers_of(process.pid), min(1, len(workers))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif fault == "command killed":
        signal_group(process, signal.SIGKILL)
    elif fault.startswith("Ctrl-C"):
        signal_group(process, signal.SIGINT)
        if fault.endswith("twice"):
            wait(process, 0.5)
            signal_group(process, signal.SIGINT)
    elif fault == "disk full":
        fill(ballast)
    elif fault == "file away":
        image.rename(moved)
    code, output = wait_for_end(process, expected.images)
    ballast.unlink(missing_ok=True)
    if moved.exists():
        moved.rename(image)
    return code, output


def start_command(run: Path, images: Path, cluster: str, *, update: bool = False) -> "subprocess.Popen[bytes]":
    """Start the command in a process group of its own, as a terminal does."""
    command = [sys.executable, __file__, "embed", str(run), str(images), cluster, *(["--update"] if update else [])]
    with _output_file(images).open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)


def _output_file(images: Path) -> Path:
    return images.parent / "output.txt"


def wait_for_start(process: "subprocess.Popen[bytes]", images: Path) -> None:
    """Wait until the command has finished its imports, since a fault before that only tests Python."""
    while process.poll() is None and _STARTED not in _output_file(images).read_text(encoding="utf-8", errors="replace"):
        time.sleep(0.02)


def wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Wait for some seconds, or until the process ends."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def wait_for_end(process: "subprocess.Popen[bytes]", images: Path) -> tuple[int, str]:
    """Wait for the end of the command, and return its exit code and its output."""
    try:
        process.wait(timeout=_MAX_SECONDS)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        process.wait()
        return 124, f"did not end in {_MAX_SECONDS} seconds"
    finally:
        # Workers of a killed command would run on until they notice that it is gone.
        signal_group(process, signal.SIGKILL)
    return process.returncode, _output_file(images).read_text(encoding="utf-8", errors="replace")


def signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the command and all processes that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def workers_of(pid: int) -> list[int]:
    """Return the Dask workers below a process."""
    workers = []
    for child in children_of(pid):
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                workers.append(child)
        workers += workers_of(child)
    return workers


def children_of(pid: int) -> list[int]:
    """Return the running child processes of a process."""
    children: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    return children


def fill(ballast: Path) -> None:
    """Write a file until the disk is full."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(65536)) == 65536:
            pass


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a disk of `_DISK_MIB` MiB in memory and yield it; None if it cannot be mounted."""
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


def embed_as_command(run: str, images: str, cluster: str, *, update: bool) -> int:
    """Embed like the command line: one line per error, and its exit codes."""
    import typer

    from gapscope_cli.errors import leave_at_once, reported_errors

    try:
        with reported_errors():
            print(_STARTED, flush=True)
            embed(Path(run), Path(images), cluster, update=update)
    except typer.Exit as end:
        leave_at_once(end.exit_code)
        return end.exit_code
    return 0


def embed(run: Path, images: Path, cluster: str, *, update: bool = False) -> None:
    """List the images into a run and embed them with the bundled network: the part of a job that takes hours."""
    progress, device = Silent(), choose_device("cpu")
    settings = bundled_settings(SIZE, levels=LEVELS)
    sources = {"photographs": open_source("photographs", str(images))}
    store = start_run(run, list(sources), settings)
    list_datasets(store, sources, progress, update=update)
    with lazy_cluster(cluster, device.name, 10**9, progress) as connect:
        embed_datasets(store, sources, settings, device, connect, progress)


def differences(run: Path, expected: Expected) -> list[str]:
    """Return in words where a run differs from the run without faults."""
    actual = digests(run, expected.listed)
    return [
        f"{name} is {actual.get(name)}, not {expected.digests.get(name)}"
        for name in sorted({*actual, *expected.digests})
        if actual.get(name) != expected.digests.get(name)
    ]


def digests(path: Path, listed: int) -> dict[str, str]:
    """Return row counts, and the SHA-256 of every array and column, of a finished run."""
    run = open_store(path)
    counts = run.record.datasets["photographs"]
    result = {name: str(getattr(counts, name)) for name in ("listed", "read", "rejected")}
    result["all accounted for"] = str((counts.read or 0) + (counts.rejected or 0) == counts.listed == listed)
    result["blocks to do"] = str(pending_blocks(run, "photographs"))
    for level in LEVELS:
        array = np.asarray(open_embeddings(run, "photographs", level)[...])
        result[level] = hashlib.sha256(array.tobytes()).hexdigest()
    index = read_index(run, "photographs").to_pydict()
    for name, values in index.items():
        result[f"index {name}"] = hashlib.sha256(repr(values).encode()).hexdigest()
    return result


def write_images(folder: Path, photograph_folder: Path | None, count: int, seed: int) -> int:
    """Write photographs and some broken files into `folder`; return the number of files."""
    folder.mkdir()
    for number, data in enumerate(encoded_photographs(photograph_folder, count, seed)):
        (folder / f"{number:06d}.jpg").write_bytes(data)
    intact = next(iter(sorted(folder.iterdir()))).read_bytes()
    broken = {
        "cut.jpg": intact[: len(intact) // 2],
        "empty.jpg": b"",
        "words.jpg": b"no image",
        "zeros.jpg": bytes(9999),
    }
    for name, data in broken.items():
        (folder / f"999999-{name}").write_bytes(data)
    return len(list(folder.iterdir()))


def encoded_photographs(folder: Path | None, count: int, seed: int) -> Iterator[bytes]:
    """Yield encoded images: the first ones of a folder, or random crops of scikit-image's."""
    if folder is not None:
        source = open_source("photographs", str(folder))
        for entry, _ in zip(source.entries(), range(count), strict=False):
            yield source.read(entry)
        return
    generator = np.random.default_rng(seed)
    images = [skimage_photograph(name) for name in PHOTOGRAPHS]
    for number in range(count):
        image = images[number % len(images)]
        file = io.BytesIO()
        random_crop(image, min(image.size) // 2, generator).resize((160, 160)).save(file, "JPEG", quality=90)
        yield file.getvalue()


class LongLived:
    """The process that lives through all rounds."""

    def __init__(self, process: "subprocess.Popen[str]", run: Path) -> None:
        self._process, self._run = process, run

    def embed_again(self, undisturbed: dict[str, str]) -> float:
        """Let the process embed once more, and return the memory that it and its decoders hold, in MB.

        Raises:
            AssertionError: its embeddings differ from those of the first run.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._run}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["digests"] != undisturbed:
            raise AssertionError("the long-lived process gives other embeddings than at first")
        return float(answer["mb"])


@contextmanager
def long_lived_process(images: Path) -> Iterator[LongLived]:
    """Start a process that embeds on request and lives until the end."""
    command = [sys.executable, __file__, "embed-repeatedly", str(images)]
    # docs/reliability.md recommends this for long-lived processes; docs/design/heaps.md has the growth without it.
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield LongLived(process, images.parent / "kept")
        finally:
            assert process.stdin is not None
            process.stdin.close()


def embed_repeatedly(images: Path) -> int:
    """Embed into the folder that each line of the input names, and print how much memory remains in use."""
    for line in sys.stdin:
        run = Path(line.strip())
        embed(run, images, "inline")
        actual = digests(run, len(list(images.iterdir())))
        shutil.rmtree(run)
        print(json.dumps({"digests": actual, "mb": resident_mb()}), flush=True)
    return 0


def resident_mb() -> float:
    """Return the resident memory of this process and its descendants, in MB."""
    pids, pages = [os.getpid()], 0
    while pids:
        pid = pids.pop()
        pids += children_of(pid)
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth(memory: list[float]) -> dict[str, Any]:
    """Return the slope of memory over rounds, in MB per round, with a 95% interval, without the first quarter."""
    later_rounds = memory[len(memory) // 4 :]
    if len(later_rounds) < 3:
        return {"mb_per_round": None, "why": "fewer than three rounds"}
    fit = stats.linregress(np.arange(len(later_rounds)), later_rounds)
    margin = float(stats.t.ppf(0.975, len(later_rounds) - 2) * fit.stderr)
    return {
        "mb_per_round": round(float(fit.slope), 4),
        "low": round(float(fit.slope) - margin, 4),
        "high": round(float(fit.slope) + margin, 4),
        "rounds": len(later_rounds),
    }


def count_of(values: Iterator[str]) -> dict[str, int]:
    """Return how often each value occurs, the most frequent first."""
    return dict(Counter(values).most_common())


if __name__ == "__main__":
    sys.exit(main())
