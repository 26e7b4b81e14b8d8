"""Shapes that annotations draw and COCO has none of: turned boxes, ellipses, and masks whose runs go along the rows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.sources.annotations.annotation import Edges, Mask

Polygon = tuple[float, ...]
"""Each x and y in turn, in pixels."""

MAX_MASK_PIXELS = 200_000_000
"""Masks of larger images are refused, as such images are by default."""

_ELLIPSE_POINTS = 64
_STRIP_COLUMNS = 256
_MAX_RUNS = 1_000_000
"""Runs along rows may be few where runs down columns are as many as pixels."""


def turned_box(edges: Edges, degrees: float, pivot: tuple[float, float]) -> Polygon:
    """Return the corners of a box that is turned clockwise.

    Args:
        edges: of the box before it is turned.
        degrees: how far it is turned.
        pivot: x and y of the point that stays where it is.

    Example:
        >>> [round(value) for value in turned_box(Edges(10, 20, 30, 60), 90, (10, 20))]
        [10, 20, 10, 40, -30, 40, -30, 20]
    """
    x, y = pivot
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = (
        (edges.left, edges.top),
        (edges.right, edges.top),
        (edges.right, edges.bottom),
        (edges.left, edges.bottom),
    )
    turned = ((x + (u - x) * cos - (v - y) * sin, y + (u - x) * sin + (v - y) * cos) for u, v in corners)
    return tuple(value for corner in turned for value in corner)


def ellipse(center: tuple[float, float], radii: tuple[float, float], degrees: float) -> tuple[Edges, Polygon]:
    """Return the edges of an ellipse that is turned clockwise around its center, and a polygon of 64 points on it.

    Example:
        >>> edges, polygon = ellipse((50, 50), (20, 10), 90)
        >>> [round(edge) for edge in edges], len(polygon)
        ([40, 30, 60, 70], 128)
    """
    (x, y), (a, b) = center, radii
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    width, height = math.hypot(a * cos, b * sin), math.hypot(a * sin, b * cos)
    angles = [2 * math.pi * step / _ELLIPSE_POINTS for step in range(_ELLIPSE_POINTS)]
    points = [(a * math.cos(angle), b * math.sin(angle)) for angle in angles]
    polygon = tuple(value for u, v in points for value in (x + u * cos - v * sin, y + u * sin + v * cos))
    return Edges(x - width, y - height, x + width, y + height), polygon


def polygon_edges(polygon: Sequence[float]) -> Edges:
    """Return the edges of the box around a polygon, which has a point at least.

    Example:
        >>> polygon_edges((10, 20, 110, 20, 60, 100))
        Edges(left=10, top=20, right=110, bottom=100)
    """
    return Edges(min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2]))


class RowRuns:
    """The pixels of a mask as runs along the rows of a rectangle in an image, the first row first.

    Args:
        starts: int64, where each run starts among the pixels of the rectangle, ascending.
        ends: int64, where each ends, exclusive; no run reaches into the next.
        rectangle: left, top, width and height of the rectangle, in pixels.

    Raises:
        ValueError: a run lies outside of the rectangle, which has too many pixels, or the rectangle is empty.

    Example:
        >>> runs = RowRuns(np.array([5, 9]), np.array([7, 10]), (100, 200, 4, 3))
        >>> runs.edges
        Edges(left=101, top=201, right=103, bottom=203)
        >>> runs.mask(104, 203)
        Mask(height=203, width=104, runs=(20704, 2, 201, 1, 204))
    """

    def __init__(self, starts: NDArray[Any], ends: NDArray[Any], rectangle: tuple[int, int, int, int]) -> None:
        self._left, self._top, self._width, height = rectangle
        if not (self._width > 0 and height > 0 and self._width * height <= MAX_MASK_PIXELS):
            raise ValueError(f"it is {self._width:,} x {height:,} pixels")
        filled = ends > starts
        self._starts, self._ends = starts[filled], ends[filled]
        if len(self._starts) and not (self._starts[0] >= 0 and self._ends[-1] <= self._width * height):
            raise ValueError("its runs of pixels end outside of it")

    @property
    def edges(self) -> Edges | None:
        """The edges of the box around the pixels; None if there are none."""
        if not len(self._starts):
            return None
        first_row, first = np.divmod(self._starts, self._width)
        last_row, last = np.divmod(self._ends - 1, self._width)
        # A run that goes on in the next row touches both sides of the rectangle.
        one_row = first_row == last_row
        return Edges(
            self._left + int(np.where(one_row, first, 0).min()),
            self._top + int(first_row[0]),
            self._left + int(np.where(one_row, last, self._width - 1).max()) + 1,
            self._top + int(last_row[-1]) + 1,
        )

    def mask(self, width: int, height: int) -> Mask | None:
        """Return the pixels as a mask of an image of this size, without those outside of it.

        Returns:
            None if none are left, the image has too many pixels, or the mask would have more than a million runs.
        """
        edges = self.edges
        if edges is None or not 0 < width * height <= MAX_MASK_PIXELS:
            return None
        left, top, right, bottom = (int(edge) for edge in edges)
        # The rows that hold pixels, and of these the columns that the image has.
        rows = np.zeros((bottom - top) * self._width, np.int8)
        shift = (top - self._top) * self._width
        np.add.at(rows, self._starts - shift, 1)
        ends = self._ends - shift
        np.add.at(rows, ends[ends < len(rows)], -1)
        pixels = np.cumsum(rows, dtype=np.int8, out=rows).reshape(bottom - top, self._width)
        pixels = pixels[:, left - self._left : right - self._left]
        x, y = max(0, left), max(0, top)
        pixels = pixels[y - top : max(0, height - top), x - left : max(0, width - left)]
        return mask_of_pixels(pixels, x, y, width, height)


def mask_of_pixels(pixels: NDArray[Any], left: int, top: int, width: int, height: int) -> Mask | None:
    """Return a mask of a whole image from a part of it that holds all of the object's pixels.

    Args:
        pixels: (rows, columns) booleans or numbers, which are not 0 inside of the object.
        left: where the part begins in the image.
        top: likewise.
        width: of the image in pixels.
        height: likewise.

    Returns:
        None if no pixel is set, or there would be more than a million runs.

    Example:
        >>> mask_of_pixels(np.array([[True, True]]), 1, 2, width=4, height=3)
        Mask(height=3, width=4, runs=(5, 1, 2, 1, 3))
    """
    found, count = [], 0
    for begin in range(0, pixels.shape[1], _STRIP_COLUMNS):
        strip = pixels[:, begin : begin + _STRIP_COLUMNS]
        # With an empty row above and below, no run goes on in the next column.
        framed = np.zeros((strip.shape[1], strip.shape[0] + 2), np.bool_)
        framed[:, 1:-1] = strip.T
        column, row = np.nonzero(framed[:, 1:] != framed[:, :-1])
        count += len(column)
        if count > 2 * _MAX_RUNS:
            return None
        found.append((left + begin + column) * height + top + row)
    if not count:
        return None
    position = np.concatenate(found)
    # A column that is filled to the bottom, and one that is filled from the top, make one run.
    joined = np.flatnonzero(np.diff(position) == 0)
    position = np.delete(position, np.concatenate([joined, joined + 1]))
    runs = np.diff(position, prepend=0, append=width * height)
    return Mask(height, width, tuple(runs[: -1 if runs[-1] == 0 else None].tolist()))
