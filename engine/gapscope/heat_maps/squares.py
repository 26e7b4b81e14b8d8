"""Squares of other pictures pasted into images, to measure how well a level points at them.

Li, Sohn, Yoon and Pfister (2021, "CutPaste") train on such images; here they are a test with a known answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

_SHARE_OF_SIDE = 4


@dataclass(frozen=True)
class Square:
    """A square that is pasted into an image, a quarter of its side wide.

    Attributes:
        source: number of the image that it is from.
        top: its first row, in pixels.
        left: its first column.
    """

    source: int
    top: int
    left: int


def choose_squares(images: int, targets: int, size: int) -> list[Square]:
    """Return a square for each of the first `targets` images, each from another of all images and anywhere.

    Args:
        images: how many there are, two or more.
        targets: how many of them get one.
        size: their side in pixels.
    """
    random = np.random.default_rng(0)
    last = size - size // _SHARE_OF_SIDE
    squares = []
    for number in range(targets):
        source = (number + int(random.integers(1, images))) % images
        squares.append(Square(source, int(random.integers(last + 1)), int(random.integers(last + 1))))
    return squares


def paste(pixels: NDArray[np.uint8], squares: Sequence[Square]) -> NDArray[np.uint8]:
    """Return the first images (n, size, size, 3) with a square each; it shows what its source has in its middle."""
    side = pixels.shape[1] // _SHARE_OF_SIDE
    middle = (pixels.shape[1] - side) // 2
    pasted = pixels[: len(squares)].copy()
    for image, square in zip(pasted, squares, strict=True):
        patch = pixels[square.source, middle : middle + side, middle : middle + side]
        image[square.top : square.top + side, square.left : square.left + side] = patch
    return pasted


def pointing_of(maps: NDArray[np.float32], squares: Sequence[Square], size: int) -> float:
    """Return how well maps (n, side, side) point at squares: the mean area under the ROC curve of their pixels.

    Args:
        maps: higher where something is.
        squares: where it is, one square for each map.
        size: side of the images in pixels, in which the squares are measured.

    Example:
        >>> found = np.zeros((1, 4, 4), np.float32)
        >>> found[0, 1, 2] = 1.0
        >>> pointing_of(found, [Square(0, top=8, left=16)], size=32), pointing_of(-found, [Square(0, 8, 16)], 32)
        (1.0, 0.0)
    """
    centers = (np.arange(maps.shape[1]) + 0.5) * size / maps.shape[1]
    areas = []
    for map_, square in zip(maps, squares, strict=True):
        rows, columns = (
            (centers > start) & (centers < start + size // _SHARE_OF_SIDE) for start in (square.top, square.left)
        )
        covered = rows[:, None] & columns
        inside, outside = map_[covered], map_[~covered]
        # The statistic of this test is the number of pairs in which the place inside is the hotter one.
        hotter = mannwhitneyu(inside, outside, method="asymptotic").statistic
        areas.append(hotter / (inside.size * outside.size))
    return float(np.mean(areas))
