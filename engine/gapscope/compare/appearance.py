"""What many pictures of one dataset look like, where that is odd: nearly one color, nearly black, or nearly alike.

A wrong range of values, an alpha channel or a renderer that failed make such pictures. They are compared like any
others, and nothing but a look at them tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Look = Literal["one-color", "black", "alike"]
"""A look that is odd where many pictures of a dataset share it."""

STATS = ("mean_red", "mean_green", "mean_blue", "std_red", "std_green", "std_blue", "sharpness")
"""The columns of an index that tell how a picture looks."""

_LEAST = 3
_LEAST_SHARE = {"one-color": 0.1, "black": 0.1, "alike": 0.25}
_ONE_COLOR_STD = 2.0
_BLACK_MEAN = 6.0
_ALIKE = 2.0
"""Differences of means and standard deviations, in levels of 255, up to which pictures are nearly alike."""
_ALIKE_SHARPNESS = 0.1
_SAMPLE = 20_000

_WORDS: Mapping[Look, str] = {
    "one-color": "come out as nearly one color",
    "black": "come out as nearly black",
    "alike": "look nearly alike",
}


@dataclass(frozen=True, eq=False)
class OddLook:
    """Pictures that look odd in one way.

    Attributes:
        look: the way.
        rows: (n,) which of the pictures, ascending.
        pictures: how many pictures there are in all.
    """

    look: Look
    rows: NDArray[np.int64]
    pictures: int

    def describe(self, dataset: str, example: str) -> str:
        """Return it in words.

        Args:
            dataset: the dataset's name.
            example: the uri of one of the pictures.

        Example:
            >>> OddLook("black", np.arange(30), 40).describe("synthetic", "renders/0001.png")
            '30 of 40 pictures of synthetic come out as nearly black, such as renders/0001.png'
        """
        return f"{len(self.rows):,} of {self.pictures:,} pictures of {dataset} {_WORDS[self.look]}, such as {example}"


def odd_looks(stats: NDArray[np.floating]) -> list[OddLook]:
    """Return in which ways many pictures of a dataset look odd; a picture is counted once.

    Args:
        stats: (n, 7) `STATS` of the pictures that were embedded.

    Example:
        >>> stats = np.random.default_rng(0).uniform(20, 120, (100, 7))
        >>> odd_looks(stats)
        []
        >>> stats[:40] = 0
        >>> [(odd.look, len(odd.rows)) for odd in odd_looks(stats)]
        [('one-color', 40)]
    """
    left = np.ones(len(stats), bool)
    found = []
    for look in get_args(Look):
        odd = _looks(stats, look, left) & left
        if odd.sum() >= max(_LEAST, _LEAST_SHARE[look] * len(stats)):
            found.append(OddLook(look, np.flatnonzero(odd), len(stats)))
            left &= ~odd
    return found


def _looks(stats: NDArray[np.floating], look: Look, left: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pictures look so; those that are `left` decide what they are alike to."""
    if look == "alike":
        return _alike(stats[:, :6], stats[:, 6], left)
    columns, most = (slice(3, 6), _ONE_COLOR_STD) if look == "one-color" else (slice(3), _BLACK_MEAN)
    odd: NDArray[np.bool_] = stats[:, columns].max(axis=1) <= most
    return odd


def _alike(colors: NDArray[np.floating], sharpness: NDArray[np.floating], left: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pictures are nearly the one that most others are like."""
    candidates = np.flatnonzero(left)
    if not len(candidates):
        return left
    sample = candidates[:: max(1, len(candidates) // _SAMPLE)]
    cells = np.round(colors[sample] / _ALIKE)
    _, cell, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    of_largest = sample[cell.reshape(-1) == counts.argmax()]
    center, sharp = np.median(colors[of_largest], axis=0), float(np.median(sharpness[of_largest]))
    near: NDArray[np.bool_] = np.abs(colors - center).max(axis=1) <= _ALIKE
    near &= np.abs(sharpness - sharp) <= _ALIKE_SHARPNESS * sharp + 1
    return near
