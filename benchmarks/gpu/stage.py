"""What the stages of the GPU benchmarks have in common: their setting, and clocks that wait for the GPU."""

import time
from collections.abc import Callable
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
        scratch: folder that all parts of a script share, and that goes away with it.
    """

    device: Device
    dry: bool
    images: Path | None
    scratch: Path

    def size(self, real: Size, dry: Size) -> Size:
        """Return how large something is: `real`, or `dry` where everything is tiny."""
        return dry if self.dry else real

    def folder(self, name: str) -> Path:
        """Return a new folder of that name."""
        path = self.scratch / name
        path.mkdir(parents=True)
        return path


Part = Callable[[Setting], dict[str, Any]]
"""What a stage's module has in its table PARTS. `DRY` there names those that a dry run does, where it is not all."""


def seconds_of(run: Callable[[], Any], repeats: int) -> list[float]:
    """Return how long each call takes until the GPU, if there is one, has done its work; one goes ahead uncounted."""
    taken = []
    for _ in range(repeats + 1):
        _wait()
        start = time.perf_counter()
        run()
        _wait()
        taken.append(time.perf_counter() - start)
    return taken[1:]


def rates_of(amount: float, run: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Return `amount` per second for every repeat, and the median of them."""
    rates = [amount / seconds for seconds in seconds_of(run, repeats)]
    return {"repeats": rates, "median": float(np.median(rates))}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
