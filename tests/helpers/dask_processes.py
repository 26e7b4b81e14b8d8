"""Starts a Dask scheduler and workers with Dask's command line."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from distributed import Client


class DaskProcesses:
    """A scheduler and workers on this machine; the argument `prefix` can put one into a network namespace."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self.scheduler_file = str(folder / "scheduler.json")
        self.by_name: dict[str, subprocess.Popen[bytes]] = {}

    def start_scheduler(self, host: str = "127.0.0.1", prefix: tuple[str, ...] = (), **env: str) -> None:
        options = ["--host", host, "--port", "0", "--scheduler-file", self.scheduler_file, "--no-dashboard"]
        self.start("scheduler", [*prefix, sys.executable, "-m", "dask", "scheduler", *options], env)

    def start_worker(self, name: str, prefix: tuple[str, ...] = (), options: tuple[str, ...] = (), **env: str) -> None:
        common_options = [
            "--scheduler-file",
            self.scheduler_file,
            "--nthreads",
            "1",
            "--memory-limit",
            "0",
            "--name",
            name,
            "--no-dashboard",
        ]
        self.start(name, [*prefix, sys.executable, "-m", "dask", "worker", *common_options, *options], env)

    def connect(self, workers: int) -> Client:
        """Return a client, once the scheduler has that many workers."""
        client = Client(scheduler_file=self.scheduler_file, timeout=60, set_as_default=False)
        self._stack.callback(client.close)
        client.wait_for_workers(workers, timeout=60)
        return client

    def wait_until_healthy(self, name: str, health: list[str]) -> None:
        """Wait until the command of a health check succeeds, for as long as the process lives."""
        while subprocess.run(health, check=False, capture_output=True).returncode:
            assert self.by_name[name].poll() is None, (self._folder / f"{name}.log").read_text()

    def start(self, name: str, command: list[str], env: dict[str, str]) -> None:
        # docs/cluster.md recommends this for Python 3.11.
        env = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"} | env
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=os.environ | env, cwd=self._folder
        )
        self.by_name[name] = process
        self._stack.callback(_kill, process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
