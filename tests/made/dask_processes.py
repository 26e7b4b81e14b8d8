"""A Dask scheduler and workers as their command line starts them."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from distributed import Client


class Processes:
    """A scheduler and workers as `dask` starts them, on this machine or in a network namespace."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self.file = str(folder / "scheduler.json")
        self.of: dict[str, subprocess.Popen[bytes]] = {}

    def scheduler(self, host: str = "127.0.0.1", within: tuple[str, ...] = (), **env: str) -> None:
        options = ["--host", host, "--port", "0", "--scheduler-file", self.file, "--no-dashboard"]
        self.start("scheduler", [*within, sys.executable, "-m", "dask", "scheduler", *options], env)

    def worker(self, name: str, within: tuple[str, ...] = (), options: tuple[str, ...] = (), **env: str) -> None:
        given = [
            "--scheduler-file",
            self.file,
            "--nthreads",
            "1",
            "--memory-limit",
            "0",
            "--name",
            name,
            "--no-dashboard",
        ]
        self.start(name, [*within, sys.executable, "-m", "dask", "worker", *given, *options], env)

    def client(self, workers: int) -> Client:
        """Wait for as many workers."""
        client = Client(scheduler_file=self.file, timeout=60, set_as_default=False)
        self._stack.callback(client.close)
        client.wait_for_workers(workers, timeout=60)
        return client

    def start(self, name: str, command: list[str], env: dict[str, str]) -> None:
        # As docs/cluster.md says for Python 3.11.
        env = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"} | env
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=os.environ | env, cwd=self._folder
        )
        self.of[name] = process
        self._stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
