"""The scheduler, workers and job of docker/compose.yaml, with TLS between them, give the bytes of one process."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import dask
import pytest
from compose_services import DOCKER, LocalServices, read_services
from dask_processes import DaskProcesses
from embed_only import NAMES

import gapscope
from gapscope.cluster import open_cluster

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
    while subprocess.run(scheduler.health, check=False, capture_output=True).returncode:
        assert processes.by_name["scheduler"].poll() is None
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
