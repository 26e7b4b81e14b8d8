"""Starts a Dask cluster on this machine, or connects to one that is running."""

import logging
import os
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from gapscope.cluster.address import CLUSTERS, is_scheduler_file
from gapscope.cluster.interrupt import start_without_sigint
from gapscope.cluster.jobs import Stopped
from gapscope.cluster.worker_setup import check_versions
from gapscope.device.cuda import local_cuda_cluster
from gapscope.errors import ClusterError, one_line
from gapscope.progress import Progress, Silent

Connect = Callable[[], Client]
"""Returns the client of a run's cluster; the first call starts the cluster."""

BLOCKS_AT_A_TIME = 2
"""Per process: while one block is read, decoded or written, the network works on the other."""

_MAX_INLINE_IMAGES = 3000
_CONNECT_SECONDS = 10
_CLOSE_SECONDS_WHEN_INTERRUPTED = 1
_DASHBOARD_ADDRESS = "127.0.0.1:0"
"""Any free port, reachable from this machine only."""

# On Python 3.11 Dask's profiler can make a worker hang for ever (python/cpython#106883, dask/distributed#8616), and
# what it records of a worker in this process is kept as long as the process lives.
_WITHOUT_PROFILER = {"distributed.worker.profile.enabled": False}
_PROCESSES_CONFIG = {
    **_WITHOUT_PROFILER,
    # A worker would log a traceback of a job that failed. The error also comes back to this process, which shows one
    # line.
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
    # By Dask's setting a worker gives every array of 128 KiB and more back to the system, and takes it anew, page by
    # page: a fifth of the time of a search in parts. These are the largest values that the C library takes by itself.
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**26,
}
# The worker in this process can be neither lost nor replaced: it must not be taken for lost when the clock jumps, or
# when work holds the interpreter's lock.
_INLINE_CONFIG = {**_WITHOUT_PROFILER, "distributed.scheduler.worker-ttl": None}


class NoSchedulerError(ClusterError):
    """No scheduler answers at the address; it may be starting."""


@contextmanager
def lazy_cluster(
    cluster: str,
    device: str,
    images: int,
    progress: Progress | None = None,
    release: Callable[[], object] | None = None,
) -> Iterator[Connect]:
    """Yield a function that opens the cluster when it is first called, and returns its client.

    All calls return the same client, so that stages share one cluster, and none is started where no stage has work.
    The arguments are those of `open_cluster`.
    """
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(open_cluster(cluster, device, images, progress, release)))


@contextmanager
def open_cluster(
    cluster: str,
    device: str,
    images: int,
    progress: Progress | None = None,
    release: Callable[[], object] | None = None,
    *,
    connect_seconds: float | None = None,
) -> Iterator[Client]:
    """Start a cluster or connect to a running one; at the end close what was started, and leave a running one alone.

    Args:
        cluster: one of `CLUSTERS`, a scheduler's address, or the path of a scheduler file. `auto` is `inline` for few
            images, for which starting processes takes longer than it saves, else `cuda` or `local`, by device.
        device: name of the device that the workers will use.
        images: number of images to be processed.
        progress: is told the choice of `auto`, and the addresses of the scheduler and of the dashboard.
        release: is called at the end by every worker of a running cluster, to give back what it holds.
        connect_seconds: how long a scheduler may take to answer; None for 10.

    Yields:
        A client of the cluster.

    Raises:
        OptionError: `cluster` is `cuda` and dask-cuda is not installed.
        NoSchedulerError: no scheduler answers.
        ClusterError: a worker process cannot be started, the scheduler refuses the TLS keys, or a worker or the
            scheduler has another version of gapscope.
    """
    progress = progress or Silent()
    if cluster == "auto":
        cluster, reason = _resolve_auto(device, images)
        progress.note(f"cluster auto: {cluster}, {reason}")
    with ExitStack() as stack:
        # They log lost connections and closed workers, which gapscope reports in one line or nobody can act on.
        for name in ("distributed", "distributed.client", "tornado.application"):
            stack.enter_context(_silenced(name))
        try:
            client = stack.enter_context(_connect(stack, cluster, connect_seconds or _CONNECT_SECONDS))
        except (OSError, TimeoutError, ValueError) as error:
            kind = NoSchedulerError if _may_pass(error) else ClusterError
            raise kind(
                f"no Dask scheduler answers there ({one_line(error)})", argument="cluster", value=cluster
            ) from error
        # Dask stops waiting for some of its requests to workers. When these fail, even later, asyncio would print
        # tracebacks.
        client.loop.asyncio_loop.set_exception_handler(lambda _loop, _context: None)
        scheduler_packages = check_versions(client, progress)
        _note_addresses(client, cluster, progress, has_dashboard="bokeh" in scheduler_packages)
        yield client
        if release is not None and cluster not in CLUSTERS:
            # A worker that is lost meanwhile holds nothing.
            with suppress(Exception):
                client.run(release)
            progress.note(f"scheduler {cluster}: free again; what follows needs no worker")


