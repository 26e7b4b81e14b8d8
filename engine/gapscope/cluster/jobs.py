"""Jobs handed to a cluster a few at a time, whatever becomes of its workers."""

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Generic, NoReturn, TypeVar

import torch
from distributed import Client, KilledWorker, get_worker

from gapscope.cluster.worker_setup import check_version
from gapscope.errors import ClusterError, GapscopeError, one_line
from gapscope.progress import Progress, Silent

Job = TypeVar("Job")
Result = TypeVar("Result")

_TRIES = 3
_LOOK_SECONDS = 0.2
_CREW_SECONDS = 1.0
_GOES_ON = "what is finished is kept, and the same command goes on from there"
_WANT_OF_MEMORY = ("can't allocate memory", "can't start new thread", "bad_alloc", "out of memory")


class Stopped(KeyboardInterrupt):
    """The end that was asked for, with no job under way any more."""


def run_jobs(
    client: Client,
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    stopped: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Do `work` on every job and yield the results as they come, with a bounded number of jobs under way.

    A job whose worker dies is done by another; one that fails is tried again, and not by a worker that had too little
    memory for it.

    Args:
        client: of the cluster.
        work: is called with a job, on a worker.
        jobs: taken as they are needed.
        stopped: tells that no job is to be begun any more.
        progress: is told of workers that come and go.

    Raises:
        ClusterError: the scheduler is gone, workers died over one job again and again, all of them ran out of memory,
            or the disk failed.
        GapscopeError: whatever `work` raises on purpose.
        Stopped: `stopped` said so, and the jobs that had begun are finished.
    """
    crew = _Crew(client, progress or Silent())
    waiting, finished, stopping = iter(jobs), SimpleQueue[Any](), False
    under_way: dict[str, _Given[Job]] = {}

    def give(given: "_Given[Job]") -> None:
        given.workers = crew.able()
        future: Any = client.submit(_do, work, version("gapscope"), given.job, pure=False, workers=given.workers)
        given.future = future
        under_way[future.key] = given
        future.add_done_callback(finished.put)

    for job in islice(waiting, crew.window()):
        give(_Given(job))
    while under_way:
        if stopped() and not stopping:
            stopping = True
            for key in _not_begun(client, under_way):
                under_way.pop(key).cancel()
        try:
            future = finished.get(timeout=_LOOK_SECONDS)
        except Empty:
            # A job that may go to certain workers only would wait for ever once they are gone.
            for key in [key for key, given in under_way.items() if crew.gone(given.workers)]:
                given = under_way.pop(key)
                given.cancel()
                give(given)
            continue
        if future.key not in under_way:
            continue
        given = under_way.pop(future.key)
        try:
            result = future.result()
        # Whatever work raises: what it means is for the next lines to say.
        except (Exception, CancelledError) as error:  # noqa: BLE001
            _consider(error, given, crew)
            if not stopping:
                give(given)
            continue
        yield result
        if not stopping:
            for job in islice(waiting, max(0, crew.window() - len(under_way))):
                give(_Given(job))
    if stopping:
        raise Stopped


@dataclass
class _Given(Generic[Job]):
    job: Job
    tries: int = 1
    workers: list[str] | None = None
    future: Any = field(default=None, repr=False)

    def cancel(self) -> None:
        self.future.cancel()


class _OutOfMemory(Exception):
    """A worker has too little memory for a job; `args` is its address, and what it said."""


def _do(work: Callable[[Job], Result], expected: str, job: Job) -> Result:
    address = get_worker().address
    # A worker may have joined after the others were asked.
    check_version(f"worker {address}", version("gapscope"), expected)
    try:
        return work(job)
    except Exception as error:
        if _for_want_of_memory(error) or _for_want_of_memory(error.__cause__):
            raise _OutOfMemory(address, one_line(error)) from None
        raise


def _for_want_of_memory(error: BaseException | None) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WANT_OF_MEMORY)


class _Crew:
    """The workers that there are, looked up now and then."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client, self._progress = client, progress
        self._known: set[str] | None = None
        self._unable: set[str] = set()
        self._looked = 0.0

    def _addresses(self) -> set[str]:
        if self._known is None or time.monotonic() - self._looked > _CREW_SECONDS:
            there = set(self._client.scheduler_info(n_workers=-1)["workers"])
            known = there if self._known is None else self._known
            for address in sorted(there - known):
                self._progress.note(f"worker {address} has joined")
            for address in sorted(known - there):
                self._progress.note(f"worker {address} is gone")
            self._known, self._looked = there, time.monotonic()
        return self._known

    def window(self) -> int:
        """Return how many jobs are to be under way: each worker has two, and its next one at hand."""
        return 3 * max(1, len(self._addresses()))

    def spare(self, address: str) -> bool:
        """Give a worker no more jobs; tell whether any is left."""
        self._unable.add(address)
        self._looked = 0.0
        return bool(self._addresses() - self._unable)

    def able(self) -> list[str] | None:
        """Return the workers that jobs may go to; None for all."""
        return sorted(self._addresses() - self._unable) or None if self._unable else None

    def gone(self, workers: list[str] | None) -> bool:
        """Tell whether all of `workers` have left."""
        return workers is not None and self._addresses().isdisjoint(workers)


def _not_begun(client: Client, under_way: dict[str, Any]) -> list[str]:
    begun: set[str] = set()
    with suppress(OSError, TimeoutError):
        for stacks in client.call_stack().values():
            begun.update(stacks)
    return [key for key in under_way if key not in begun]


def _consider(error: BaseException, given: _Given[Any], crew: _Crew) -> None:
    """Return where a job is worth another try.

    Raises:
        ClusterError: it is not.
        GapscopeError: the job's own.
    """
    if isinstance(error, GapscopeError):
        raise error
    if isinstance(error, CancelledError):
        raise ClusterError(f"the connection to the Dask scheduler is lost; {_GOES_ON}") from error
    if isinstance(error, KilledWorker):
        raise ClusterError(
            f"a block brought several Dask workers down, perhaps for want of memory; {_GOES_ON}"
        ) from error
    if isinstance(error, _OutOfMemory):
        address, said = error.args
        if crew.spare(address):
            return
        raise ClusterError(
            f"no worker has enough memory for a block ({said}); give them more, or take a smaller `size`; {_GOES_ON}"
        ) from error
    given.tries += 1
    if given.tries <= _TRIES:
        return
    _give_up(error)


def _give_up(error: BaseException) -> NoReturn:
    if isinstance(error, OSError):
        raise ClusterError(f"a worker cannot read or write the run ({error}); {_GOES_ON}") from error
    raise error
