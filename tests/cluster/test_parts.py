"""Neighbors in parts: the same bytes from any number of workers, from workers that leave and join, and after kills."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kill_in_parts
import pytest
from dask_processes import DaskProcesses
from distributed import Client
from kill_in_parts import KILL_POINTS, find, partition_finely, read_neighbors_files, write_run

from gapscope.cluster import run_jobs
from gapscope.store.run_store import open_store

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    command = [sys.executable, kill_in_parts.__file__, str(run)]
    subprocess.run(command, input="nowhere\n", text=True, check=True, capture_output=True)
    return read_neighbors_files(run)


@pytest.fixture
def finely(monkeypatch: pytest.MonkeyPatch) -> Callable[[Client], None]:
    partition_finely(monkeypatch.setattr)

    def on_workers(client: Client) -> None:
        source = Path(kill_in_parts.__file__).parent

        def patch() -> None:
            import sys

            sys.path.insert(0, str(source))
            import kill_in_parts

            kill_in_parts.partition_finely(setattr)

        client.run(patch)

    return on_workers


@pytest.mark.parametrize("workers", [1, 8])
def test_any_number_of_workers_writes_the_same_bytes(
    processes: DaskProcesses,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    finely: Callable[[Client], None],
    workers: int,
) -> None:
    processes.start_scheduler()
    for number in range(workers):
        processes.start_worker(f"worker {number}")
    client = processes.connect(workers)
    finely(client)
    run = write_run(tmp_path / "run")
    find(run, lambda: client)
    assert read_neighbors_files(tmp_path / "run") == undisturbed


def test_a_worker_that_is_told_to_end_and_one_that_joins_change_nothing(
    processes: DaskProcesses,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    finely: Callable[[Client], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes.start_scheduler()
    for name in ("first", "second"):
        processes.start_worker(name)
    client = processes.connect(2)
    finely(client)
    ended: list[float] = []

    def disturbed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, result in enumerate(run_jobs(*args, **kwargs)):
            yield result
            if number == 14:
                began = time.monotonic()
                processes.by_name["first"].send_signal(signal.SIGTERM)
                processes.by_name["first"].wait(timeout=60)
                ended.append(time.monotonic() - began)
            if number == 16:
                processes.start_worker("late")
                finely(processes.connect(2))

    monkeypatch.setattr("gapscope.stages.partitioned_search.run_jobs", disturbed)
    run = write_run(tmp_path / "run")
    find(run, lambda: client)
    assert ended[0] < 20
    assert read_neighbors_files(tmp_path / "run") == undisturbed


def test_a_worker_ends_within_twenty_seconds_of_being_told_whatever_it_is_at(processes: DaskProcesses) -> None:
    processes.start_scheduler()
    processes.start_worker("busy")
    client = processes.connect(1)
    client.submit(time.sleep, 300, pure=False)
    while not any(client.call_stack().values()):
        time.sleep(0.1)
    told = time.monotonic()
    processes.by_name["busy"].send_signal(signal.SIGTERM)
    processes.by_name["busy"].wait(timeout=60)
    assert time.monotonic() - told < 20


def test_killed_at_every_step(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, kill_in_parts.__file__, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for point in [*KILL_POINTS, "nowhere"]:
            process.stdin.write(f"{point}\n")
            process.stdin.flush()
            expected = 0 if point == "nowhere" else -signal.SIGKILL
            assert (point, process.stdout.readline()) == (point, f"{expected}\n")
    assert read_neighbors_files(run) == undisturbed
    assert open_store(run).record.levels == ("P4", "P5")