def _resolve_auto(device: str, images: int) -> tuple[str, str]:
    """Return the cluster that `auto` stands for, and the reason."""
    if images <= _MAX_INLINE_IMAGES:
        return "inline", f"this process, since {images:,} images are few"
    if device == "cuda":
        return "cuda", "a process per GPU of this machine"
    return "local", f"{_local_processes()} processes on this machine's {len(os.sched_getaffinity(0))} cores"


def _local_processes() -> int:
    return max(2, len(os.sched_getaffinity(0)) // 4)


def _may_pass(error: BaseException | None) -> bool:
    """Tell whether a later try may succeed: not where the address is malformed, or TLS keys are refused."""
    while error is not None:
        if isinstance(error, ValueError | ssl.SSLError):
            return False
        error = error.__cause__ or error.__context__
    return True


def _connect(stack: ExitStack, cluster: str, seconds: float) -> Client:
    options: dict[str, Any] = {"timeout": seconds, "set_as_default": False}
    if is_scheduler_file(cluster):
        return Client(scheduler_file=str(Path(cluster).expanduser()), **options)
    if cluster not in CLUSTERS:
        return Client(cluster, **options)
    try:
        started = start_without_sigint(lambda: _start_cluster(cluster), _close_quickly)
    except RuntimeError as error:
        # Dask raises it when a process ends before it has become a worker.
        raise ClusterError(
            f"a worker process could not be started ({error}), perhaps for want of memory, or since a script calls "
            "gapscope without `if __name__ == '__main__':`; the same command goes on from what is finished",
            argument="cluster",
            value=cluster,
        ) from error
    stack.enter_context(_closing(started))
    return Client(started, **options)


@contextmanager
def _closing(started: Any) -> Iterator[None]:
    close: Callable[[Any], None] = _close
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not isinstance(interrupt, Stopped):
            close = _close_quickly
        raise
    finally:
        close(started)


def _close_quickly(started: Any) -> None:
    # Dask would wait half a minute for threads that read from a disk or a server that does not answer.
    _close(started, _CLOSE_SECONDS_WHEN_INTERRUPTED)


def _close(started: Any, timeout: float | None = None) -> None:
    # The work is done by now, so that a process that is slow to end is no error; Dask ends it when this process ends.
    with suppress(TimeoutError, OSError):
        started.close(timeout=timeout)


def _start_cluster(cluster: str) -> Any:
    processes = cluster != "inline"
    with dask.config.set(_PROCESSES_CONFIG if processes else _INLINE_CONFIG):
        if cluster == "cuda":
            return local_cuda_cluster(BLOCKS_AT_A_TIME, _DASHBOARD_ADDRESS)
        return LocalCluster(
            n_workers=_local_processes() if processes else 1,
            threads_per_worker=BLOCKS_AT_A_TIME,
            processes=processes,
            # A worker's memory does not grow with its work; Dask's limit would kill it for what the network needs.
            memory_limit=None,
            dashboard_address=_DASHBOARD_ADDRESS,
            silence_logs=logging.ERROR,
        )


def _note_addresses(client: Client, cluster: str, progress: Progress, *, has_dashboard: bool) -> None:
    info = client.scheduler_info(n_workers=-1)
    if cluster not in CLUSTERS:
        workers = len(info["workers"])
        progress.note(
            f"scheduler {info['address']}: {workers} worker{'' if workers == 1 else 's'}"
            + ("" if workers else "; blocks wait until one joins")
        )
    if has_dashboard and cluster != "inline" and "dashboard" in info.get("services", {}):
        progress.note(f"dashboard {client.dashboard_link}")


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        # Workers that were not waited for still close, and would log that they were stopped in the middle of it.
        raise
    except BaseException:
        logger.setLevel(level)
        raise
    else:
        logger.setLevel(level)


def workers_per_host(client: Client) -> int:
    """Return the largest number of worker processes on one host; 0 if the only worker is this process."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    # Without any worker yet, the workers that will join are other processes.
    if workers and all(address.startswith("inproc://") for address in workers):
        return 0
    return max(Counter(worker["host"] for worker in workers.values()).values(), default=1)
