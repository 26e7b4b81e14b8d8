"""One command at a time works on a run: who comes second is told whom it waits for, and the dead hold nobody up."""

import errno
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from recording_progress import RecordingProgress

from gapscope.errors import RunError
from gapscope.progress import Silent
from gapscope.store import lock
from gapscope.store.atomic import write_text
from gapscope.store.location import resolve_location
from gapscope.store.lock import NAME, RunLock, check_free, run_lock


def leave(run: Path, **owner: Any) -> None:
    """A lock as a command that was killed leaves it."""
    run.mkdir(exist_ok=True)
    with run_lock(run, "gapscope compare", Silent()):
        left = json.loads((run / NAME).read_text())
    (run / NAME).write_text(json.dumps(left | owner))


def dead() -> int:
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_WATCH_SECONDS", 0.2)
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.02)


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_who_comes_second_is_told_who_works_there(tmp_path: Path, where: str) -> None:
    run = tmp_path / "run" if where == "folder" else resolve_location(f"memory://lock-{tmp_path.name}/run")
    with run_lock(run, "gapscope compare", Silent()):
        with (
            pytest.raises(RunError, match=rf"in use by gapscope compare, process {os.getpid()} of .* since 20.*: wait"),
            run_lock(run, "gapscope report", Silent()),
        ):
            pass
        with pytest.raises(RunError, match="in use"):
            check_free(run, Silent())
    assert not (run / NAME).exists()
    check_free(run, Silent())
    with run_lock(run, "gapscope report", Silent()):
        pass


@pytest.mark.parametrize("how", ["gone", "number taken by another", "ended and not yet buried"])
def test_a_lock_of_a_process_that_is_gone_is_taken_over_with_a_note(tmp_path: Path, how: str) -> None:
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        if how == "gone":
            leave(tmp_path, pid=dead())
        elif how == "number taken by another":
            leave(tmp_path, started=1)
        else:
            stat = lock._stat(zombie.pid)
            assert stat is not None
            leave(tmp_path, pid=zombie.pid, started=stat[1])
        progress = RecordingProgress()
        with run_lock(tmp_path, "gapscope compare", progress):
            assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert len(progress.notes) == 1
    assert "left locked by gapscope compare, process" in progress.notes[0]
    assert list(tmp_path.iterdir()) == []


@contextmanager
def beating(run: Path) -> Iterator[None]:
    """Another host that works on the run."""
    ended = threading.Event()

    def beat() -> None:
        number = 0
        while not ended.wait(0.01):
            number += 1
            content = json.loads((run / NAME).read_text())
            write_text(run / NAME, json.dumps(content | {"beat": number}))

    thread = threading.Thread(target=beat)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.usefixtures("impatient")
def test_an_owner_on_another_host_is_watched(tmp_path: Path) -> None:
    leave(tmp_path, host="elsewhere", processes="another boot pid:[1]", pid=os.getpid())
    progress = RecordingProgress()
    with (
        beating(tmp_path),
        pytest.raises(RunError, match=r"in use by .* on elsewhere"),
        run_lock(tmp_path, "gapscope compare", progress),
    ):
        pass
    assert "watching for up to" in progress.notes[0]
    assert f"remove {tmp_path / NAME}" in progress.notes[0]
    with run_lock(tmp_path, "gapscope compare", progress):
        pass
    assert "taken over" in progress.notes[-1]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\x00\xff"])
def test_a_damaged_lock_holds_nobody_up_for_long(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    progress = RecordingProgress()
    with run_lock(tmp_path, "gapscope compare", progress):
        pass
    assert "cannot be named" in progress.notes[-1]


def test_whoever_was_taken_for_gone_stops(tmp_path: Path) -> None:
    with run_lock(tmp_path, "gapscope compare", Silent()) as hold:
        hold._beat_once()
        hold.check()
        mine = json.loads((tmp_path / NAME).read_text())
        assert mine["beat"] == 1
        # Removed by hand: still nobody else's.
        (tmp_path / NAME).unlink()
        hold._beat_once()
        hold.check()
        theirs = json.dumps(mine | {"token": "another", "host": "elsewhere"})
        (tmp_path / NAME).write_text(theirs)
        hold._beat_once()
        with pytest.raises(RunError, match=r"taken over by gapscope compare, .* on elsewhere"):
            hold.check()
    assert (tmp_path / NAME).read_text() == theirs


def test_it_beats_by_itself_and_a_disk_that_fails_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, failed = threading.Event(), threading.Event()

    def fails(self: RunLock) -> None:
        if tried.is_set():
            failed.set()
        tried.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock, "_BEAT_SECONDS", 0.001)
    monkeypatch.setattr(RunLock, "_beat_once", fails)
    with run_lock(tmp_path, "gapscope compare", Silent()) as hold:
        assert failed.wait(30)
        hold.check()


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuses)
    with (
        run_lock(tmp_path, "gapscope compare", Silent()),
        pytest.raises(RunError, match="in use"),
        run_lock(tmp_path, "gapscope compare", Silent()),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_of_many_at_once_one_has_it(tmp_path: Path) -> None:
    leave(tmp_path, pid=dead())
    start, inside, most, refused = threading.Barrier(8), [0], [0], []
    within = threading.Barrier(8)

    def command() -> None:
        start.wait()
        try:
            with run_lock(tmp_path, "gapscope compare", Silent()):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                within.wait()
                inside[0] -= 1
        except RunError:
            refused.append(1)
            within.wait()

    threads = [threading.Thread(target=command) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, len(refused)) == ([1], 7)
    assert list(tmp_path.iterdir()) == []
