"""How stages tell the outside that they advance."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of long work under way."""

    def advance(self, done: int, rejected: int = 0) -> None:
        """Count `done` more units as finished, `rejected` of which were images that could not be read."""

    def show(self, fact: str) -> None:
        """Show a short fact beside the numbers, in place of the one before."""


class Progress(Protocol):
    """Shows long work to a person. The command line has one with bars; the library's default shows nothing."""

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Show a piece of work of `total` units while the returned context is open."""

    def note(self, message: str) -> None:
        """Show one line that is worth knowing."""


class _SilentTask:
    def advance(self, done: int, rejected: int = 0) -> None:
        """Count nothing."""

    def show(self, fact: str) -> None:
        """Show nothing."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Open a task that shows nothing."""
        yield _SilentTask()

    def note(self, message: str) -> None:
        """Drop the line."""


def plain_line(words: str) -> str:
    """Return text with what would move a terminal's cursor or colour it spelled out: names come from strangers."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)
