"""Where blocks are worked on: a Dask cluster, be it this very process or a hundred machines."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, TypeVar

from distributed import Client, Future, KilledWorker, LocalCluster, as_completed

from gapscope.device.cuda import local_cuda_cluster
from gapscope.errors import ClusterError, GapscopeError, OptionError
from gapscope.pyramid.block import BLOCKS_AT_A_TIME

Job = TypeVar("Job")
Result = TypeVar("Result")

CLUSTERS = ("auto", "inline", "local", "cuda")

_SMALL = 3000
_CONNECT_SECONDS = 10
_RETRIES = 2


def check_cluster(where: str) -> str:
    """Return `where` if it names a cluster: one of `CLUSTERS`, or the address of a running scheduler.

    Raises:
        OptionError: it does not.
    """
    if where not in CLUSTERS and "://" not in where:
        raise OptionError(
            f"--cluster {where!r}: choose one of {', '.join(CLUSTERS)}, or an address like tcp://host:8786"
        )
    return where


@contextmanager
def open_cluster(where: str, device: str, images: int) -> Iterator[Client]:
    """Start the cluster that `where` names, or connect to it, and leave it as it was found at the end.

    Args:
        where: one of `CLUSTERS` or a scheduler's address. `auto` is `inline` for few images, since starting a process
            costs more than it brings, else `cuda` or `local` by device.
        device: name of the device.
        images: number of images to be worked on.

    Raises:
        OptionError: dask-cuda is needed and missing.
        ClusterError: no scheduler answers at the address.
    """
    if where == "auto":
        where = "inline" if images <= _SMALL else "cuda" if device == "cuda" else "local"
    with ExitStack() as stack:
        if where == "cuda":
            target = stack.enter_context(local_cuda_cluster(BLOCKS_AT_A_TIME))
        elif where in ("inline", "local"):
            target = stack.enter_context(_local_cluster(processes=where == "local"))
        else:
            target = where
        try:
            client = stack.enter_context(Client(target, timeout=_CONNECT_SECONDS, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"--cluster {where}: no Dask scheduler answers there ({error})") from error
        yield client


def _local_cluster(*, processes: bool) -> LocalCluster:
    cores = len(os.sched_getaffinity(0))
    return LocalCluster(
        n_workers=max(2, cores // 4) if processes else 1,
        threads_per_worker=BLOCKS_AT_A_TIME,
        processes=processes,
        # A worker's memory does not grow with its work; Dask's guard would kill it for what the network needs.
        memory_limit=None,
        dashboard_address=None,
        silence_logs=logging.ERROR,
    )


def workers_per_machine(client: Client) -> int:
    """Return how many worker processes share a machine, at most; 0 where the work is done in this very process."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if all(address.startswith("inproc://") for address in workers):
        return 0
    return max(Counter(worker["host"] for worker in workers.values()).values(), default=1)


def run_jobs(client: Client, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Do `work` on every job and yield the results as they come, with a bounded number of jobs under way.

    Raises:
        ClusterError: workers died over one job again and again, or the disk failed.
        GapscopeError: whatever `work` raises on purpose.
    """
    waiting = iter(jobs)
    window = 2 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    under_way = as_completed(loop=client.loop)
    for job in islice(waiting, window):
        under_way.add(_submitted(client, work, job))
    for future in under_way:
        yield _result(future)
        for job in islice(waiting, 1):
            under_way.add(_submitted(client, work, job))


def _submitted(client: Client, work: Callable[[Job], Result], job: Job) -> "Future[Any]":
    return client.submit(work, job, pure=False, retries=_RETRIES)


def _result(future: "Future[Any]") -> Any:
    try:
        return future.result()
    except GapscopeError:
        raise
    except KilledWorker as error:
        raise ClusterError(
            "a block brought several Dask workers down, perhaps for want of memory; what is finished is kept, "
            "and the same command goes on from there"
        ) from error
    except OSError as error:
        raise ClusterError(
            f"a worker cannot read or write the run ({error}); what is finished is kept, "
            "and the same command goes on from there"
        ) from error
