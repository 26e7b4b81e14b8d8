"""Collecting the single calls of several threads into batches."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class DynamicBatcher(Generic[Job, Result]):
    """Turns a function of a batch of jobs into a function of one job; may be called from several threads.

    The jobs that arrive while a batch is processed form the next batch. No job waits for a batch to fill: a single
    caller is served at once, and batches grow with the number of callers.

    Args:
        process: returns one result per job, in the same order.
        max_batch: the largest number of jobs in a batch.

    Example:
        >>> double = DynamicBatcher(lambda jobs: [2 * job for job in jobs], max_batch=8)
        >>> double(21)
        42
    """

    def __init__(self, process: Callable[[list[Job]], list[Result]], max_batch: int) -> None:
        self._process = process
        self._max_batch = max_batch
        self._queue: Queue[tuple[Job, Future[Result]]] = Queue()
        Thread(target=self._run, daemon=True).start()

    def __call__(self, job: Job) -> Result:
        """Return the result of a job; raises what `process` raises for its batch."""
        future: Future[Result] = Future()
        self._queue.put((job, future))
        return future.result()

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            with suppress(Empty):
                while len(batch) < self._max_batch:
                    batch.append(self._queue.get_nowait())
            try:
                results = self._process([job for job, _ in batch])
                for (_, future), result in zip(batch, results, strict=True):
                    future.set_result(result)
            except BaseException as error:  # noqa: BLE001 - the callers get it, whatever it is.
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
