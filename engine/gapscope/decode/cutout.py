"""Which pixels of a decoded part of an image are an object: those inside of its polygons or masks."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gapscope.sources.annotations.annotation import Mask, Outline

_TURNED: dict[Image.Transpose, tuple[bool, bool]] = {
    Image.Transpose.TRANSPOSE: (False, False),
    Image.Transpose.ROTATE_270: (True, False),
    Image.Transpose.TRANSVERSE: (True, True),
    Image.Transpose.ROTATE_90: (False, True),
}
"""Of a turn that swaps x and y: whether x then counts from the right edge, and y from the bottom."""


_DETAIL = 4
_DETAILED_PIXELS = 2**22


def draw_outline(
    outline: Outline,
    edges: tuple[int, int, int, int],
    scale: tuple[float, float],
    turn: Image.Transpose | None,
    size: tuple[int, int],
) -> Image.Image:
    """Return a mask of a part of an image: 255 inside of any polygon or mask, 0 elsewhere.

    The edge of a polygon may be a quarter of a pixel too far to the left and top, since Pillow fills what it touches.

    Args:
        outline: in pixels of the whole image, as it is stored if `turn` is given.
        edges: left, top, right and bottom of the part, in pixels of the scaled upright image.
        scale: by which its width and height were scaled.
        turn: what turns the stored image upright; None if the outline was drawn in the upright one.
        size: width and height of the upright image before it was scaled.

    Returns:
        A Pillow image of mode L, as large as the part.

    Example:
        >>> square = Outline(polygons=((2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0),))
        >>> np.asarray(draw_outline(square, (0, 0, 4, 4), (0.5, 0.5), None, (8, 8)))[:, 1].tolist()
        [64, 255, 255, 0]
    """
    left, top, right, bottom = edges
    width, height = right - left, bottom - top
    # Pillow draws whole pixels, also those that a polygon only touches.
    detail = _DETAIL if width * height <= _DETAILED_PIXELS else 1
    canvas = Image.new("L", (width * detail, height * detail))
    draw = ImageDraw.Draw(canvas)
    for polygon in outline.polygons:
        x, y = _turned(np.array(polygon[::2]), np.array(polygon[1::2]), turn, size)
        points = np.stack([x * scale[0] - left, y * scale[1] - top], axis=1) * detail - 0.5
        if len(points) > 2 and np.isfinite(points).all():
            draw.polygon([tuple(point) for point in points.clip(-1e6, 1e6).tolist()], fill=255)
    drawn = canvas.reduce(detail)
    for mask in outline.masks:
        _draw_mask(drawn, mask, edges, scale, turn)
    return drawn


def _turned(
    x: NDArray[np.float64], y: NDArray[np.float64], turn: Image.Transpose | None, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if turn is None:
        return x, y
    from_right, from_bottom = _TURNED[turn]
    return (size[0] - y if from_right else y), (size[1] - x if from_bottom else x)


def _draw_mask(
    drawn: Image.Image,
    mask: Mask,
    edges: tuple[int, int, int, int],
    scale: tuple[float, float],
    turn: Image.Transpose | None,
) -> None:
    """Draw the pixels of a mask that lie in the part; the others are not even unpacked."""
    left, top, right, bottom = (
        math.floor(edges[0] / scale[0]),
        math.floor(edges[1] / scale[1]),
        math.ceil(edges[2] / scale[0]),
        math.ceil(edges[3] / scale[1]),
    )
    width, height = (mask.width, mask.height) if turn is None else (mask.height, mask.width)
    right, bottom = min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return
    if turn is None:
        inside = _pixels(mask, left, right)[top:bottom]
    else:
        # Rare, and only as large as an image that was decoded already.
        stored = Image.fromarray(_pixels(mask, 0, mask.width).astype(np.uint8) * 255)
        inside = np.asarray(stored.transpose(turn).crop((left, top, right, bottom))) > 0
    window = Image.fromarray(inside.astype(np.uint8) * 255)
    place = (round(left * scale[0]) - edges[0], round(top * scale[1]) - edges[1])
    shown = (max(1, round((right - left) * scale[0])), max(1, round((bottom - top) * scale[1])))
    window = window.resize(shown, Image.Resampling.BILINEAR) if shown != window.size else window
    drawn.paste(255, place, window)


def _pixels(mask: Mask, left: int, right: int) -> NDArray[np.bool_]:
    """Return (height, right - left) which pixels of some columns of a mask are set."""
    first, last = left * mask.height, right * mask.height
    ends = np.cumsum(np.array(mask.runs, np.int64))
    lengths = np.diff(ends.clip(first, last), prepend=first)
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    # Runs that end before the last pixel leave the rest outside.
    padded = np.zeros(last - first, bool)
    padded[: len(inside)] = inside
    return padded.reshape(right - left, mask.height).T
