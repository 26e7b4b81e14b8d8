"""The objects that Label Studio draws: rectangles, ellipses, polygons and what a brush paints."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gapscope.sources.annotations.annotation import Annotation, Edges, Outline
from gapscope.sources.annotations.label_studio.brush import brush_runs
from gapscope.sources.annotations.label_studio.tasks import Region
from gapscope.sources.annotations.shapes import Polygon, ellipse, polygon_edges, turned_box
from gapscope.sources.coco.boxes import number
from gapscope.sources.folder import utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected

ImageSize = tuple[float, float]
"""Width and height of an image in pixels, 0 if unknown."""

_Reader = Callable[[Mapping[str, Any], ImageSize, bool], tuple[Edges, Outline | None]]
"""Takes the values of a shape, the size of its image, and whether a mask is wanted."""


def image_size(regions: Sequence[Region]) -> ImageSize:
    """Return the size of the image that regions are in, as the first that knows it says; 0 where none does.

    Example:
        >>> image_size([{"value": {}}, {"original_width": 640, "original_height": 480}])
        (640.0, 480.0)
    """
    sizes = ((number(region.get("original_width")), number(region.get("original_height"))) for region in regions)
    return next(((width, height) for width, height in sizes if width and height and min(width, height) > 0), (0, 0))


def objects_of(
    regions: Sequence[Region], size: ImageSize, notes: ListingNotes, uri: str, *, outlines: bool
) -> Iterator[Annotation]:
    """Yield the objects among the regions of one image; one without usable edges says why.

    Args:
        regions: of the image.
        size: of the image, for regions that do not say it.
        notes: takes what is no object, and what is taken for granted.
        uri: of the image, for the notes.
        outlines: whether outlines are wanted.

    Example:
        >>> value = {"x": 50, "y": 50, "width": 25, "height": 10, "rotation": 90, "rectanglelabels": ["car"]}
        >>> region = {"id": "k7", "type": "rectanglelabels", "value": value}
        >>> [car] = objects_of([region], (640, 480), ListingNotes(), "a.png", outlines=False)
        >>> car.id, car.category, [round(edge) for edge in car.edges]
        ('k7', 'car', [272, 240, 320, 400])
    """
    drawn = 0
    for region, read, labels in _shapes(regions, notes, uri):
        drawn += 1
        if len(labels) > 1:
            notes.guess("of several labels of an object the first is taken")
        category = labels[0] if labels else None
        own_id = _id(region) or str(drawn)
        if region.get("image_rotation"):
            notes.guess("regions that were drawn while the picture was turned are those of the picture that is not")
        width, height = image_size([region])
        try:
            edges, outline = _checked(read, region["value"], (width, height) if width else size, outlines)
        except Rejected as rejected:
            yield Annotation(own_id, category, error=rejected.error)
            continue
        yield Annotation(own_id, category, edges, outline=outline if outlines else None)


def _shapes(regions: Sequence[Region], notes: ListingNotes, uri: str) -> Iterator[tuple[Region, _Reader, list[str]]]:
    """Yield every shape once, with what reads it, and its labels, which may be in another region of the same id."""
    shapes: dict[Any, tuple[Region, _Reader]] = {}
    labels: dict[Any, list[str]] = {}
    for place, region in enumerate(regions):
        value = region.get("value")
        if not isinstance(value, dict):
            continue
        key = _id(region) or (place,)
        labels.setdefault(key, []).extend(label for label in _labels(value) if label not in labels.get(key, ()))
        if (read := _reader_of(value)) is not None:
            shapes.setdefault(key, (region, read))
        elif not value.keys().isdisjoint({"points", "x", "imageDataURL", "sequence"}):
            notes.pass_over(f"regions of type {_type(region)}", uri)
    yield from ((region, read, labels[key]) for key, (region, read) in shapes.items())


def _id(region: Region) -> str:
    own_id = region.get("id")
    return utf8_safe(str(own_id)) if isinstance(own_id, str | int) and not isinstance(own_id, bool) else ""


def _labels(value: Mapping[str, Any]) -> Iterator[str]:
    for key, own in value.items():
        if key.endswith("labels") and isinstance(own, list):
            yield from (utf8_safe(label) for label in own if isinstance(label, str))


def _type(region: Region) -> str:
    kind = region.get("type")
    return utf8_safe(kind)[:40] if isinstance(kind, str) else "unknown"


def _checked(read: _Reader, value: Mapping[str, Any], size: ImageSize, outlines: bool) -> tuple[Edges, Outline | None]:
    if not all(size):
        raise Rejected("bad-box", "the annotation is in percent of an image whose size it does not say")
    edges, outline = read(value, size, outlines)
    if not (edges.left < edges.right and edges.top < edges.bottom):
        raise Rejected("bad-box", "the annotation's box is empty")
    return edges, outline


def _reader_of(value: Mapping[str, Any]) -> _Reader | None:
    if "rle" in value:
        return _brush
    if "points" in value and "vertices" not in value:
        return _polygon
    if "radiusX" in value:
        return _ellipse
    return _rectangle if {"x", "y", "width", "height"} <= value.keys() else None


def _percent(value: Mapping[str, Any], *names: str) -> tuple[float, ...]:
    numbers = [number(value.get(name)) for name in names]
    found = tuple(each for each in numbers if each is not None)
    if len(found) < len(names):
        raise Rejected("bad-box", f"the annotation has no number for {names[numbers.index(None)]}")
    return found


def _rectangle(value: Mapping[str, Any], size: ImageSize, outlines: bool) -> tuple[Edges, Outline | None]:
    del outlines
    x, y, width, height = _percent(value, "x", "y", "width", "height")
    across, down = size[0] / 100, size[1] / 100
    edges = Edges(x * across, y * down, (x + width) * across, (y + height) * down)
    degrees = (number(value.get("rotation")) or 0) % 360
    if not degrees or width <= 0 or height <= 0:
        return edges, None
    # Label Studio turns rectangles clockwise around their corner at the top left.
    polygon = turned_box(edges, degrees, (edges.left, edges.top))
    return polygon_edges(polygon), Outline((polygon,))


def _ellipse(value: Mapping[str, Any], size: ImageSize, outlines: bool) -> tuple[Edges, Outline | None]:
    del outlines
    x, y, radius_x, radius_y = _percent(value, "x", "y", "radiusX", "radiusY")
    across, down = size[0] / 100, size[1] / 100
    degrees = number(value.get("rotation")) or 0
    edges, polygon = ellipse((x * across, y * down), (radius_x * across, radius_y * down), degrees)
    return edges, Outline((polygon,))


def _polygon(value: Mapping[str, Any], size: ImageSize, outlines: bool) -> tuple[Edges, Outline | None]:
    del outlines
    points = value["points"] if isinstance(value["points"], list) else []
    polygon: list[float] = []
    for point in points:
        pair = [number(each) for each in point] if isinstance(point, list) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None:
            raise Rejected("bad-box", "the annotation's polygon is not a list of points")
        polygon += (pair[0] * size[0] / 100, pair[1] * size[1] / 100)
    if len(polygon) < 6:
        raise Rejected("bad-box", "the annotation's polygon has fewer than three points")
    outline: Polygon = tuple(polygon)
    return polygon_edges(outline), Outline((outline,))


def _brush(value: Mapping[str, Any], size: ImageSize, outlines: bool) -> tuple[Edges, Outline | None]:
    width, height = int(size[0]), int(size[1])
    try:
        runs = brush_runs(value["rle"], width, height)
    except ValueError as error:
        raise Rejected("bad-box", f"the annotation's brush mask is broken: {error}") from error
    if runs.edges is None:
        raise Rejected("bad-box", "the annotation's brush mask is empty")
    mask = runs.mask(width, height) if outlines else None
    return runs.edges, None if mask is None else Outline(masks=(mask,))
