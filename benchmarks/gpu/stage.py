"""What the parts of the GPU proof have in common: their setting, and clocks that wait for the GPU."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from gapscope.device import Device

Size = TypeVar("Size")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a part is measured with.

    Attributes:
        device: what is judged.
        dry: everything is tiny: what is wanted is whether it runs, not what it measures.
        images: folder of photographs; None for those that scikit-image's wheel carries.
        scratch: folder that all parts share, and that goes away with the last.
    """

    device: Device
    dry: bool
    images: Path | None
    scratch: Path

    def size(self, real: Size, dry: Size) -> Size:
        """Return how large something is: `real`, or `dry` where everything is tiny."""
        return dry if self.dry else real

    def folder(self, name: str) -> Path:
        """Return a new folder with that name in its own."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))

    @property
    def on_gpu(self) -> bool:
        """Whether what is judged is a GPU."""
        return self.device.name == "cuda"


Found = dict[str, Any]
"""Numbers by name, as JSON values."""
Part = Callable[[Setting], Iterator[Found]]
"""Yields numbers as it finds them: a part that is cut off has lost none that it had."""


class Stopwatch:
    """Tells the seconds since it was last asked."""

    def __init__(self) -> None:
        wait_for_gpu()
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last lap, when the GPU, if there is one, has done its work."""
        wait_for_gpu()
        now = time.perf_counter()
        taken, self._last = now - self._last, now
        return round(taken, 4)


def seconds_of(run: Callable[[], Any], repeats: int) -> list[float]:
    """Return how long each call takes until the GPU, if there is one, has done its work; one goes ahead uncounted."""
    taken = []
    for _ in range(repeats + 1):
        wait_for_gpu()
        start = time.perf_counter()
        run()
        wait_for_gpu()
        taken.append(time.perf_counter() - start)
    return taken[1:]


def rates_of(amount: float, run: Callable[[], Any], repeats: int) -> Found:
    """Return `amount` per second for every repeat, and the median of them."""
    rates = [amount / seconds for seconds in seconds_of(run, repeats)]
    return {"repeats": rates, "median": float(np.median(rates))}


def wait_for_gpu() -> None:
    """Return when the GPU, if there is one, has done its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
