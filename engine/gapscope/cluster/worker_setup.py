"""Checks and prepares a worker before it gets work, whenever it joins."""

import asyncio
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any

from distributed import Client, WorkerPlugin

from gapscope.errors import ClusterError
from gapscope.progress import Progress

# Other versions of these may compute other last bits, or fail.
_NUMERIC_PACKAGES = ("torch", "torchvision", "numpy", "pillow")
_DASHBOARD_PACKAGE = "bokeh"
_PLUGIN_NAME = "gapscope"


def check_versions(client: Client, progress: Progress) -> frozenset[str]:
    """Compare package versions of the scheduler and its workers with those of this process.

    Args:
        client: of the cluster.
        progress: is told of workers whose versions of numeric packages differ.

    Returns:
        The names of those of the compared packages, and of Bokeh, that the scheduler has.

    Raises:
        ClusterError: a worker or the scheduler has another version of gapscope, or none.
    """
    local = {name: version(name) for name in ("gapscope", *_NUMERIC_PACKAGES)}
    versions: Any = client.get_versions(packages=[*local, _DASHBOARD_PACKAGE])
    # Tasks pass through the scheduler, too.
    check_version("the scheduler", versions["scheduler"]["packages"].get("gapscope"))
    for address, worker in versions["workers"].items():
        remote = worker["packages"]
        check_version(f"worker {address}", remote.get("gapscope"))
        for name in _NUMERIC_PACKAGES:
            if remote.get(name) != local[name]:
                progress.note(
                    f"worker {address} has {name} {remote.get(name)}, here is {local[name]}: its embeddings may differ "
                    "in their last bits"
                )
    return frozenset(name for name, installed in versions["scheduler"]["packages"].items() if installed)


def check_version(who: str, installed: str | None, required: str | None = None) -> None:
    """Check that a worker or the scheduler has the same version of gapscope as the command.

    Args:
        who: names the worker or the scheduler in the message.
        installed: its version of gapscope; None if it has none.
        required: the command's version; None for that of this process.

    Raises:
        ClusterError: the versions differ.

    Example:
        >>> check_version("worker 1", installed="1.0", required="1.0")
        >>> check_version("worker 1", installed=None, required="1.0")
        Traceback (most recent call last):
        gapscope.errors.ClusterError: worker 1 has no gapscope, this command is gapscope 1.0: install the same on both
    """
    required = required or version("gapscope")
    if installed != required:
        has = f"gapscope {installed}" if installed else "no gapscope"
        raise ClusterError(f"{who} has {has}, this command is gapscope {required}: install the same on both")


@contextmanager
def setup_workers(client: Client, prepare: Callable[[], object]) -> Iterator[None]:
    """While the context is open, let every worker call `prepare` once, including workers that join later."""
    # A worker that is lost meanwhile does not matter: the scheduler stores the plugin before it informs the workers.
    with suppress(OSError):
        client.register_plugin(_PreparePlugin(prepare), name=_PLUGIN_NAME)
    try:
        yield
    finally:
        # The scheduler may be gone by now, and the plugin with it.
        with suppress(Exception):
            client.unregister_worker_plugin(_PLUGIN_NAME)


class _PreparePlugin(WorkerPlugin):
    def __init__(self, prepare: Callable[[], object]) -> None:
        self._prepare = prepare

    async def setup(self, worker: Any) -> None:
        """Call `prepare` in a thread, so that the worker goes on answering the scheduler."""
        del worker
        if multiprocessing.parent_process() and threading.current_thread() is threading.main_thread():
            # A terminal sends Ctrl-C to all its processes; only the command handles it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            await asyncio.to_thread(self._prepare)
        # The first block will fail for the same reason, and its error reaches the user.
        except Exception:
            logging.getLogger("distributed.worker").debug("not prepared", exc_info=True)
