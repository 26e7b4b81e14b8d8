"""Whatever happens during a run, every row is accounted for, no block is half-written, and the bytes are the same."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import embed_only
import pytest
from dask_processes import DaskProcesses
from embed_only import list_and_embed
from image_server import ImageServer
from recording_progress import RecordingProgress

import gapscope
from gapscope.cluster import run_jobs
from gapscope.stages import block

pytestmark = pytest.mark.cluster

Same = Callable[[Path], None]
IN_THE_MIDDLE = "real/040.png"


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_block(
    image_server: ImageServer, crew: DaskProcesses, same: Same, tmp_path: Path
) -> None:
    client = crew.connect(1)
    pids = client.run(os.getpid).values()

    def kill() -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    image_server.before(IN_THE_MIDDLE, kill)
    list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path), crew.scheduler_file)
    same(tmp_path / "run")
    assert not set(client.run(os.getpid).values()) & set(pids)


@pytest.mark.slow
def test_a_worker_that_joins_during_the_run(
    image_server: ImageServer, crew: DaskProcesses, same: Same, tmp_path: Path
) -> None:
    before = set(crew.connect(1).run(os.getpid))

    def join() -> None:
        crew.start_worker("late")
        crew.connect(len(before) + 1)

    image_server.before(IN_THE_MIDDLE, join)
    progress = RecordingProgress()
    list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path), crew.scheduler_file, progress)
    same(tmp_path / "run")
    # It had its network before it was given a block, and took some.
    (late,) = set(crew.connect(1).run(os.getpid)) - before
    assert crew.connect(1).run(lambda: block._network.cache_info().currsize, workers=[late]) == {late: 1}
    assert f"worker {late} has joined" in progress.notes
    assert sum(" blocks, " in line for line in progress.notes) == len(before) + 1


@pytest.mark.slow
def test_a_worker_out_of_memory_leaves_its_jobs_to_others(processes: DaskProcesses) -> None:
    processes.start_scheduler()
    processes.start_worker("small")
    client = processes.connect(1)
    (pid,) = client.run(os.getpid).values()
    # Once it has imported everything, the system grants it hardly more memory than it has.
    client.run(lambda: block.__name__)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    max_bytes = pages * resource.getpagesize() + 2**26
    resource.prlimit(pid, resource.RLIMIT_AS, (max_bytes, resource.RLIM_INFINITY))
    with pytest.raises(gapscope.ClusterError, match=r"no worker has enough memory .*same command goes on"):
        list(run_jobs(client, lambda job: len(bytearray(job)), [2**27] * 3))
    processes.start_worker("large")
    assert list(run_jobs(processes.connect(2), lambda job: len(bytearray(job)), [2**27] * 3)) == [2**27] * 3


@pytest.mark.slow
def test_the_scheduler_gone(image_server: ImageServer, processes: DaskProcesses, same: Same, tmp_path: Path) -> None:
    processes.start_scheduler()
    processes.start_worker("one")
    processes.connect(1).close()
    image_server.before(IN_THE_MIDDLE, processes.by_name["scheduler"].kill)
    with pytest.raises(gapscope.ClusterError, match=r"connection to the Dask scheduler is lost.*same command goes on"):
        list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path), processes.scheduler_file)
    list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path), "inline")
    same(tmp_path / "run")


def test_a_worker_with_another_gapscope_is_refused(
    image_server: ImageServer, processes: DaskProcesses, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "gapscope-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: gapscope\nVersion: 0.0.1\n")
    processes.start_scheduler()
    processes.start_worker("old", PYTHONPATH=os.pathsep.join([str(other.parent), *filter(None, sys.path)]))
    processes.connect(1)
    with pytest.raises(gapscope.ClusterError, match=rf"has gapscope 0\.0\.1, .* is gapscope {gapscope.__version__}"):
        list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path), processes.scheduler_file)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up(image_server: ImageServer, disk: Path, same: Same, tmp_path: Path) -> None:
    ballast = disk / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                return

    image_server.before(IN_THE_MIDDLE, fill)
    with pytest.raises(gapscope.ClusterError, match=r"No space left on device.*same command goes on"):
        list_and_embed(disk / "run", image_server.write_url_lists(tmp_path), "inline")
    ballast.unlink()
    list_and_embed(disk / "run", image_server.write_url_lists(tmp_path), "inline")
    same(disk / "run")


@pytest.mark.slow
@pytest.mark.parametrize(("cluster", "times"), [("local", 1), ("inline", 2)])
def test_ctrl_c(image_server: ImageServer, same: Same, tmp_path: Path, cluster: str, times: int) -> None:
    datasets = image_server.write_url_lists(tmp_path)
    command = [sys.executable, embed_only.__file__, str(tmp_path / "run"), cluster]
    command += [f"{name}={source}" for name, source in datasets.items()]
    messages: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        errors = process.stderr

        def interrupt() -> None:
            # Every process of the group gets the signal, as in a terminal.
            os.killpg(process.pid, signal.SIGINT)
            messages.extend(
                iter(
                    errors.readline,
                    "stopping: the blocks under way are finished first; press Ctrl-C again to stop at once\n",
                )
            )
            if times == 2:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(60)

        image_server.before(IN_THE_MIDDLE, interrupt)
        process.wait(120)
        messages.extend(errors)
    assert process.returncode == 130, messages
    assert messages[-1] == "gapscope: stopped; what is finished is kept, and the same command goes on from there\n"
    assert "Traceback" not in "".join(messages)
    done = {name: len(list((tmp_path / "run").glob(f"pyramid.zarr/{name}/done/c/*"))) for name in datasets}
    if times == 1:
        assert 2 <= done["real"] <= 4
    # The block whose image was delayed.
    assert (tmp_path / "run/pyramid.zarr/real/done/c/1").exists() == (times == 1)
    list_and_embed(tmp_path / "run", datasets, "inline")
    same(tmp_path / "run")


def is_worker_of(command: int, process: Path) -> bool:
    """Tell whether /proc/NUMBER is a running process that Dask started for a command."""
    try:
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        return "spawn_main" in (process / "cmdline").read_text() and int(parent) == command
    except OSError:
        return False


@pytest.mark.slow
def test_ctrl_c_while_workers_start(pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, embed_only.__file__, str(tmp_path / "run"), "local"]
    command += [f"{name}={pictures / name}" for name in embed_only.NAMES]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        workers: list[Path] = []
        while len(workers) < 2 and process.poll() is None:
            workers = [path for path in map(Path, Path("/proc").glob("[0-9]*")) if is_worker_of(process.pid, path)]
        os.killpg(process.pid, signal.SIGINT)
        # Workers that lived on, or printed a traceback, would show here.
        messages = process.stderr.readlines()
    assert process.returncode == 130, messages
    assert messages[-1] == "gapscope: stopped; what is finished is kept, and the same command goes on from there\n"
    assert "Traceback" not in "".join(messages)
    assert not any(is_worker_of(process.pid, path) for path in workers)
