"""Several hosts in network namespaces, with addresses of their own; one of them loses its connection."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dask_processes import DaskProcesses
from embed_only import list_and_embed
from image_server import ImageServer

pytestmark = pytest.mark.cluster

Same = Callable[[Path], None]
SUPERVISED = ("sh", "-c", 'while :; do "$@"; done', "sh")
HOSTS = ("scheduler", "one", "two")
# Shorter timeouts for a silent worker: a test should not wait for minutes.
ENV = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "8s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "4s",
    # On a busy machine the others may be late as well.
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20",
}


class Network:
    """A bridge on this host, 10.213.7.1, and a network namespace per name of `HOSTS`, 10.213.7.2 and up."""

    address = "10.213.7.1"

    def __init__(self, stack: ExitStack) -> None:
        def run(command: str) -> None:
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)

        self._run = run
        self.of = {name: f"10.213.7.{number}" for number, name in enumerate(HOSTS, start=2)}
        run("link add gapsbr type bridge")
        stack.callback(run, "link del gapsbr")
        run(f"addr add {self.address}/24 dev gapsbr")
        run("link set gapsbr up")
        for name, address in self.of.items():
            run(f"netns add gaps-{name}")
            stack.callback(run, f"netns del gaps-{name}")
            run(f"link add gaps-{name} type veth peer name eth0 netns gaps-{name}")
            run(f"link set gaps-{name} master gapsbr up")
            run(f"-n gaps-{name} addr add {address}/24 dev eth0")
            run(f"-n gaps-{name} link set eth0 up")
            run(f"-n gaps-{name} link set lo up")

    def within(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", f"gaps-{name}")

    def cut(self, name: str) -> None:
        self._run(f"link set gaps-{name} down")

    def restore(self, name: str) -> None:
        self._run(f"link set gaps-{name} up")


@pytest.fixture
def network() -> Iterator[Network]:
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    with ExitStack() as stack:
        try:
            network = Network(stack)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces may be made here: {error.stderr.decode().strip()}")
        yield network


@pytest.mark.slow
def test_a_host_cut_off_in_the_middle_and_brought_back(
    network: Network, image_server: ImageServer, processes: DaskProcesses, same: Same, tmp_path: Path
) -> None:
    processes.start_scheduler(network.of["scheduler"], network.within("scheduler"), **ENV)
    for name in ("one", "two"):
        # gapscope is imported before the worker joins: a worker that imports does not answer.
        options = ("--host", network.of[name], "--preload", "gapscope")
        processes.start_worker(name, (*network.within(name), *SUPERVISED), options, **ENV)
    client = processes.connect(2)
    hosts = {worker["host"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()}
    assert hosts == {network.of["one"], network.of["two"]}
    requests: list[str] = []

    def cut_off(address: str) -> None:
        requests.append(address)
        network.cut(host_at(address))
        image_server.before("real/040.png", restore)

    # Only the other host can ask for the same image, once it does the lost host's work.
    def restore(address: str) -> None:
        requests.append(address)
        network.restore(host_at(requests[0]))

    def host_at(address: str) -> str:
        (name,) = (name for name, host in network.of.items() if host == address)
        return name

    image_server.before("real/040.png", cut_off)
    list_and_embed(tmp_path / "run", image_server.write_url_lists(tmp_path, network.address), processes.scheduler_file)
    same(tmp_path / "run")
    assert sorted(requests) == sorted(hosts)
    # The host's nanny restarts its worker; or, if the scheduler has closed both, whatever supervises the nanny does.
    client.wait_for_workers(2, timeout=120)
