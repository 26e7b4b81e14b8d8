"""Ctrl-C: the first one finishes the blocks under way, the second one stops at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from gapscope.progress import Progress

Started = TypeVar("Started")


@contextmanager
def finishing_on_interrupt(progress: Progress) -> Iterator[Callable[[], bool]]:
    """Handle Ctrl-C while the context is open: the first one only makes the yielded function return True.

    The second one raises KeyboardInterrupt, as any Ctrl-C does elsewhere. In a thread other than the main thread, which
    cannot handle signals, nothing changes and the function always returns False.

    Args:
        progress: is told that the first Ctrl-C was received.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted.is_set
        return

    def handle(number: int, frame: Any) -> None:
        del number, frame
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        progress.note("stopping: the blocks under way are finished first; press Ctrl-C again to stop at once")

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


def start_without_sigint(start: Callable[[], Started], close: Callable[[Started], object]) -> Started:
    """Return the result of `start`; Ctrl-C never reaches the threads and processes that `start` starts.

    Nor does it reach threads and processes that those start later. A terminal sends Ctrl-C to every process, and a
    worker that is still importing would answer with a traceback.

    Args:
        start: is called in its own thread with SIGINT blocked, so that Ctrl-C need not wait for it.
        close: is called with the result of `start`, as soon as there is one, if Ctrl-C came first.

    Raises:
        KeyboardInterrupt: Ctrl-C came before `start` returned.
    """
    # multiprocessing would start its resource tracker together with the first process, and unblock SIGINT for that
    # process. The tracker's warning, when this process exits at once, is about things that it then cleans up itself.
    with _environment(PYTHONWARNINGS="ignore:resource_tracker"):
        resource_tracker.ensure_running()
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool = ThreadPoolExecutor(1)
        starting = pool.submit(start)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    try:
        return starting.result()
    except KeyboardInterrupt:
        starting.add_done_callback(lambda future: future.exception() or close(future.result()))
        raise
    finally:
        pool.shutdown(wait=False)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    previous = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
