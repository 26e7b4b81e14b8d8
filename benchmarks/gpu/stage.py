"""What the parts of the GPU proof share: their setting, and the types of parts and results."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from harness import rates_of

from gapscope.device import Device

Size = TypeVar("Size")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Device, sizes and folders of a part.

    Attributes:
        device: the device under test.
        dry: whether everything is tiny, to test that the part runs rather than to measure.
        images: folder of photographs; None for those in scikit-image's wheel.
        scratch: folder that all parts share, deleted after the last one.
    """

    device: Device
    dry: bool
    images: Path | None
    scratch: Path

    def size(self, real: Size, dry: Size) -> Size:
        """Return `real`, or `dry` in a dry run."""
        return dry if self.dry else real

    def folder(self, name: str) -> Path:
        """Return a new folder in `scratch` whose name starts with `name`."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))

    @property
    def on_gpu(self) -> bool:
        """Whether the device under test is a GPU."""
        return self.device.name == "cuda"


Result = dict[str, Any]
"""Measured values by name, as JSON values."""
Part = Callable[[Setting], Iterator[Result]]
"""Yields every result as soon as it is measured, so that a part that is cut off loses none of them."""


def rate_summary(amount: float, run: Callable[[], Any], repeats: int) -> Result:
    """Return `amount` per second for every repeat of `run`, and their median."""
    rates = rates_of(amount, run, repeats)
    return {"repeats": rates, "median": float(np.median(rates))}
