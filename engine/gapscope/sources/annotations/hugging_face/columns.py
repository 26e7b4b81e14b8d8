"""The columns of a Parquet file that hold the objects in each row's image."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations
from gapscope.sources.coco.boxes import number
from gapscope.sources.folder import utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected

if TYPE_CHECKING:
    import pyarrow as pa

_BOX = ("bbox", "bboxes", "box", "boxes")
_CATEGORY = (
    *("category", "categories", "category_name", "class_name", "class_names", "label", "labels", "class", "classes"),
    *("category_id", "category_ids", "class_id", "class_ids", "name", "names"),
)
_ID = ("id", "ids", "bbox_id", "object_id")
_AREA = ("area", "areas")
_CROWD = ("iscrowd", "is_crowd")
_GROUPS = ("objects", "annotations", "")
"""Names of structs that are taken first; empty for columns that are in no struct."""


@dataclass(frozen=True)
class ObjectColumns:
    """Which columns of a Parquet file hold objects, and how their values are meant.

    Attributes:
        group: the column that holds the others: a struct of lists, or a list of structs; empty if they are columns
            themselves.
        box: the field of the boxes, four numbers each.
        category: that of the categories; empty if there is none, as for those that follow.
        own_id: that of the objects' ids.
        area: that of their areas in pixels.
        crowd: that of truth values, which tell crowds.
        width: the column of the images' widths in pixels.
        height: that of their heights.
        names: of the categories, by number; empty if the file has none.
        corners: whether a box is left, top, right and bottom, and not left, top, width and height.
        fractions: whether boxes are in fractions of their images, and not in pixels.
        others: further columns that hold objects, which are not taken.
    """

    group: str
    box: str
    category: str = ""
    own_id: str = ""
    area: str = ""
    crowd: str = ""
    width: str = ""
    height: str = ""
    names: tuple[str, ...] = ()
    corners: bool = False
    fractions: bool = False
    others: tuple[str, ...] = ()

    def leaves(self, paths: list[str]) -> list[str]:
        """Return those of a file's columns, by their paths in dots, that hold what is read."""
        fields = {self.box, self.category, self.own_id, self.area, self.crowd} - {""}
        sizes = {self.width, self.height} - {""}
        chosen = []
        for path in paths:
            first, *rest = path.split(".")
            own = first == self.group and not fields.isdisjoint(rest) if self.group else first in fields
            if own or path in sizes:
                chosen.append(path)
        return chosen

    def annotations(self, row: Mapping[str, Any], uri: str, notes: ListingNotes) -> ImageAnnotations:
        """Return the objects in the image of a row.

        Args:
            row: the values of `leaves`, as Arrow gives them to Python.
            uri: of the image.
            notes: takes what is odd.
        """
        objects = tuple(self._annotation(each, place, notes) for place, each in enumerate(self._objects(row), 1))
        return ImageAnnotations(uri, _positive(row.get(self.width)), _positive(row.get(self.height)), objects)

    def boxes(self, row: Mapping[str, Any]) -> Iterator[tuple[float, float, float, float]]:
        """Yield those boxes of a row that are four numbers."""
        for each in self._objects(row):
            if (values := _four(each.get(self.box))) is not None:
                yield values

    def _objects(self, row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        held = row.get(self.group) if self.group else row
        if isinstance(held, list):
            yield from (each if isinstance(each, dict) else {} for each in held)
            return
        if not isinstance(held, Mapping):
            return
        lists = {name: _items(held.get(name)) for name in (self.category, self.own_id, self.area, self.crowd) if name}
        boxes = _items(held.get(self.box))
        # A row whose box is one list of numbers has one object.
        if boxes and not any(isinstance(box, list) or box is None for box in boxes):
            boxes = [boxes]
        for place, box in enumerate(boxes):
            values = {name: items[place] for name, items in lists.items() if place < len(items)}
            yield {**values, self.box: box}

    def _annotation(self, values: Mapping[str, Any], place: int, notes: ListingNotes) -> Annotation:
        named = values.get(self.own_id)
        own_id = utf8_safe(str(named)) if isinstance(named, str | int) else str(place)
        category = self._category(values.get(self.category), notes)
        area, crowd = number(values.get(self.area)), values.get(self.crowd) in (True, 1)
        try:
            edges = self._edges(values.get(self.box))
        except Rejected as rejected:
            return Annotation(own_id, category, error=rejected.error, area=area, crowd=crowd)
        return Annotation(own_id, category, edges, area=area, crowd=crowd)

    def _edges(self, box: Any) -> Edges:
        if self.fractions:
            raise Rejected("bad-box", "the annotation's box is in fractions of its image, and not in pixels")
        if (values := _four(box)) is not None:
            left, top, third, fourth = values
            edges = Edges(*values) if self.corners else Edges(left, top, left + third, top + fourth)
            if edges.left < edges.right and edges.top < edges.bottom:
                return edges
        raise Rejected("bad-box", "the annotation's box is empty or not four numbers")

    def _category(self, value: Any, notes: ListingNotes) -> str | None:
        if isinstance(value, str):
            return utf8_safe(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        if not self.names:
            notes.guess("the file has no names for its categories, which are named by their numbers")
            return str(value)
        if 0 <= value < len(self.names):
            return self.names[value]
        # The hub writes -1 where nobody knows.
        if value != -1:
            notes.guess(f"the category stays empty where the file has no name for its number, such as {value}")
        return None


def find_object_columns(schema: "pa.Schema") -> ObjectColumns | None:
    """Return the columns of a schema that hold objects, as if boxes were left, top, width and height; None if none do.

    Example:
        >>> import pyarrow as pa
        >>> boxes = pa.list_(pa.list_(pa.float32()))
        >>> objects = pa.struct([("bbox", boxes), ("category", pa.list_(pa.int64()))])
        >>> find_object_columns(pa.schema([("image", pa.binary()), ("objects", objects)])).category
        'category'
    """
    groups: dict[str, Mapping[str, pa.DataType]] = {}
    for field in schema:
        fields = _fields(field.type)
        if any(name in fields and _is_boxes(fields[name]) for name in _BOX):
            groups[field.name] = fields
    own = {field.name: field.type for field in schema}
    if any(name in own and _is_boxes(own[name]) for name in _BOX):
        groups[""] = own
    if not groups:
        return None
    group = next((name for name in _GROUPS if name in groups), next(iter(groups)))
    fields = groups[group]
    # Beside the boxes, a column of single values says something of the image.
    listed = fields if group else {name: kind for name, kind in fields.items() if _item(kind) is not None}
    category = _first(_CATEGORY, listed)
    return ObjectColumns(
        group,
        next(name for name in _BOX if name in fields and _is_boxes(fields[name])),
        category,
        _first(_ID, listed),
        _first(_AREA, listed),
        _first(_CROWD, listed),
        *_sizes(own),
        names=_class_names(schema.metadata or {}, [group, category] if group else [category]),
        others=tuple(name or "bbox" for name in groups if name != group),
    )


def _fields(kind: "pa.DataType") -> Mapping[str, "pa.DataType"]:
    """Return the fields of a struct, or of the structs in a list; none of any other type."""
    import pyarrow as pa

    inner = _item(kind) or kind
    return {field.name: field.type for field in inner} if pa.types.is_struct(inner) else {}


def _item(kind: "pa.DataType") -> "pa.DataType | None":
    """Return the type of a list's items; None if it is no list."""
    import pyarrow as pa

    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return kind.value_type if any(test(kind) for test in tests) else None


def _is_boxes(kind: "pa.DataType") -> bool:
    """Tell whether a type is a list of numbers, or a list of such lists."""
    import pyarrow as pa

    inner = _item(kind)
    inner = None if inner is None else _item(inner) or inner
    return inner is not None and (pa.types.is_integer(inner) or pa.types.is_floating(inner))


def _first(names: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    return next((name for name in names if name in fields), "")


def _sizes(fields: Mapping[str, "pa.DataType"]) -> tuple[str, str]:
    import pyarrow as pa

    for pair in (("width", "height"), ("image_width", "image_height")):
        kinds = [fields[name] for name in pair if name in fields]
        if len(kinds) == 2 and all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
            return pair
    return "", ""


def _class_names(metadata: Mapping[bytes, bytes], path: list[str]) -> tuple[str, ...]:
    """Return the names of a column's classes, as Hugging Face's datasets writes them into the schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    for name in path:
        features = _inside(features)
        features = features.get(name) if isinstance(features, dict) else None
    feature = _inside(features)
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(utf8_safe(str(name)) for name in names) if isinstance(names, list) else ()


def _inside(feature: Any) -> Any:
    """Return what lists of a feature hold, however these are written: `[...]`, `Sequence`, `List` or `LargeList`."""
    for _ in range(4):
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        elif isinstance(feature, dict) and isinstance(feature.get("_type"), str) and "feature" in feature:
            feature = feature["feature"]
    return feature


def _four(box: Any) -> tuple[float, float, float, float] | None:
    values = [number(value) for value in box] if isinstance(box, list) else []
    if len(values) != 4:
        return None
    left, top, third, fourth = values
    if left is None or top is None or third is None or fourth is None:
        return None
    return left, top, third, fourth


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _positive(value: Any) -> float:
    result = number(value)
    return result if result is not None and result > 0 else 0
