"""The scheduler, workers and job of docker/compose.yaml, with TLS between them, give the bytes of one process."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import dask
import pytest
from compose_services import DOCKER, LocalServices, read_services
from dask_processes import DaskProcesses
from embed_only import NAMES, list_and_embed
from image_server import ImageServer
from recording_progress import RecordingProgress

import gapscope
from gapscope.cluster import open_cluster, wait_for_workers

pytestmark = pytest.mark.cluster

Same = Callable[[Path], None]


@pytest.mark.slow
def test_compose_with_tls_gives_the_bytes_of_one_process(
    pictures: Path, processes: DaskProcesses, same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for keys in ("keys", "strangers"):
        subprocess.run([DOCKER / "keys.sh", tmp_path / keys], check=True, capture_output=True)
    sources, run = {name: pictures / name for name in NAMES}, tmp_path / "run"
    variables = {f"GAPSCOPE_{name.upper()}": str(source) for name, source in sources.items()}
    variables |= {"GAPSCOPE_RUN": str(run), "GAPSCOPE_MODEL": "bundled"}
    variables |= {"GAPSCOPE_PROTOCOL": "tls", "GAPSCOPE_KEYS": str(tmp_path / "keys")}
    compose, host = read_services("compose.yaml", "compose.tls.yaml", **variables), LocalServices(tmp_path / "keys")

    # A container listens at an address of its own; this machine also has addresses that others can reach.
    scheduler = host.service(compose["scheduler"], "--host", "127.0.0.1")
    processes.start("scheduler", scheduler.command, scheduler.environment)
    processes.wait_until_healthy("scheduler", scheduler.health)
    workers = [host.service(compose["worker"]) for _ in range(compose["worker"]["deploy"]["replicas"])]
    for number, worker in enumerate(workers):
        processes.start(f"worker-{number}", worker.command, worker.environment)
    job = host.service(compose["job"])
    address = job.command[-1]
    assert address.startswith("tls://")
    plain = ["--size", "64", "--levels", "P3,P5", "--precision", "float32", "--speedups", "none", "--n-epochs", "11"]
    result = subprocess.run(
        [*job.command, *plain], env=os.environ | job.environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr

    same(run)
    for worker in workers:
        subprocess.run(worker.health, check=True, capture_output=True)
    check_refused(address, tmp_path / "strangers", monkeypatch)


@pytest.mark.slow
def test_a_worker_that_was_killed_is_started_again_and_goes_on(
    image_server: ImageServer, processes: DaskProcesses, same: Same, tmp_path: Path
) -> None:
    compose, host = read_services("compose.yaml"), LocalServices(tmp_path)
    scheduler = host.service(compose["scheduler"], "--host", "127.0.0.1")
    processes.start("scheduler", scheduler.command, scheduler.environment)
    processes.wait_until_healthy("scheduler", scheduler.health)
    # It is the only worker: without it nothing is finished.
    worker, address = host.service(compose["worker"]), host.service(compose["job"]).command[-1]
    processes.start("worker", worker.command, worker.environment)
    wait_for_workers(address, 60, n_workers=1)

    def kill() -> None:
        container = processes.by_name["worker"]
        os.killpg(container.pid, signal.SIGKILL)
        assert worker.restarts(container.wait())
        processes.start("worker", worker.command, worker.environment)

    image_server.before("real/040.png", kill)
    progress = RecordingProgress()
    list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path), address, progress)
    same(tmp_path / "run")
    assert len([note for note in progress.notes if "has joined" in note]) == 1

    # Nobody wants back what was stopped.
    container = processes.by_name["worker"]
    container.terminate()
    assert not worker.restarts(container.wait(60))


def check_refused(address: str, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the scheduler refuses keys of another authority, and connections without keys."""
    monkeypatch.setattr("gapscope.cluster.launch._CONNECT_SECONDS", 1)
    tls = {"ca-file": keys / "ca.pem", "client.cert": keys / "cert.pem", "client.key": keys / "key.pem"}
    strangers = {f"distributed.comm.tls.{name}": str(file) for name, file in tls.items()}
    for other in (address, address.replace("tls://", "tcp://")):
        with (
            dask.config.set(strangers),
            pytest.raises(gapscope.ClusterError, match="no Dask scheduler answers there"),
            open_cluster(other, "cpu", 0),
        ):
            pass
