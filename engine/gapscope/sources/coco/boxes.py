"""The box of an annotated object: as it is given, or that of its polygons or masks."""

import math
from collections.abc import Iterator
from typing import Any

from gapscope.sources.annotations.annotation import Edges, Mask, Outline
from gapscope.sources.rejects import Rejected

_MAX_SIDE = 2**31
_MAX_SHIFT = 60
"""No run of a mask needs more bits."""

_BAD_BOX = "the annotation's box is empty or not four numbers"


def number(value: Any) -> float | None:
    """Return a value of a JSON file as a finite number; None if it is none.

    Example:
        >>> number(3), number("3"), number(float("nan"))
        (3.0, None, None)
    """
    # The types are exact: a value of JSON is of no subclass, and bool is one of int.
    if type(value) is not float and type(value) is not int:
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def given_edges(bbox: Any) -> Edges | None:
    """Return the edges of a `bbox`; None if it has neither width nor height: missing, empty or zero.

    Raises:
        Rejected: the box is empty in one direction, or not four numbers.

    Example:
        >>> given_edges([10, 20, 100, 80])
        Edges(left=10.0, top=20.0, right=110.0, bottom=100.0)
        >>> given_edges([])
    """
    values = [number(value) for value in bbox] if isinstance(bbox, list) else []
    if len(values) == 4:
        left, top, width, height = values
        if left is not None and top is not None and width and width > 0 and height and height > 0:
            return Edges(left, top, left + width, top + height)
    if bbox is None or (isinstance(bbox, list) and not any(values[2:])):
        return None
    raise Rejected("bad-box", _BAD_BOX)


def segmentation_edges(segmentation: Any, image_size: tuple[float, float]) -> Edges:
    """Return the edges of an object without a `bbox`: of its polygons, or of its masks as COCO encodes runs of pixels.

    A mask costs time by its number of runs, however large it is.

    Args:
        segmentation: a polygon, which is a list of x and y in turn, a mask, which has `size` and `counts`, or a list of
            these.
        image_size: width and height of the image, 0 where they are not known; a mask must have the same.

    Raises:
        Rejected: there is no segmentation either, it has no area, or it is broken.

    Example:
        >>> segmentation_edges([[10, 20, 110, 20, 60, 100]], (0, 0))
        Edges(left=10.0, top=20.0, right=110.0, bottom=100.0)
        >>> segmentation_edges({"size": [4, 5], "counts": [5, 2, 13]}, (5, 4))
        Edges(left=1, top=1, right=2, bottom=3)
    """
    if not segmentation:
        raise Rejected("bad-box", _BAD_BOX)
    # Some tools leave out the list around a single polygon.
    nested = isinstance(segmentation, list) and any(isinstance(part, list | dict) for part in segmentation)
    parts: list[Any] = segmentation if nested else [segmentation]
    found = [
        edges
        for part in parts
        if (edges := _mask_edges(part, image_size) if isinstance(part, dict) else _polygon_edges(part)) is not None
    ]
    if not found:
        raise Rejected("bad-box", "the annotation has no box, and its polygons or mask have no area")
    left, top, right, bottom = zip(*found, strict=True)
    edges = Edges(min(left), min(top), max(right), max(bottom))
    if edges.left >= edges.right or edges.top >= edges.bottom:
        raise Rejected("bad-box", "the annotation has no box, and its polygons or mask have no area")
    return edges


