"""Long work as bars on a terminal or in a notebook, as plain lines in a pipe or a log, or as JSON for programs."""

import html
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from gapscope.progress import Progress, Silent, Task, plain_line

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_PICTURES = 0.2


@contextmanager
def shown_progress(translate: Callable[[str], str] = str) -> Iterator[Progress]:
    """Yield bars if stderr is a terminal, plain lines otherwise; both go to stderr.

    Args:
        translate: is applied to notes before they are shown.
    """
    if not sys.stderr.isatty():
        yield _Lines(translate)
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
        yield _OnTerminal(bars, translate)


@contextmanager
def chosen_progress(progress: Progress | bool | None) -> Iterator[Progress]:
    """Yield what shows long work to a Python program's user.

    Args:
        progress: False to show nothing, True for bars or plain lines, None for bars in a notebook or on a terminal and
            nothing elsewhere; or what shows it.

    Example:
        >>> with chosen_progress(False) as shown:
        ...     type(shown).__name__
        'Silent'
    """
    if progress is None or progress is True:
        if in_notebook():
            with _in_notebook() as shown:
                yield shown
        elif progress or sys.stderr.isatty():
            with shown_progress() as shown:
                yield shown
        else:
            yield Silent()
    else:
        yield progress or Silent()


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class _Count:
    """Units done and rejected, and how fast they come."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.done, self.rejected = total, unit, 0, 0
        self.fact = ""
        self._start = time.monotonic()
        self._stop: float | None = None

    def add(self, done: int, rejected: int) -> None:
        self.done += done
        self.rejected += rejected

    def stop(self) -> None:
        """Stop the clock."""
        self._stop = time.monotonic()

    @property
    def has_stopped(self) -> bool:
        return self._stop is not None

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self._stop is None else self._stop) - self._start

    @property
    def rate(self) -> str:
        if self.unit != "image" or not self.done:
            return ""
        return f"{self.done / max(self.seconds, 1e-9):,.0f} {self.unit}s/s"

    @property
    def rejects(self) -> str:
        return f"{self.rejected:,} rejected" if self.rejected else ""

    @property
    def seconds_left(self) -> float | None:
        if not (self.total and self.done) or self.done >= self.total:
            return None
        return round(self.seconds * (self.total - self.done) / self.done, 3)

    @property
    def left(self) -> str:
        return "" if self.seconds_left is None else f"{self.seconds_left:,.0f} s left"


class _OnTerminal:
    def __init__(self, bars: Bars, translate: Callable[[str], str]) -> None:
        self._bars, self._translate = bars, translate

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        count = _Count(total, unit)
        bar = self._bars.add_task(title, total=total or None, rate="", rejected="", fact="")
        yield _Bar(self._bars, bar, count)
        self._bars.update(bar, total=count.done, completed=count.done)

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        self._bars.console.print(plain_line(self._translate(message)), markup=False, soft_wrap=True)


class _Bar:
    def __init__(self, bars: Bars, bar: TaskID, count: _Count) -> None:
        self._bars, self._bar, self._count = bars, bar, count

    def advance(self, done: int, rejected: int = 0) -> None:
        self._count.add(done, rejected)
        self._bars.update(self._bar, completed=self._count.done, rate=self._count.rate, rejected=self._count.rejects)

    def show(self, fact: str) -> None:
        self._bars.update(self._bar, fact=fact)


class _Lines:
    def __init__(self, translate: Callable[[str], str]) -> None:
        self._translate = translate

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        count = _Count(total, unit)
        yield _Line(count, lambda: _print_line(title, count))
        if count.done:
            _print_line(f"{title} done in {count.seconds:.1f} s", count)

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        print(plain_line(self._translate(message)), file=sys.stderr, flush=True)  # noqa: T201


class _Line:
    def __init__(self, count: _Count, print_count: Callable[[], None]) -> None:
        self._count, self._print, self._last = count, print_count, time.monotonic()

    def advance(self, done: int, rejected: int = 0) -> None:
        self._count.add(done, rejected)
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._print()

    def show(self, fact: str) -> None:
        self._count.fact = fact


def _print_line(title: str, count: _Count) -> None:
    of = f" of {count.total:,}" if count.total else ""
    facts = [f"{count.done:,}{of} {count.unit}s", count.rate, count.rejects, count.fact, count.left]
    print(f"{title}: {', '.join(fact for fact in facts if fact)}", file=sys.stderr, flush=True)  # noqa: T201


class JsonLines:
    """A JSON object per line on stderr: notes, how long work goes on, and its end.

    Each has `time` and `event`. A `note` has `message`; `progress` and `done` have `task`, `done`, `total` (null where
    it is not known), `unit`, `rejected`, `seconds`, `seconds_left` (null where it is not known) and `fact`.
    """

    def __init__(self, translate: Callable[[str], str] = str) -> None:
        self._translate = translate

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        count = _Count(total, unit)
        yield _Line(count, lambda: _print_record("progress", **_record(title, count)))
        _print_record("done", **_record(title, count))

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Log a task while the returned context is open."""
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        """Log a note."""
        _print_record("note", message=self._translate(message))


