"""What is asked of a worker before it gets work, whenever it joins."""

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

# Other versions of these may give other last bits, or none at all.
_NUMBERS = ("torch", "torchvision", "numpy", "pillow")
_DRAWS = "bokeh"
"""What Dask's dashboard is drawn with."""
_NAME = "gapscope"


def check_versions(client: Client, progress: Progress) -> frozenset[str]:
    """Hold the workers' versions against this process's; return which packages the scheduler has.

    Raises:
        ClusterError: a worker or the scheduler has another gapscope, or none.
    """
    here = {name: version(name) for name in ("gapscope", *_NUMBERS)}
    found: Any = client.get_versions(packages=[*here, _DRAWS])
    # Tasks pass through the scheduler's hands, too.
    check_version("the scheduler", found["scheduler"]["packages"].get("gapscope"))
    for address, worker in found["workers"].items():
        there = worker["packages"]
        check_version(f"worker {address}", there.get("gapscope"))
        for name in _NUMBERS:
            if there.get(name) != here[name]:
                progress.note(
                    f"worker {address} has {name} {there.get(name)}, here is {here[name]}: its embeddings may differ "
                    "in their last bits"
                )
    return frozenset(name for name, there in found["scheduler"]["packages"].items() if there)


def check_version(who: str, there: str | None, here: str | None = None) -> None:
    """See that the gapscope of a worker, or of the scheduler, is this process's, or `here`.

    Raises:
        ClusterError: it is not.
    """
    here = here or version("gapscope")
    if there != here:
        has = f"gapscope {there}" if there else "no gapscope"
        raise ClusterError(f"{who} has {has}, this command is gapscope {here}: install the same on both")


@contextmanager
def setup_workers(client: Client, prepare: Callable[[], object]) -> Iterator[None]:
    """While the context is open, have every worker call `prepare` once, also one that joins late."""
    # A worker that is lost meanwhile is no reason to stop: the scheduler knows the plugin before it tells the workers.
    with suppress(OSError):
        client.register_plugin(_Preparation(prepare), name=_NAME)
    try:
        yield
    finally:
        # The scheduler may be gone by now, and then so is the plugin.
        with suppress(Exception):
            client.unregister_worker_plugin(_NAME)


class _Preparation(WorkerPlugin):
    def __init__(self, prepare: Callable[[], object]) -> None:
        self._prepare = prepare

    async def setup(self, worker: Any) -> None:
        """Set up what work needs, without keeping the worker from answering."""
        del worker
        if multiprocessing.parent_process() and threading.current_thread() is threading.main_thread():
            # Ctrl-C reaches every process of a terminal; the command alone decides what it means.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            await asyncio.to_thread(self._prepare)
        # Work finds the same reason, and can tell it.
        except Exception:
            logging.getLogger("distributed.worker").debug("not prepared", exc_info=True)
