"""Where a block's time goes."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Clock:
    """Seconds spent per step; may be used from several threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Add the time that the context is open."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._add(step, time.perf_counter() - start)

    def waits(self, step: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield `items`, and add the time that each is waited for."""
        waiting = iter(items)
        while True:
            with self.timing(step):
                item = next(waiting, self)
            if item is self:
                return
            yield item  # type: ignore[misc]

    def _add(self, step: str, seconds: float) -> None:
        with self._lock:
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds
