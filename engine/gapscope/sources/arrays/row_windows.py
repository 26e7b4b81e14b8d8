"""A small cache of consecutive rows that are read together."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from numpy.typing import NDArray

_MAX_WINDOWS = 4
_MAX_BYTES = 64 * 2**20


class RowWindows:
    """Rows that are read in windows, since the next row that is wanted is usually in the same one.

    Keeps the last windows, of at most 64 MiB together, or one if it is larger.

    Args:
        run: how many rows follow each other before there is a jump; a window lies between two jumps.
        step: how many rows a window has.
        read: returns the rows from one number on, up to another.
    """

    def __init__(self, run: int, step: int, read: Callable[[int, int], NDArray[Any]]) -> None:
        self._run, self._step, self._read = run, step, read
        self._windows: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def read(self, row: int) -> NDArray[Any]:
        """Return one row."""
        run_start = row // self._run * self._run
        first = row - (row - run_start) % self._step
        with self._lock:
            window = self._windows.get(first)
            if window is None:
                window = self._read(first, min(first + self._step, run_start + self._run))
                self._windows[first] = window
                while len(self._windows) > _MAX_WINDOWS or (
                    len(self._windows) > 1 and sum(kept.nbytes for kept in self._windows.values()) > _MAX_BYTES
                ):
                    self._windows.popitem(last=False)
            self._windows.move_to_end(first)
            image: NDArray[Any] = window[row - first]
            return image
