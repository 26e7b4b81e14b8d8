"""Ctrl-C: once to finish what is under way, twice to stop at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gapscope.progress import Progress


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