def segmentation_outline(segmentation: Any, image_size: tuple[float, float]) -> Outline | None:
    """Return the outline of an object from its `segmentation`; None if it has none with an area.

    Args:
        segmentation: as `segmentation_edges` takes it.
        image_size: width and height of the image; 0 if unknown.

    Raises:
        Rejected: it is not made as COCO makes it.

    Example:
        >>> segmentation_outline([[10, 20, 110, 20, 60, 100]], (0, 0)).polygons
        ((10.0, 20.0, 110.0, 20.0, 60.0, 100.0),)
    """
    if not segmentation:
        return None
    nested = isinstance(segmentation, list) and any(isinstance(part, list | dict) for part in segmentation)
    polygons: list[tuple[float, ...]] = []
    masks: list[Mask] = []
    for part in segmentation if nested else [segmentation]:
        if isinstance(part, dict):
            if _mask_edges(part, image_size) is not None:
                height, width = (int(side) for side in part["size"])
                masks.append(Mask(height, width, tuple(_runs(part["counts"]))))
        elif _polygon_edges(part) is not None:
            polygons.append(tuple(map(float, part)))
    return Outline(tuple(polygons), tuple(masks)) if polygons or masks else None


def _polygon_edges(polygon: Any) -> Edges | None:
    """Return the edges of a polygon; None if it has fewer than three points."""
    values = [number(value) for value in polygon] if isinstance(polygon, list) else [None]
    finite = [value for value in values if value is not None]
    if len(finite) != len(values) or len(values) % 2:
        raise Rejected("bad-box", "the annotation has no box, and its polygon is not a list of x and y in turn")
    x, y = finite[::2], finite[1::2]
    return Edges(min(x), min(y), max(x), max(y)) if len(x) > 2 else None


def _mask_edges(mask: dict[str, Any], image_size: tuple[float, float]) -> Edges | None:
    """Return the edges of a mask; None if no pixel is set."""
    size = mask.get("size")
    sides = [number(side) for side in size] if isinstance(size, list) else []
    if len(sides) != 2 or not all(side and side.is_integer() and 0 < side <= _MAX_SIDE for side in sides):
        raise _broken_mask("its size is not two whole numbers")
    height, width = (int(side or 0) for side in sides)
    if 0 not in image_size and image_size != (width, height):
        raise _broken_mask(f"it is {width} x {height} pixels, and not as large as its image")
    # Pixels are numbered down the columns, and runs of them are by turns outside and inside the object.
    position = 0
    left, top, right, bottom = width, height, 0, 0
    for place, run in enumerate(_runs(mask.get("counts"))):
        end = position + run
        if run < 0 or end > height * width:
            raise _broken_mask("a run of pixels is negative or reaches beyond the last one")
        if run and place % 2:
            (first_column, first_row), (last_column, last_row) = divmod(position, height), divmod(end - 1, height)
            if first_column != last_column:
                first_row, last_row = 0, height - 1
            left, right = min(left, first_column), last_column + 1
            top, bottom = min(top, first_row), max(bottom, last_row + 1)
        position = end
    if position != height * width:
        raise _broken_mask(f"its runs end after {position:,} of {height * width:,} pixels")
    return Edges(left, top, right, bottom) if left < right else None


def _runs(counts: Any) -> Iterator[int]:
    if isinstance(counts, str):
        return _unpacked(counts)
    if not isinstance(counts, list):
        raise _broken_mask("it has no runs")
    return map(_whole, counts)


def _whole(run: Any) -> int:
    if type(run) is int:
        return run
    value = number(run)
    if value is None or not value.is_integer():
        raise _broken_mask("a run is not a whole number")
    return int(value)


def _unpacked(counts: str) -> Iterator[int]:
    """Yield the runs of a compressed mask.

    A character holds six bits: five of the number, the lowest first, and one that says that more follow. From the
    fourth run on, the number is the difference to the run before the last.
    """
    if counts[:2] in ("b'", 'b"'):
        # The bytes were written as Python shows them.
        counts = counts[2:-1].replace("\\\\", "\\")
    before_last = last = 0
    value = shift = place = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > _MAX_SHIFT:
            raise _broken_mask("its runs are not packed as COCO packs them")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if place > 2:
            value += before_last
        yield value
        before_last, last = last, value
        value = shift = 0
        place += 1
    if shift:
        raise _broken_mask("its runs end in the middle of one")


def _broken_mask(reason: str) -> Rejected:
    return Rejected("bad-box", f"the annotation has no box, and its mask is broken: {reason}")
