"""The objects that CVAT draws: boxes, polygons, ellipses and masks."""

import math
from collections.abc import Callable
from xml.etree.ElementTree import Element

import numpy as np

from gapscope.sources.annotations.annotation import Annotation, Edges, Outline
from gapscope.sources.annotations.shapes import Polygon, RowRuns, ellipse, polygon_edges, turned_box
from gapscope.sources.rejects import Rejected

ImageSize = tuple[float, float]
"""Width and height of an image in pixels, 0 if unknown."""

OTHER_SHAPES = ("polyline", "points", "cuboid", "skeleton", "tag")
"""What CVAT has beside objects: these have no box and no area, or say something of the whole image."""


def is_object(element: Element) -> bool:
    """Tell whether an element of an image or a track is an object that `annotation_of` reads."""
    return element.tag in _DRAWN


def annotation_of(
    element: Element, own_id: str, category: str | None, image_size: ImageSize, *, outlines: bool
) -> Annotation:
    """Return the object that an element describes; one without usable edges says why.

    Args:
        element: a `box`, `polygon`, `ellipse` or `mask`.
        own_id: the object's id.
        category: its label.
        image_size: of its image.
        outlines: whether the outline is wanted.

    Example:
        >>> box = Element("box", xtl="10", ytl="20", xbr="30", ybr="60", rotation="90", occluded="1")
        >>> annotation_of(box, "1", "car", (640, 480), outlines=False).edges
        Edges(left=0.0, top=30.0, right=40.0, bottom=50.0)
    """
    occluded = {"0": 0.0, "1": 1.0}.get(element.get("occluded", ""))
    try:
        edges, outline = _DRAWN[element.tag](element, image_size if outlines else None)
    except Rejected as rejected:
        return Annotation(own_id, category, error=rejected.error, occlusion=occluded)
    return Annotation(own_id, category, edges, outline=outline if outlines else None, occlusion=occluded)


def number_of(element: Element, name: str) -> float | None:
    """Return an attribute as a finite number; None if it is none.

    Example:
        >>> number_of(Element("box", xtl="797.33"), "xtl"), number_of(Element("box", xtl="nan"), "xtl")
        (797.33, None)
    """
    return _number(element.get(name, ""))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(element: Element, *names: str) -> tuple[float, ...]:
    values = [number_of(element, name) for name in names]
    numbers = tuple(value for value in values if value is not None)
    if len(numbers) < len(names):
        missing = names[values.index(None)]
        raise Rejected("bad-box", f"the annotation's {element.tag} has no number for {missing}")
    return numbers


def _rotation(element: Element) -> float:
    return _numbers(element, "rotation")[0] if "rotation" in element.keys() else 0  # noqa: SIM118


def _box(element: Element, image_size: ImageSize | None) -> tuple[Edges, Outline | None]:
    del image_size
    edges = Edges(*_numbers(element, "xtl", "ytl", "xbr", "ybr"))
    if edges.left >= edges.right or edges.top >= edges.bottom:
        raise Rejected("bad-box", "the annotation's box is empty")
    # CVAT turns boxes clockwise around their center.
    if degrees := _rotation(element) % 360:
        center = (edges.left + edges.right) / 2, (edges.top + edges.bottom) / 2
        polygon = turned_box(edges, degrees, center)
        return _with_area(polygon_edges(polygon), polygon)
    return edges, None


def _polygon(element: Element, image_size: ImageSize | None) -> tuple[Edges, Outline | None]:
    del image_size
    pairs = [pair.split(",") for pair in element.get("points", "").split(";")]
    values = [_number(value) for pair in pairs for value in pair]
    polygon = tuple(value for value in values if value is not None)
    if len(polygon) < len(values) or any(len(pair) != 2 for pair in pairs):
        raise Rejected("bad-box", "the annotation's polygon is not a list of points x,y;x,y")
    if len(pairs) < 3:
        raise Rejected("bad-box", "the annotation's polygon has fewer than three points")
    return _with_area(polygon_edges(polygon), polygon)


def _ellipse(element: Element, image_size: ImageSize | None) -> tuple[Edges, Outline | None]:
    del image_size
    x, y, radius_x, radius_y = _numbers(element, "cx", "cy", "rx", "ry")
    return _with_area(*ellipse((x, y), (radius_x, radius_y), _rotation(element)))


def _with_area(edges: Edges, polygon: Polygon) -> tuple[Edges, Outline]:
    if edges.left >= edges.right or edges.top >= edges.bottom:
        raise Rejected("bad-box", "the annotation's outline has no area")
    return edges, Outline((polygon,))


def _mask(element: Element, image_size: ImageSize | None) -> tuple[Edges, Outline | None]:
    """Return the edges and the outline of a mask: runs of pixels along the rows of a rectangle, the first outside."""
    left, top, width, height = _numbers(element, "left", "top", "width", "height")
    counts = element.get("rle", "")
    try:
        lengths = np.array(counts.split(","), np.int64) if counts.strip() else np.zeros(0, np.int64)
        # A sum of numbers below this one cannot overflow.
        if len(lengths) and not 0 <= lengths.min() <= lengths.max() < 2**32:
            raise ValueError("a run of pixels is negative, or longer than any mask")
        ends = np.cumsum(lengths)
        runs = RowRuns((ends - lengths)[1::2], ends[1::2], (int(left), int(top), int(width), int(height)))
        mask = runs.mask(int(image_size[0]), int(image_size[1])) if image_size and all(image_size) else None
    except (ValueError, OverflowError) as error:
        raise Rejected("bad-box", f"the annotation's mask is broken: {error}") from error
    if runs.edges is None:
        raise Rejected("bad-box", "the annotation's mask is empty")
    return runs.edges, None if mask is None else Outline(masks=(mask,))


_DRAWN: dict[str, Callable[[Element, ImageSize | None], tuple[Edges, Outline | None]]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}
