"""The interface through which stages report progress, and an implementation that shows nothing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One long piece of work in progress."""

    def advance(self, done: int, rejected: int = 0) -> None:
        """Count `done` more units as finished; `rejected` of them were images that could not be read."""

    def show(self, fact: str) -> None:
        """Show a short text beside the numbers, in place of the previous one."""


class Progress(Protocol):
    """Shows long work to a person.

    `gapscope.progress_bars` has implementations for terminals, notebooks and logs; `Silent` shows nothing.
    `gapscope.compare` also writes notes and the ends of long work to the run's log.txt and to the logger `gapscope`.
    """

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Show a task of `total` units while the returned context is open; 0 if the total is not known."""

    def note(self, message: str) -> None:
        """Show one line that the user should know."""


class _SilentTask:
    def advance(self, done: int, rejected: int = 0) -> None:
        """Count nothing."""

    def show(self, fact: str) -> None:
        """Show nothing."""


class Silent:
    """A `Progress` that shows nothing.

    Example:
        >>> with Silent().task("embed", total=2, unit="images") as task:
        ...     task.advance(2)
    """

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Open a task that shows nothing."""
        yield _SilentTask()

    def note(self, message: str) -> None:
        """Drop the message."""


def plain_line(text: str) -> str:
    r"""Escape the characters that would move a terminal's cursor or change its colors.

    Messages contain the names of files, columns and categories, which may come from somebody else.

    Example:
        >>> print(plain_line("two\nlines, \x1b[31mred"))
        two\nlines, \x1b[31mred
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
