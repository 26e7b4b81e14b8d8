"""Long work as bars on a terminal, and as plain lines in a pipe or a log; both on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from gapscope.progress import Progress, Task, plain_line
from gapscope_cli.errors import replace_arguments

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield bars if stderr is a terminal, plain lines otherwise."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("[yellow]{task.fields[rejected]}"),
        TextColumn("{task.fields[fact]}"),
    )
    with Bars(*columns, console=Console(stderr=True, highlight=False)) as bars:
        yield _OnTerminal(bars)


class _Count:
    """Units done and rejected, and how fast they come."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.done, self.rejected = total, unit, 0, 0
        self.fact = ""
        self._start = time.monotonic()

    def add(self, done: int, rejected: int) -> None:
        self.done += done
        self.rejected += rejected

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @property
    def rate(self) -> str:
        if self.unit != "image" or not self.done:
            return ""
        return f"{self.done / max(self.seconds, 1e-9):,.0f} {self.unit}s/s"

    @property
    def rejects(self) -> str:
        return f"{self.rejected:,} rejected" if self.rejected else ""

    @property
    def left(self) -> str:
        if not (self.total and self.done) or self.done >= self.total:
            return ""
        return f"{self.seconds * (self.total - self.done) / self.done:,.0f} s left"


class _OnTerminal:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        count = _Count(total, unit)
        bar = self._bars.add_task(title, total=total or None, rate="", rejected="", fact="")
        yield _Bar(self._bars, bar, count)
        self._bars.update(bar, total=count.done, completed=count.done)

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        self._bars.console.print(plain_line(replace_arguments(message)), markup=False, soft_wrap=True)


class _Bar:
    def __init__(self, bars: Bars, bar: TaskID, count: _Count) -> None:
        self._bars, self._bar, self._count = bars, bar, count

    def advance(self, done: int, rejected: int = 0) -> None:
        self._count.add(done, rejected)
        self._bars.update(self._bar, completed=self._count.done, rate=self._count.rate, rejected=self._count.rejects)

    def show(self, fact: str) -> None:
        self._bars.update(self._bar, fact=fact)


class _Lines:
    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        count = _Count(total, unit)
        yield _Line(title, count)
        if count.done:
            _print_line(f"{title} done in {count.seconds:.1f} s", count)

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        print(plain_line(replace_arguments(message)), file=sys.stderr, flush=True)  # noqa: T201


class _Line:
    def __init__(self, title: str, count: _Count) -> None:
        self._title, self._count, self._last = title, count, time.monotonic()

    def advance(self, done: int, rejected: int = 0) -> None:
        self._count.add(done, rejected)
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            _print_line(self._title, self._count)

    def show(self, fact: str) -> None:
        self._count.fact = fact


def _print_line(title: str, count: _Count) -> None:
    of = f" of {count.total:,}" if count.total else ""
    facts = [f"{count.done:,}{of} {count.unit}s", count.rate, count.rejects, count.fact, count.left]
    print(f"{title}: {', '.join(fact for fact in facts if fact)}", file=sys.stderr, flush=True)  # noqa: T201
