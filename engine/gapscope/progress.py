"""The protocol by which stages show their progress."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of long work that is under way."""

    def advance(self, done: int, rejected: int = 0) -> None:
        """Count `done` more units as finished, of which `rejected` were images that could not be read."""

    def show(self, fact: str) -> None:
        """Show a short fact beside the numbers; it replaces the one before."""


class Progress(Protocol):
    """Shows long work to a person.

    The command line shows bars. The library shows nothing by default; its notes and the ends of long work go to the
    logger `gapscope` in any case.
    """

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Show a piece of work of `total` units while the returned context is open; 0 if the total is not known."""

    def note(self, message: str) -> None:
        """Show one line that is worth knowing."""


class _SilentTask:
    def advance(self, done: int, rejected: int = 0) -> None:
        """Count nothing."""

    def show(self, fact: str) -> None:
        """Show nothing."""


class Silent:
    """A `Progress` that shows nothing."""

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Open a task that shows nothing."""
        yield _SilentTask()

    def note(self, message: str) -> None:
        """Drop the line."""


def plain_line(text: str) -> str:
    r"""Return text with its unprintable characters escaped.

    Names come from strangers, and such characters could move a terminal's cursor or change its colours.

    Example:
        >>> plain_line("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
