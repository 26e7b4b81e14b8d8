"""Batches out of what several threads ask for one by one."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class DynamicBatcher(Generic[Job, Result]):
    """A function of many jobs that is called with one: what comes while a batch is worked on becomes the next batch.

    Nothing waits for a batch to fill: a single caller is served at once, and batches grow with the number of callers.

    Args:
        work: returns as many results as it gets jobs, in their order.
        most: the largest number of jobs at a time.
    """

    def __init__(self, work: Callable[[list[Job]], list[Result]], most: int) -> None:
        self._work = work
        self._most = most
        self._queue: Queue[tuple[Job, Future[Result]]] = Queue()
        Thread(target=self._serve, daemon=True).start()

    def __call__(self, job: Job) -> Result:
        """Return the job's result; raises what `work` raised for its batch."""
        future: Future[Result] = Future()
        self._queue.put((job, future))
        return future.result()

    def _serve(self) -> None:
        while True:
            waiting = [self._queue.get()]
            with suppress(Empty):
                while len(waiting) < self._most:
                    waiting.append(self._queue.get_nowait())
            try:
                results = self._work([job for job, _ in waiting])
                for (_, future), result in zip(waiting, results, strict=True):
                    future.set_result(result)
            except BaseException as error:  # noqa: BLE001 - it belongs to the callers, whatever it is.
                for _, future in waiting:
                    if not future.done():
                        future.set_exception(error)
