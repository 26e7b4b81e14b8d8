"""Ctrl-C: once to finish what is under way, twice to stop at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from gapscope.progress import Progress

Begun = TypeVar("Begun")


@contextmanager
def finishing_on_interrupt(progress: Progress) -> Iterator[Callable[[], bool]]:
    """While the context is open, take the first Ctrl-C as a wish, which the returned function tells of.

    The second one raises KeyboardInterrupt, as the first one does anywhere else. Nothing changes where signals are not
    this thread's to handle.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def handle(number: int, frame: Any) -> None:
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        progress.note("stopping: the blocks under way are finished first; press Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def start_without_sigint(start: Callable[[], Begun], give_up: Callable[[Begun], object]) -> Begun:
    """Return what `start` begins, whose threads and processes Ctrl-C then never reaches, nor what those begin later.

    A terminal gives it to every process, and a worker that still imports would answer with a traceback.

    Args:
        start: is called in a thread of its own, so that Ctrl-C need not wait for it.
        give_up: ends what was begun, once it is there, where Ctrl-C came first.
    """
    # Left to be started with the first process, it would let that one have Ctrl-C again. What it warns of when this
    # process leaves at once is what it then puts in order.
    with _environment(PYTHONWARNINGS="ignore:resource_tracker"):
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool = ThreadPoolExecutor(1)
        begun = pool.submit(start)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return begun.result()
    except KeyboardInterrupt:
        begun.add_done_callback(lambda done: done.exception() or give_up(done.result()))
        raise
    finally:
        pool.shutdown(wait=False)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
