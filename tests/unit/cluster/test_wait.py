"""A cluster that is starting is waited for: its scheduler, its scheduler file, and its workers."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster
from recording_progress import RecordingProgress

import gapscope
from gapscope.cluster import wait, wait_for_workers, worker_setup

NOBODY = "tcp://127.0.0.1:1"


@contextmanager
def cluster(workers: int) -> Iterator[LocalCluster]:
    """A scheduler and workers in this process, which others reach by TCP."""
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=workers,
            processes=False,
            threads_per_worker=1,
            protocol="tcp://",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        ) as started,
    ):
        yield started


@contextmanager
def meanwhile(seconds: float, change: Callable[[], object]) -> Iterator[None]:
    timer = threading.Timer(seconds, change)
    timer.start()
    yield
    timer.join()


@pytest.fixture(autouse=True)
def _told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_SILENT_SECONDS", 0.2)
    monkeypatch.setattr(wait, "_SETTLE_SECONDS", 1.5)
    monkeypatch.setattr(wait, "_POLL_SECONDS", 0.05)


def test_workers_are_waited_for_until_no_other_joins() -> None:
    progress = RecordingProgress()
    with cluster(0) as starting:

        def join_one_after_the_other() -> None:
            starting.scale(1)
            time.sleep(0.3)
            starting.scale(2)

        with meanwhile(0.4, join_one_after_the_other):
            joined = wait_for_workers(starting.scheduler_address, 30, progress=progress)
    assert len(joined) == 2
    assert set(joined.values()) == {"127.0.0.1"}
    assert re.fullmatch(r"waiting up to \d+ s for a worker to join", progress.notes[0])


def test_a_number_of_workers_is_waited_for_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_SETTLE_SECONDS", 1000)
    with cluster(1) as running:
        assert len(wait_for_workers(running.scheduler_address, 30, n_workers=1)) == 1
        with pytest.raises(gapscope.ClusterError, match=r"only 1 of 3 workers joined within 0\.4 s"):
            wait_for_workers(running.scheduler_address, 0.4, n_workers=3)
        # Looking once takes those that are there.
        assert len(wait_for_workers(running.scheduler_address, 0)) == 1


def test_where_no_worker_joins_is_said() -> None:
    with cluster(0) as empty:
        with pytest.raises(gapscope.ClusterError, match=r"no worker joined within 0\.3 s"):
            wait_for_workers(empty.scheduler_address, 0.3)
        with pytest.raises(gapscope.ClusterError, match="a scheduler, but no worker"):
            wait_for_workers(empty.scheduler_address, 0)


def test_a_scheduler_file_that_appears_later_is_read_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_MAX_CONNECT_SECONDS", 0.3)
    file, progress = tmp_path / "scheduler.json", RecordingProgress()
    with cluster(1) as running:

        def write() -> None:
            # A stale file, then the one of a scheduler that is being started, which Dask creates empty.
            for content in (json.dumps({"address": NOBODY}), "", json.dumps({"address": running.scheduler_address})):
                file.write_text(content)
                time.sleep(0.2)

        with meanwhile(0.4, write):
            assert len(wait_for_workers(str(file), 30, 1, progress)) == 1
    assert re.fullmatch(r"waiting up to \d+ s for the scheduler", progress.notes[0])


def test_a_scheduler_that_goes_away_is_waited_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_MAX_CONNECT_SECONDS", 0.3)
    file = tmp_path / "scheduler.json"
    with cluster(0) as first, cluster(1) as second:
        file.write_text(json.dumps({"address": first.scheduler_address}))

        def replace() -> None:
            file.write_text(json.dumps({"address": second.scheduler_address}))
            first.close()

        with meanwhile(0.5, replace):
            assert wait_for_workers(str(file), 30, 1).keys() == second.scheduler_info["workers"].keys()


@pytest.mark.parametrize(
    ("named", "message"),
    [("none.json", r"no scheduler wrote this file within 0\.3 s"), (NOBODY, r"no scheduler answered within 0\.3 s \(")],
)
def test_where_no_scheduler_comes_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gapscope.ClusterError, match=message):
        wait_for_workers(named, 0.3)


def test_another_version_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_setup, "version", lambda name: "9.9" if name == "gapscope" else gapscope.__version__)
    with cluster(1) as running, pytest.raises(gapscope.ClusterError, match=r"this command is gapscope 9\.9"):
        wait_for_workers(running.scheduler_address, 1000, n_workers=5)
