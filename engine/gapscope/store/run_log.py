"""The run's log.txt, and the logger `gapscope`: every note and the end of every piece of long work."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version

from gapscope.progress import Progress, Task, plain_line
from gapscope.store.location import Location, is_remote
from gapscope.store.run_record import Timing

NAME = "log.txt"
_LOGGER = logging.getLogger("gapscope")


class RunLog:
    """A `Progress` that passes everything on to another one, appends it to the run's log.txt, and logs it.

    Each line of log.txt starts with the time of day in UTC. Lines go to the logger `gapscope` at level INFO; work that
    an error stopped, at level WARNING.

    Args:
        shown: the progress that shows the work.
        run: the run's folder.

    Attributes:
        times: per piece of work, how long it took.
    """

    def __init__(self, shown: Progress, run: Location) -> None:
        self._shown, self._file = shown, run / NAME
        self._seconds: dict[str, float] = {}
        self.times: dict[str, Timing] = {}
        self._write(f"gapscope {version('gapscope')} on {socket.gethostname()}, process {os.getpid()}")

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Show a piece of work, and log its end."""
        return self._task(title, total, unit)

    @contextmanager
    def _task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        start = time.monotonic()
        count = _Count()
        try:
            with self._shown.task(title, total, unit) as task:
                count.task = task
                yield count
        except BaseException as error:
            stopped = f"{title} stopped after {count.done:,} {unit}s: {type(error).__name__}: {error}"
            self._write(stopped, logging.WARNING)
            raise
        finally:
            seconds = time.monotonic() - start
            work = title.split(maxsplit=1)[0]
            self._seconds[work] = self._seconds.get(work, 0.0) + seconds
        if count.done:
            self.times[title] = Timing(seconds=round(seconds, 2), done=count.done, unit=unit)
            rejected = f", {count.rejected:,} rejected" if count.rejected else ""
            self._write(f"{title}: {count.done:,} {unit}s in {seconds:.1f} s{rejected}")

    def note(self, message: str) -> None:
        """Show a line, and log it."""
        self._shown.note(message)
        self._write(message)

    def tell_times(self) -> None:
        """Note how many seconds each kind of work took."""
        spent = ", ".join(f"{work} {seconds:.1f} s" for work, seconds in self._seconds.items())
        self.note(f"time: {spent}")

    def _write(self, message: str, level: int = logging.INFO) -> None:
        message = plain_line(" ".join(message.split()))
        _LOGGER.log(level, "%s", message)
        line = f"{datetime.now(UTC).isoformat(timespec='seconds')} {message}\n"
        # If the log cannot be written, the run's other files cannot either, and their errors say more.
        with suppress(OSError):
            if is_remote(self._file):
                # Object stores cannot append.
                before = self._file.read_text(encoding="utf-8") if self._file.exists() else ""
                self._file.write_text(before + line, encoding="utf-8")
            else:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(line)


class _Count:
    task: Task

    def __init__(self) -> None:
        self.done = self.rejected = 0

    def advance(self, done: int, rejected: int = 0) -> None:
        self.done += done
        self.rejected += rejected
        self.task.advance(done, rejected)

    def show(self, fact: str) -> None:
        self.task.show(fact)
