"""Which cluster: started here, or one that runs already."""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from gapscope.cluster.address import check_address
from gapscope.cluster.interrupt import start_without_sigint
from gapscope.cluster.jobs import Stopped
from gapscope.cluster.worker_setup import check_versions
from gapscope.device.cuda import local_cuda_cluster
from gapscope.errors import ClusterError, OptionError
from gapscope.progress import Progress, Silent

CLUSTERS = ("auto", "inline", "local", "cuda")
Connect = Callable[[], Client]
"""Returns the client of a run's cluster, which is started when the first stage needs it."""

BLOCKS_AT_A_TIME = 2
"""Per process: while one is read, decoded or written, the network works on the other."""

_SMALL = 3000
_CONNECT_SECONDS = 10
_INTERRUPTED_SECONDS = 1
_DASHBOARD = "127.0.0.1:0"
"""Any free port, for this machine alone."""

# On Python 3.11 Dask's profiler can lock a worker up for ever (python/cpython#106883, dask/distributed#8616), and what
# it has seen of one in this process stays for as long as that lives.
_UNWATCHED = {"distributed.worker.profile.enabled": False}
# What a worker would log of a job that failed, a traceback, comes back to this process, which tells it in one line.
_OF_PROCESSES = {**_UNWATCHED, "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical"}
# The worker in this process can be neither lost nor replaced: a clock that jumps, or work that keeps the interpreter
# to itself, must not look like it.
_OF_THIS_PROCESS = {**_UNWATCHED, "distributed.scheduler.worker-ttl": None}


def check_cluster(where: str) -> str:
    """Return `where` if it names a cluster: one of `CLUSTERS`, a scheduler's address, or a scheduler file.

    Raises:
        OptionError: it does not, there is no such file, or Dask lacks the keys that the scheduler wants.
    """
    if _is_file(where):
        check_address(_address_in(where))
    elif where in CLUSTERS or "://" in where:
        check_address(where)
    else:
        raise OptionError(
            f"choose one of {', '.join(CLUSTERS)}, an address like tcp://host:8786, or a scheduler file (.json)",
            argument="cluster",
            value=where,
        )
    return where


@contextmanager
def lazy_cluster(where: str, device: str, images: int, progress: Progress | None = None) -> Iterator[Connect]:
    """Yield what starts the cluster, or connects to it, when it is first called; takes what `open_cluster` takes.

    Stages that find all their work done start nothing, and those that have work share one cluster.
    """
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(open_cluster(where, device, images, progress)))


@contextmanager
def open_cluster(where: str, device: str, images: int, progress: Progress | None = None) -> Iterator[Client]:
    """Start the cluster that `where` names, or connect to it, and leave it as it was found at the end.

    Args:
        where: one of `CLUSTERS`, a scheduler's address, or the path of a scheduler file. `auto` is `inline` for few
            images, since starting a process costs more than it brings, else `cuda` or `local` by device.
        device: name of the device.
        images: number of images to be worked on.
        progress: is told what `auto` picked, and where the dashboard is.

    Raises:
        OptionError: dask-cuda is needed and missing.
        ClusterError: no scheduler answers there, or its workers have another gapscope.
    """
    shown = progress or Silent()
    if where == "auto":
        where, why = _picked(device, images)
        shown.note(f"cluster auto: {where}, {why}")
    with ExitStack() as stack:
        # What it would log of lost connections and closed workers is told in one line, or is nothing to act on.
        for name in ("distributed", "tornado.application"):
            stack.enter_context(_quiet(name))
        try:
            client = stack.enter_context(_client(stack, where))
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"no Dask scheduler answers there ({error})", argument="cluster", value=where) from error
        # What Dask asked of workers and does not wait for any more, asyncio would tell as a traceback, also afterwards.
        client.loop.asyncio_loop.set_exception_handler(lambda _loop, _context: None)
        scheduler = check_versions(client, shown)
        _introduce(client, where, shown, drawn="bokeh" in scheduler)
        yield client


