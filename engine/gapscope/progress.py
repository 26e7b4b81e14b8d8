"""How stages tell the outside that they advance."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol


class Task(Protocol):
    """One piece of long work under way."""

    def advance(self, done: int, rejected: int = 0) -> None:
        """Count `done` more units as finished, `rejected` of which were images that could not be read."""


class Progress(Protocol):
    """Shows long work to a person. The command line has one with bars; the library's default shows nothing."""

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Show a piece of work of `total` units while the returned context is open."""

    def note(self, message: str) -> None:
        """Show one line that is worth knowing."""


class _SilentTask:
    def advance(self, done: int, rejected: int = 0) -> None:
        """Count nothing."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Open a task that shows nothing."""
        yield _SilentTask()

    def note(self, message: str) -> None:
        """Drop the line."""


class Timed:
    """Passes everything on, and keeps how long each piece of work took and how much it was."""

    def __init__(self, shown: Progress) -> None:
        """Pass on to `shown`."""
        self._shown = shown
        self.times: dict[str, dict[str, Any]] = {}

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        counted = _Counted()
        start = time.monotonic()
        with self._shown.task(title, total, unit) as task:
            counted.to = task
            yield counted
        if counted.done:
            seconds = round(time.monotonic() - start, 2)
            self.times[title] = {"seconds": seconds, "done": counted.done, "unit": unit}

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Open a task that is timed until its context is left."""
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        """Pass the line on."""
        self._shown.note(message)


class _Counted:
    to: Task

    def __init__(self) -> None:
        self.done = 0

    def advance(self, done: int, rejected: int = 0) -> None:
        """Count, and pass on."""
        self.done += done
        self.to.advance(done, rejected)
