"""Settling which value is black and which is white, once for all images of a dataset.

Files that use 10, 12 or 14 of 16 bits, floats, and the values of thermal cameras and scanners do not say by their type
what their values mean. The files' own tags decide where they say something, and otherwise a sample of their values:
its 0.1% and 99.9% quantiles, so that single pixels decide nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.decode.deep import COLOR_KIND, DeepPixels
from gapscope.settings import ValueRange

SAMPLE_VALUES = 4096
"""Values that are taken of one image."""

_QUANTILES = (0.001, 0.999)
_BITS = (8, 10, 12, 14, 16)
_ENDS_AT_14_BITS = (15_600, 2**14 - 1)
"""Where the largest values of 14-bit color lie: so near the end of 14 bits by chance is unlikely."""

_OVERSHOOT = 0.1
"""What resampling may add to a range on either side, as a fraction of it."""

_TENSOR = 16.0
"""Values of both signs that stay below this look like those that a network is given: mean 0 and variance 1."""


@dataclass(frozen=True)
class ValueSample:
    """Some values of one image.

    Attributes:
        kind: as `DeepPixels`.
        values: (n,) float64; may hold NaN and infinity.
        declared: as `DeepPixels`.
    """

    kind: str
    values: NDArray[np.float64]
    declared: tuple[float, float] | None = None


class UnclearRangeError(ValueError):
    """The values of a dataset do not say which is black and which is white; the message says why."""


def sample_values(pixels: DeepPixels) -> ValueSample:
    """Return evenly spread values of an image.

    Example:
        >>> sample_values(DeepPixels("uint16", np.full((64, 64), 300, np.uint16))).values[:2]
        array([300., 300.])
    """
    values = pixels.color_values
    every = max(1, values.size // SAMPLE_VALUES)
    # A very thin image has fewer rows, or columns, than a step is long.
    down = min(math.isqrt(every), values.shape[0])
    across = min(every // down, values.shape[1])
    down = min(every // across, values.shape[0])
    spread = values[down // 2 :: down, across // 2 :: across].reshape(-1)
    return ValueSample(pixels.kind, spread.astype(np.float64), pixels.declared)


def settle_ranges(samples: Iterable[ValueSample]) -> tuple[ValueRange, ...]:
    """Return a range for every kind of values among samples of a dataset's images.

    Raises:
        UnclearRangeError: the values of a kind can mean several things, or are no picture.

    Example:
        >>> camera = ValueSample("uint16", np.linspace(70, 3900, 1000))
        >>> settle_ranges([camera])
        (ValueRange(kind='uint16', low=0.0, high=4095.0, basis='as the values use 12 bits'),)
    """
    by_kind: dict[str, list[ValueSample]] = {}
    for sample in samples:
        by_kind.setdefault(sample.kind, []).append(sample)
    return tuple(_settle(kind, by_kind[kind]) for kind in sorted(by_kind))


def _settle(kind: str, samples: Sequence[ValueSample]) -> ValueRange:
    values = np.concatenate([sample.values for sample in samples])
    values = values[np.isfinite(values)]
    if kind.startswith("int"):
        # The lowest number of a signed type marks pixels outside the field of view.
        values = values[values != np.iinfo(kind).min]
    if not len(values):
        return ValueRange(kind, 0.0, 1.0, "as no value is finite")
    low, high = (float(value) for value in np.quantile(values, _QUANTILES))
    declared = [sample.declared for sample in samples if sample.declared is not None]
    if len(declared) == len(samples):
        black, white = min(each[0] for each in declared), max(each[1] for each in declared)
        if black <= low and high <= white:
            return ValueRange(kind, black, white, "as the files' own tags say")
    if kind == "float":
        return _float_range(low, high, values)
    if kind == COLOR_KIND and high >= 2**12 and not _ENDS_AT_14_BITS[0] <= high <= _ENDS_AT_14_BITS[1]:
        return ValueRange(kind, 0.0, 65535.0, "as is usual for 16-bit color")
    return _bits(kind, low, high) or _data_range(kind, low, high)


def _bits(kind: str, low: float, high: float) -> ValueRange | None:
    """Return the range of the bits that values use: they reach its upper half and begin in its lowest eighth."""
    for bits in _BITS:
        white = 2.0**bits - 1
        if 0 <= low < white / 8 and white / 2 < high <= white:
            return ValueRange(kind, 0.0, white, f"as the values use {bits} bits")
    return None


def _data_range(kind: str, low: float, high: float) -> ValueRange:
    """Return the range of the values, rounded outwards so that two datasets of one camera get the same."""
    span = high - low
    if span <= 0:
        span = max(abs(high), 1.0)
    step = 2.0 ** math.floor(math.log2(span / 16))
    if kind != "float":
        step = max(step, 1.0)
    black, white = math.floor(low / step) * step, math.ceil(high / step) * step
    return ValueRange(kind, black, white if white > black else black + step, "as nearly all values lie there")


def _float_range(low: float, high: float, values: NDArray[np.float64]) -> ValueRange:
    kind = "float"
    if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
        return ValueRange(kind, 0.0, 1.0, "as nearly all values lie there")
    if -1 - _OVERSHOOT <= low <= -0.5 and high <= 1 + _OVERSHOOT:
        return ValueRange(kind, -1.0, 1.0, "as nearly all values lie there")
    if low < -_OVERSHOOT * max(high, 0.0) or (low < 0 and high <= _TENSOR):
        shown = f"{low:.4g} to {high:.4g}"
        if low >= -_TENSOR and high <= _TENSOR:
            raise UnclearRangeError(
                f"floats from {shown} are no pictures but look like tensors that were normalized for a network"
            )
        raise UnclearRangeError(f"floats from {shown}, negative ones among them, do not say which is black")
    whole = bool(np.mean(values == np.rint(values)) > 0.99)
    if high <= 255 * (1 + _OVERSHOOT) and (high > 127 or (whole and high > 31)) and low < 64:
        return ValueRange(kind, 0.0, 255.0, "as they look like 8-bit values in floats")
    return _bits(kind, low, high) or _data_range(kind, max(low, 0.0), high)


def usual_range(pixels: DeepPixels) -> ValueRange:
    """Return the range that most programs would take for an image alone, of which no dataset is known.

    Example:
        >>> usual_range(DeepPixels("uint16", np.zeros((8, 8), np.uint16)))
        ValueRange(kind='uint16', low=0.0, high=65535.0, basis='')
    """
    values = pixels.color_values
    if values.dtype == np.uint16:
        return ValueRange(pixels.kind, 0.0, 65535.0)
    most = float(values[np.isfinite(values)].max(initial=0))
    return ValueRange(pixels.kind, 0.0, next((full for full in (1.0, 255.0) if most <= full), 65535.0))


def range_of(kind: str, ranges: Sequence[ValueRange]) -> ValueRange | None:
    """Return the range for values of a kind; None if none is settled.

    Example:
        >>> range_of("float", [ValueRange("", -20, 60)])
        ValueRange(kind='', low=-20, high=60, basis='')
    """
    return next((each for each in ranges if each.kind in (kind, "")), None)