def _is_file(where: str) -> bool:
    return where.endswith(".json") and "://" not in where


def _address_in(file: str) -> str:
    try:
        return str(json.loads(Path(file).expanduser().read_text(encoding="utf-8"))["address"])
    except OSError as error:
        raise OptionError(
            "there is no such scheduler file; `dask scheduler` writes it", argument="cluster", value=file
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            "this is not a scheduler file; `dask scheduler` writes one", argument="cluster", value=file
        ) from error


def _picked(device: str, images: int) -> tuple[str, str]:
    if images <= _SMALL:
        return "inline", f"this process, since {images:,} images are few"
    if device == "cuda":
        return "cuda", "a process per GPU of this machine"
    return "local", f"{_local_processes()} processes on this machine's {len(os.sched_getaffinity(0))} cores"


def _local_processes() -> int:
    return max(2, len(os.sched_getaffinity(0)) // 4)


def _client(stack: ExitStack, where: str) -> Client:
    options: dict[str, Any] = {"timeout": _CONNECT_SECONDS, "set_as_default": False}
    if _is_file(where):
        return Client(scheduler_file=str(Path(where).expanduser()), **options)
    if where not in ("inline", "local", "cuda"):
        return Client(where, **options)
    try:
        started = start_without_sigint(lambda: _local_cluster(where), _close_soon)
    except RuntimeError as error:
        # Dask's word for a process that ended before it was a worker.
        raise ClusterError(
            f"a worker process could not be started ({error}), perhaps for want of memory; the same command goes on "
            "from what is finished",
            argument="cluster",
            value=where,
        ) from error
    stack.enter_context(_closed_at_end(started))
    return Client(started, **options)


@contextmanager
def _closed_at_end(cluster: Any) -> Iterator[None]:
    close: Callable[[Any], None] = _close
    try:
        yield
    except KeyboardInterrupt as interrupted:
        if not isinstance(interrupted, Stopped):
            close = _close_soon
        raise
    finally:
        close(cluster)


def _close_soon(cluster: Any) -> None:
    # Dask would wait half a minute for threads that read from a disk or a server that does not answer.
    _close(cluster, _INTERRUPTED_SECONDS)


def _close(cluster: Any, patience: float | None = None) -> None:
    # A process that takes its time to end is no fault of the work, which is done; Dask ends it when this one ends.
    with suppress(TimeoutError, OSError):
        cluster.close(timeout=patience)


def _local_cluster(where: str) -> Any:
    processes = where in ("local", "cuda")
    with dask.config.set(_OF_PROCESSES if processes else _OF_THIS_PROCESS):
        if where == "cuda":
            return local_cuda_cluster(BLOCKS_AT_A_TIME, _DASHBOARD)
        return LocalCluster(
            n_workers=_local_processes() if processes else 1,
            threads_per_worker=BLOCKS_AT_A_TIME,
            processes=processes,
            # A worker's memory does not grow with its work; Dask's guard would kill it for what the network needs.
            memory_limit=None,
            dashboard_address=_DASHBOARD,
            silence_logs=logging.ERROR,
        )


def _introduce(client: Client, where: str, progress: Progress, *, drawn: bool) -> None:
    info = client.scheduler_info(n_workers=-1)
    if where not in ("inline", "local", "cuda"):
        workers = len(info["workers"])
        progress.note(
            f"scheduler {info['address']}: {workers} worker{'' if workers == 1 else 's'}"
            + ("" if workers else "; blocks wait until one joins")
        )
    if drawn and where != "inline" and "dashboard" in info.get("services", {}):
        progress.note(f"dashboard {client.dashboard_link}")


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def workers_per_host(client: Client) -> int:
    """Return how many worker processes share a machine, at most; 0 where the work is done in this very process."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    # No worker yet is no reason to take the work for this process's own.
    if workers and all(address.startswith("inproc://") for address in workers):
        return 0
    return max(Counter(worker["host"] for worker in workers.values()).values(), default=1)
