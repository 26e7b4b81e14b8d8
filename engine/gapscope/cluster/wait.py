"""Waits for a cluster that is starting: for its scheduler, then for the workers that join it."""

import time

from distributed import Client

from gapscope.cluster.address import CLUSTERS, is_scheduler_file, is_written
from gapscope.cluster.launch import NoSchedulerError, open_cluster
from gapscope.cluster.worker_setup import check_versions
from gapscope.errors import ClusterError, GapscopeError, one_line
from gapscope.progress import Progress, Silent

_POLL_SECONDS = 0.25
_SETTLE_SECONDS = 2.0
"""Workers that start together join within this time of each other."""
_SILENT_SECONDS = 3.0
_MAX_CONNECT_SECONDS = 10.0


def wait_for_workers(
    cluster: str, seconds: float, n_workers: int | None = None, progress: Progress | None = None
) -> dict[str, str]:
    """Wait until a cluster has workers of this version of gapscope.

    Args:
        cluster: as `open_cluster` takes it. The processes of a cluster on this machine are started and ended again.
        seconds: how long scheduler and workers together may take, for a running cluster; 0 looks once.
        n_workers: how many workers to wait for; None for the first, and then until no other joined for 2 seconds.
        progress: is told what is waited for, once that takes more than 3 seconds.

    Returns:
        The host of every worker, by the worker's address.

    Raises:
        ClusterError: the scheduler or the workers did not come in time, or something that waiting cannot mend: a
            worker or the scheduler has another version of gapscope, or the scheduler refuses the TLS keys.
        OptionError: see `check_cluster`.
    """
    wait = _Wait(0 if cluster in CLUSTERS else seconds, progress or Silent())
    while True:
        try:
            _check_written(cluster)
            with open_cluster(cluster, "cpu", 0, connect_seconds=wait.connect_seconds()) as client:
                return _joined(client, cluster, n_workers, wait)
        except (NoSchedulerError, OSError, TimeoutError) as error:
            if wait.is_over():
                raise _never_answered(cluster, error, wait) from error
        wait.pause("the scheduler")


class _Wait:
    """The time that is left, and what was said about it."""

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._began, self._seconds, self._progress = time.monotonic(), seconds, progress
        self._noted = ""

    def within(self) -> str:
        return f" within {self._seconds:g} s" if self._seconds else ""

    def is_over(self) -> bool:
        return self._left() <= 0

    def connect_seconds(self) -> float | None:
        """Return how long to try to connect: briefly at first, so that a note can follow; None for the usual time."""
        if not self._seconds:
            return None
        longest = _MAX_CONNECT_SECONDS if self._noted else _SILENT_SECONDS
        return min(longest, max(self._left(), 1.0))

    def pause(self, awaited: str) -> None:
        """Sleep for a moment, and note what is awaited if that was not noted yet."""
        if time.monotonic() - self._began >= _SILENT_SECONDS and awaited != self._noted:
            self._noted = awaited
            self._progress.note(f"waiting up to {max(self._left(), 0):.0f} s for {awaited}")
        time.sleep(_POLL_SECONDS)

    def _left(self) -> float:
        return self._began + self._seconds - time.monotonic()


def _check_written(cluster: str) -> None:
    if is_scheduler_file(cluster) and not is_written(cluster):
        raise NoSchedulerError("there is no such scheduler file", argument="cluster", value=cluster)


def _joined(client: Client, cluster: str, n_workers: int | None, wait: _Wait) -> dict[str, str]:
    workers: dict[str, str] = {}
    changed = time.monotonic()
    while True:
        info = client.scheduler_info(n_workers=-1)
        if client.status != "running":
            # What the client knows is from before the connection was lost, or nothing.
            raise NoSchedulerError("the connection to it is lost", argument="cluster", value=cluster)
        if info["workers"].keys() != workers.keys():
            check_versions(client, Silent())
            workers = {address: worker["host"] for address, worker in info["workers"].items()}
            changed = time.monotonic()
        if n_workers is not None:
            if len(workers) >= n_workers:
                return workers
        elif workers and (wait.is_over() or time.monotonic() - changed >= _SETTLE_SECONDS):
            return workers
        if wait.is_over():
            raise ClusterError(_too_few(len(workers), n_workers, wait), argument="cluster", value=cluster)
        wait.pause(_awaited(len(workers), n_workers))


def _awaited(joined: int, n_workers: int | None) -> str:
    if n_workers is not None:
        return f"workers ({joined} of {n_workers} have joined)"
    return f"other workers ({joined} joined)" if joined else "a worker to join"


def _too_few(joined: int, n_workers: int | None, wait: _Wait) -> str:
    if not wait.within():
        there = f"only {joined} of {n_workers} workers" if joined else "no worker"
        return f"a scheduler, but {there}"
    if joined:
        return f"only {joined} of {n_workers} workers joined{wait.within()}"
    return f"no worker joined{wait.within()}; see what `dask worker` printed"


def _never_answered(cluster: str, error: Exception, wait: _Wait) -> ClusterError:
    if not wait.within():
        message = (
            error.message
            if isinstance(error, GapscopeError)
            else f"no Dask scheduler answers there ({one_line(error)})"
        )
    elif is_scheduler_file(cluster) and not is_written(cluster):
        message = f"no scheduler wrote this file{wait.within()}"
    else:
        message = f"no scheduler answered{wait.within()} ({one_line(error.__cause__ or error)})"
    return ClusterError(message, argument="cluster", value=cluster)
