"""Whatever goes wrong at whichever stage: what is finished is kept, and the same command ends with the same run.

`docs/reliability.md` has a row per test.
"""

import errno
import functools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import kill_at
import pytest
from quick_compare import DatasetFolders, quick_compare, read_run_files
from typer.testing import CliRunner

import gapscope
from gapscope.progress import Silent, Task
from gapscope.pyramid.network import load_pyramid
from gapscope_cli.main import app


@pytest.mark.slow
def test_killed_at_every_stage(folders: DatasetFolders, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, kill_at.__file__, str(run), *(f"{name}={source}" for name, source in folders.items())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:

        def kill_at_(point: str) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{point}\n")
            process.stdin.flush()
            assert (point, process.stdout.readline()) == (point, f"{-signal.SIGKILL}\n")
            assert (run / "lock.json").exists()
            return len(list(run.glob("pyramid.zarr/*/done/c/*")))

        before, after = list(kill_at.KILL_POINTS)[:-3], list(kill_at.KILL_POINTS)[-3:]
        done = dict(zip(before, map(kill_at_, before), strict=True))
        # Blocks that are finished stay so.
        assert list(done.values()) == sorted(done.values())
        # Two are under way at a time.
        assert done["embed"] < done["store"] == 3
        # The maps are drawn here: a child would have to compile UMAP first.
        with pytest.raises(KeyboardInterrupt):
            quick_compare(folders, run, progress=Meddler(_stop_at_outliers))
        *after, last = after
        for point in after:
            kill_at_(point)
        quick_compare(folders, run)
        assert read_run_files(run) == undisturbed
        kill_at_(last)
        assert not (run / "report").exists()
        quick_compare(folders, run)
        assert read_run_files(run) == undisturbed


def _stop_at_outliers(title: str) -> None:
    if title == "outliers":
        raise KeyboardInterrupt


STAGES = {
    "listing": ("gapscope.stages.listing", "write_index"),
    "decode": ("gapscope.stages.block", "_Decoding._decode"),
    "embed": ("gapscope.stages.block", "write_embeddings"),
    "store": ("gapscope.stages.embed", "merge_image_stats"),
    "neighbors": ("gapscope.stages.neighbors", "write_neighbor_rows"),
    "layout": ("gapscope.stages.layout", "write_layout"),
    "compare": ("gapscope.stages.compare_level", "write_manifest"),
    "report": ("gapscope.stages.report", "write_page"),
}
"""What each stage does last, or to each of its pieces."""

FAULTS: dict[str, tuple[type[Exception], tuple[Any, ...]]] = {
    "exception": (ZeroDivisionError, ("a mistake in the code",)),
    "full disk": (OSError, (errno.ENOSPC, "No space left on device")),
    "read error": (OSError, (errno.EIO, "Input/output error")),
    "wrong permissions": (OSError, (errno.EACCES, "Permission denied")),
}


@pytest.mark.slow
def test_every_fault_at_every_stage(
    folders: DatasetFolders, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    # Each command loads the same network, and here nothing else takes so long.
    monkeypatch.setattr("gapscope.stages.pipeline.load_pyramid", functools.cache(load_pyramid))
    options = ["--model", "bundled", "--levels", "P3,P5", "--size", "64", "--n-epochs", "11", "--cluster", "inline"]
    given = ["compare", *(f"{name}={source}" for name, source in folders.items()), "--out", str(run), *options]
    for module, name in STAGES.values():
        # The first leaves a part of the work done, the others find the rest. Of some stages there is one piece.
        first = 1 if name == "write_page" else 2
        for call, (kind, said) in zip([first, 1, 1, 1], FAULTS.values(), strict=True):
            with monkeypatch.context() as patch:
                _fail_from(patch, module, name, call, functools.partial(kind, *said))
                ended = CliRunner().invoke(app, given)
            if not issubclass(kind, OSError):
                # A mistake is not dressed up as the user's.
                assert isinstance(ended.exception, kind)
            else:
                assert ended.exit_code == 1, ended.output
                lines = [line for line in ended.stderr.splitlines() if line.startswith("gapscope: ")]
                assert len(lines) == 1
                assert said[1] in lines[0]
                assert "Traceback" not in ended.output
            assert not (run / "lock.json").exists()
        assert gapscope.verify(run).faults == []
    quick_compare(folders, run)
    assert read_run_files(run) == undisturbed


def _fail_from(patch: pytest.MonkeyPatch, module: str, name: str, call: int, error: Callable[[], Exception]) -> None:
    """Let a function raise an error at one of its calls, and at all that follow."""
    owner, _, attribute = name.rpartition(".")
    target = getattr(import_module(module), owner) if owner else import_module(module)
    real, called = getattr(target, attribute), [0]

    def fails(*given: Any, **named: Any) -> Any:
        called[0] += 1
        if called[0] >= call:
            raise error()
        return real(*given, **named)

    patch.setattr(target, attribute, fails)


class Meddler(Silent):
    """Does something whenever a piece of work begins."""

    def __init__(self, meddle: Any) -> None:
        self._meddle = meddle

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        self._meddle(title)
        with super().task(title, total, unit) as task:
            yield task


@pytest.mark.slow
def test_a_second_command_at_every_stage(
    folders: DatasetFolders, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    run, refused = tmp_path / "run", {}

    def second(title: str) -> None:
        for command in (["report", str(run)], ["verify", str(run)], ["verify", str(run), "--repair"]):
            ended = CliRunner().invoke(app, command)
            assert ended.exit_code == 2, ended.output
            refused[title, *command[::2]] = ended.stderr
        with pytest.raises(gapscope.RunError, match="is in use by gapscope compare, process"):
            quick_compare(folders, run)

    quick_compare(folders, run, progress=Meddler(second))
    assert {title.split()[0] for title, *_ in refused} == {
        "listing", "embedding", "neighbors", "layout", "outliers", "classes", "columns", "kinds", "manifests",
        "thumbnails", "likeness",
    }  # fmt: skip
    assert read_run_files(run) == undisturbed


# Set back, Dask waits until the clock is where it was.
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [86_400.0, -0.2])
def test_a_clock_that_jumps_at_every_stage(
    folders: DatasetFolders,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    jumped, real = [0.0], time.time

    def jump(_: str) -> None:
        jumped[0] += seconds

    def now() -> float:
        return real() + jumped[0]

    # Dask's modules have each their own name for it, Tornado asks as everybody does.
    for name, module in list(sys.modules.items()):
        if name.startswith("distributed.") and getattr(module, "time", None) is real:
            monkeypatch.setattr(module, "time", now)
    monkeypatch.setattr(time, "time", now)
    quick_compare(folders, tmp_path / "run", progress=Meddler(jump))
    assert jumped[0] / seconds >= 6
    assert read_run_files(tmp_path / "run") == undisturbed