def _record(title: str, count: _Count) -> dict[str, Any]:
    return {
        "task": title,
        "done": count.done,
        "total": count.total or None,
        "unit": count.unit,
        "rejected": count.rejected,
        "seconds": round(count.seconds, 3),
        "seconds_left": count.seconds_left,
        "fact": count.fact,
    }


def _print_record(event: str, **fields: Any) -> None:
    record = {"time": datetime.now(UTC).isoformat(), "event": event, **fields}
    print(json.dumps(record, ensure_ascii=False), file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def _in_notebook() -> Iterator[Progress]:
    # Other libraries' bars miss widgets that ours do without.
    warnings.filterwarnings("ignore", message="IProgress not found")
    shown = _InNotebook()
    yield shown
    shown.draw()


class _InNotebook:
    """One output of a cell, in which bars and notes follow each other; it needs no widgets."""

    def __init__(self) -> None:
        from IPython import display

        notebook: Any = display
        self._html = notebook.HTML
        self._lines: list[str | _Row] = []
        self._drawn = time.monotonic()
        self._handle = notebook.display(self._html(""), display_id=True)

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        row = _Row(title, _Count(total, unit), self.draw_soon)
        self._lines.append(row)
        yield row
        row.count.stop()
        self.draw_soon()

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        return self._task(title, total, unit)

    def note(self, message: str) -> None:
        self._lines.append(plain_line(message))
        self.draw()

    def draw_soon(self) -> None:
        """Draw unless that was done a moment ago."""
        if time.monotonic() - self._drawn >= _SECONDS_BETWEEN_PICTURES:
            self.draw()

    def draw(self) -> None:
        """Replace what the notebook shows."""
        self._drawn = time.monotonic()
        rows = [
            f'<div style="white-space:pre-wrap">{html.escape(line)}</div>' if isinstance(line, str) else line.html()
            for line in self._lines
        ]
        self._handle.update(self._html(f'<div style="font-family:monospace;font-size:12px">{"".join(rows)}</div>'))


class _Row:
    def __init__(self, title: str, count: _Count, draw: Callable[[], None]) -> None:
        self.title, self.count, self._draw = title, count, draw

    def advance(self, done: int, rejected: int = 0) -> None:
        self.count.add(done, rejected)
        self._draw()

    def show(self, fact: str) -> None:
        self.count.fact = fact

    def html(self) -> str:
        """Return the row as it is now."""
        count = self.count
        ended = count.has_stopped
        of = f" of {count.total:,}" if count.total and not ended else ""
        time_text = f"{count.seconds:.1f} s" if ended else count.left
        facts = [f"{count.done:,}{of} {count.unit}s", count.rate, count.rejects, count.fact, time_text]
        share = (
            "" if count.total == 0 and not ended else f' value="{1 if ended else count.done / max(count.total, 1):.3f}"'
        )
        words = html.escape(", ".join(fact for fact in facts if fact))
        return (
            f'<div><span style="display:inline-block;width:14em">{html.escape(plain_line(self.title))}</span>'
            f'<progress max="1"{share} style="width:14em;vertical-align:middle"></progress> {words}</div>'
        )
