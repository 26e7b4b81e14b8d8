"""A run has the same bytes on every cluster, whatever happens to the cluster."""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster, Worker
from distributed.comm.core import CommClosedError
from distributed.utils import All
from recording_progress import RecordingProgress

import gapscope
from gapscope.cluster import open_cluster, run_jobs, workers_per_host
from gapscope.cluster.jobs import _run_on_worker
from gapscope.cluster.launch import _resolve_auto
from gapscope.stages import block

pytestmark = pytest.mark.cluster

Folders = tuple[Path, Path]


@pytest.fixture(scope="module")
def nine_blocks(tmp_path_factory: pytest.TempPathFactory, two_folders: Folders) -> Folders:
    """The images of `two_folders` under enough names for nine blocks."""
    folder = tmp_path_factory.mktemp("nine-blocks")
    for source in two_folders:
        for copy in range(2):
            (folder / source.name / str(copy)).mkdir(parents=True)
            for file in source.iterdir():
                (folder / source.name / str(copy) / file.name).symlink_to(file)
    return folder / two_folders[0].name, folder / two_folders[1].name


@pytest.fixture(scope="module")
def undisturbed(nine_blocks: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compare(nine_blocks, tmp_path_factory.mktemp("undisturbed") / "run", "inline")


def compare(folders: Folders, out: Path, cluster: str) -> Path:
    named = dict(zip(("real", "synthetic"), folders, strict=True))
    gapscope.compare(named, out=out, model="bundled", size=64, levels=["P3", "P5"], cluster=cluster)
    return out


def content(run: Path) -> dict[str, bytes]:
    # These may differ: run.json has the time of the first command, and the log that of every command.
    ignored = ("run.json", "facts.js", "log.txt", "SHA256SUMS")
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name not in ignored)
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def done(run: Path) -> int:
    return sum(len(list(run.glob(f"pyramid.zarr/{name}/done/c/*"))) for name in ("real", "synthetic"))


@pytest.mark.slow
def test_processes_give_the_bytes_of_one_process(nine_blocks: Folders, undisturbed: Path, tmp_path: Path) -> None:
    assert content(compare(nine_blocks, tmp_path / "run", "local")) == content(undisturbed)


@pytest.fixture
def running_cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.mark.slow
def test_a_running_cluster_is_used_and_left_running(
    nine_blocks: Folders, undisturbed: Path, running_cluster: LocalCluster, tmp_path: Path
) -> None:
    address = running_cluster.scheduler_address
    assert content(compare(nine_blocks, tmp_path / "run", address)) == content(undisturbed)
    with Client(address) as client:
        assert client.submit(lambda: 42).result(timeout=30) == 42
        # Its workers have given back the network.
        assert set(client.run(lambda: block._network.cache_info().currsize).values()) == {0}


@pytest.mark.slow
def test_killed_while_embedding_the_same_command_finishes_with_the_same_result(
    nine_blocks: Folders, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "gapscope_cli", "compare", f"real={nine_blocks[0]}", f"synthetic={nine_blocks[1]}"]
    command += ["--out", str(run), "--model", "bundled", "--size", "64", "--levels", "P3,P5", "--cluster"]
    with subprocess.Popen([*command, "local"], stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while done(run) < 2 and process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    blocks = -(-150 // 32) + -(-120 // 32)
    assert 2 <= done(run) < blocks
    subprocess.run([*command, "inline"], stderr=subprocess.DEVNULL, check=True)
    assert done(run) == blocks
    assert content(run) == content(undisturbed)


def _die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 1


def _profiled(dask_worker: Worker) -> bool:
    return "profile" in dask_worker.periodic_callbacks


def _fill(_: int) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
def test_a_block_that_fails_and_one_that_kills_every_worker_end_with_one_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        # Two lost workers suffice; waiting for four to be restarted would take twice as long.
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        open_cluster("local", "cpu", 0) as client,
    ):
        assert workers_per_host(client) == 2
        # On Python 3.11 the profiler can make a worker hang.
        assert set(client.run(_profiled).values()) == {False}
        with pytest.raises(gapscope.ClusterError, match="No space left on device"):
            list(run_jobs(client, _fill, [0]))
        # The workers share this terminal, and would print a traceback there.
        assert capfd.readouterr().err == ""
        with pytest.raises(gapscope.ClusterError, match="same command goes on"):
            list(run_jobs(client, _die, [0]))


def test_jobs_are_handed_out_a_few_at_a_time() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with open_cluster("inline", "cpu", 0) as client:
        assert workers_per_host(client) == 0
        results = run_jobs(client, _double, jobs())
        # Two jobs run at a time, and either may be finished first.
        first = next(results)
        assert len(taken) <= 4
        assert sorted([first, *results]) == [2 * number for number in range(100)]


def test_what_dask_stopped_waiting_for_is_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """As when Ctrl-C cuts the connection to two workers: one failure is raised, and nothing awaits the other."""

    async def fails_after(before: asyncio.Event, after: asyncio.Event) -> None:
        await before.wait()
        after.set()
        raise CommClosedError

    async def wait_for_both() -> None:
        now, later, last = asyncio.Event(), asyncio.Event(), asyncio.Event()
        now.set()
        try:
            await All([fails_after(now, later), fails_after(later, last)])
        finally:
            await last.wait()

    with open_cluster("inline", "cpu", 0) as client, pytest.raises(CommClosedError):
        client.sync(wait_for_both)
    gc.collect()
    assert caplog.messages == []


def test_auto_says_what_it_picks() -> None:
    progress = RecordingProgress()
    with open_cluster("auto", "cpu", 3000, progress) as client:
        assert workers_per_host(client) == 0
    assert progress.notes == ["cluster auto: inline, this process, since 3,000 images are few"]
    assert _resolve_auto("cpu", 3001)[0] == "local"
    assert _resolve_auto("cuda", 3001)[0] == "cuda"


def test_a_worker_with_another_gapscope_that_joined_late_gets_no_work() -> None:
    with (
        open_cluster("inline", "cpu", 0) as client,
        pytest.raises(gapscope.ClusterError, match=rf"has gapscope {gapscope.__version__}, .* is gapscope 9\.9"),
    ):
        client.submit(_run_on_worker, _double, "9.9", 1, pure=False).result()


def _double(number: int) -> int:
    return 2 * number


def test_where_no_scheduler_answers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapscope.cluster.launch._CONNECT_SECONDS", 1)
    with (
        pytest.raises(gapscope.ClusterError, match=r"tcp://127\.0\.0\.1:1"),
        open_cluster("tcp://127.0.0.1:1", "cpu", 0),
    ):
        pass
