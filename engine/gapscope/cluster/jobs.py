"""Runs jobs on a cluster, a few at a time, and copes with workers that come, go or run out of memory."""

import errno
import time
from collections import deque
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

_MAX_TRIES = 3
_POLL_SECONDS = 0.2
_REFRESH_SECONDS = 1.0
_JOBS_PER_WORKER = 3
"""A worker works on two jobs at a time, and the third waits there."""
_RESUME_HINT = "what is finished is kept, and the same command goes on from there"
_OUT_OF_MEMORY_WORDS = ("can't allocate memory", "can't start new thread", "bad_alloc", "out of memory")


class Stopped(KeyboardInterrupt):
    """The user asked to stop, and all jobs that had started are finished."""


def run_jobs(
    client: Client,
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    stopped: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Call `work` with every job on the workers, and yield the results in the order in which they are finished.

    The number of jobs under way is bounded. A job whose worker dies is repeated on another worker. A job that fails is
    tried again, up to three times in all; for want of memory, it is repeated on other workers until none is left.

    Args:
        client: of the cluster.
        work: function of one job; must be picklable, as jobs and results must.
        jobs: are consumed only as fast as they are submitted. To a deque more may be added while results are yielded.
        stopped: is polled; once it returns True, no more jobs are started.
        progress: is told of workers that join and leave.

    Yields:
        The result of `work` for each job.

    Raises:
        ClusterError: the connection to the scheduler is lost, one job brought several workers down, every worker ran
            out of memory, or the disk failed.
        GapscopeError: `work` raised it.
        Stopped: `stopped` returned True, and the jobs that had started are finished.
    """
    workers = _Workers(client, progress or Silent())
    remaining, finished, stopping = _consume(jobs), SimpleQueue[Any](), False
    pending: dict[str, _Submission[Job]] = {}

    def submit(submission: "_Submission[Job]") -> None:
        submission.workers = workers.eligible()
        future: Any = client.submit(
            _run_on_worker, work, version("gapscope"), submission.job, pure=False, workers=submission.workers
        )
        submission.future = future
        pending[future.key] = submission
        future.add_done_callback(finished.put)

    for job in remaining(workers.max_pending_jobs()):
        submit(_Submission(job))
    while pending:
        if stopped() and not stopping:
            stopping = True
            for key in _not_started(client, pending):
                pending.pop(key).cancel()
        try:
            future = finished.get(timeout=_POLL_SECONDS)
        except Empty:
            # A job that is restricted to certain workers would wait for ever once they have all left.
            for key in [key for key, submission in pending.items() if workers.have_left(submission.workers)]:
                submission = pending.pop(key)
                submission.cancel()
                submit(submission)
            continue
        if future.key not in pending:
            continue
        submission = pending.pop(future.key)
        try:
            result = future.result()
        # Work may raise anything, which is then judged.
        except (Exception, CancelledError) as error:  # noqa: BLE001
            _raise_unless_retryable(error, submission, workers)
            if not stopping:
                submit(submission)
            continue
        yield result
        if not stopping:
            for job in remaining(max(0, workers.max_pending_jobs() - len(pending))):
                submit(_Submission(job))
    if stopping:
        raise Stopped


def _consume(jobs: Iterable[Job]) -> Callable[[int], list[Job]]:
    """Return a function that takes the next jobs, at most so many."""
    if isinstance(jobs, deque):
        return lambda count: [jobs.popleft() for _ in range(min(count, len(jobs)))]
    following = iter(jobs)
    return lambda count: list(islice(following, count))


@dataclass
class _Submission(Generic[Job]):
    """A job that the cluster has; `workers` are the only ones that may run it, or None for all."""

    job: Job
    tries: int = 1
    workers: list[str] | None = None
    future: Any = field(default=None, repr=False)

    def cancel(self) -> None:
        self.future.cancel()


class _OutOfMemory(Exception):
    """A worker has too little memory for a job; `args` are the worker's address and its error message."""


def _run_on_worker(work: Callable[[Job], Result], required_version: str, job: Job) -> Result:
    address = get_worker().address
    # This worker may have joined after the versions of the others were checked.
    check_version(f"worker {address}", version("gapscope"), required_version)
    try:
        return work(job)
    except Exception as error:
        if _is_out_of_memory(error) or _is_out_of_memory(error.__cause__):
            raise _OutOfMemory(address, one_line(error)) from None
        raise


def _is_out_of_memory(error: BaseException | None) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY_WORDS)


class _Workers:
    """The cluster's current workers, looked up once a second, and those of them that are out of memory."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client, self._progress = client, progress
        self._known: set[str] | None = None
        self._out_of_memory: set[str] = set()
        self._refreshed = 0.0

    def _addresses(self) -> set[str]:
        if self._known is None or time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            current = set(self._client.scheduler_info(n_workers=-1)["workers"])
            known = current if self._known is None else self._known
            for address in sorted(current - known):
                self._progress.note(f"worker {address} has joined")
            for address in sorted(known - current):
                self._progress.note(f"worker {address} is gone")
            self._known, self._refreshed = current, time.monotonic()
        return self._known

    def max_pending_jobs(self) -> int:
        """Return the number of jobs that may be under way, running or waiting on a worker."""
        return _JOBS_PER_WORKER * max(1, len(self._addresses()))

    def exclude(self, address: str) -> bool:
        """Give no more jobs to a worker, and tell whether any other worker is left."""
        self._out_of_memory.add(address)
        self._refreshed = 0.0
        return bool(self._addresses() - self._out_of_memory)

    def eligible(self) -> list[str] | None:
        """Return the workers that may get jobs; None for all."""
        return sorted(self._addresses() - self._out_of_memory) or None if self._out_of_memory else None

    def have_left(self, workers: list[str] | None) -> bool:
        """Tell whether all of `workers` have left the cluster."""
        return workers is not None and self._addresses().isdisjoint(workers)


def _not_started(client: Client, pending: dict[str, Any]) -> list[str]:
    started: set[str] = set()
    with suppress(OSError, TimeoutError):
        for stacks in client.call_stack().values():
            started.update(stacks)
    return [key for key in pending if key not in started]


def _raise_unless_retryable(error: BaseException, submission: _Submission[Any], workers: _Workers) -> None:
    """Return if the job is to be tried again.

    Raises:
        ClusterError: another try would be pointless.
        GapscopeError: the job raised it.
    """
    if isinstance(error, GapscopeError):
        raise error
    if isinstance(error, CancelledError):
        raise ClusterError(f"the connection to the Dask scheduler is lost; {_RESUME_HINT}") from error
    if isinstance(error, KilledWorker):
        raise ClusterError(
            f"a block brought several Dask workers down, perhaps for want of memory; {_RESUME_HINT}"
        ) from error
    if isinstance(error, _OutOfMemory):
        address, message = error.args
        if workers.exclude(address):
            return
        raise ClusterError(
            f"no worker has enough memory for a block ({message}); give them more, or take a smaller `size`; "
            f"{_RESUME_HINT}"
        ) from error
    submission.tries += 1
    if submission.tries <= _MAX_TRIES:
        return
    _raise_final(error)


def _raise_final(error: BaseException) -> NoReturn:
    if isinstance(error, OSError):
        raise ClusterError(f"a worker cannot read or write the run ({error}); {_RESUME_HINT}") from error
    raise error
