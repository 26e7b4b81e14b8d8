"""What annotations say of one image: its size, and the objects in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Edges(NamedTuple):
    """The edges of an object, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Mask(NamedTuple):
    """The pixels of an object, as COCO encodes runs of them.

    Attributes:
        height: of the image that it covers, in pixels.
        width: of that image.
        runs: lengths of runs of pixels down the columns, by turns outside and inside the object.
    """

    height: int
    width: int
    runs: tuple[int, ...]


class Outline(NamedTuple):
    """Where in its box an object is: inside any of its polygons or masks.

    Attributes:
        polygons: each x and y in turn, in pixels.
        masks: of the whole image.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    masks: tuple[Mask, ...] = ()

    def to_json(self) -> str:
        """Return the outline as text.

        Example:
            >>> Outline(polygons=((0.0, 0.0, 2.0, 0.0, 0.0, 2.0),)).to_json()
            '[[[0.0, 0.0, 2.0, 0.0, 0.0, 2.0]], []]'
        """
        return json.dumps([self.polygons, self.masks])

    @classmethod
    def of_lists(cls, lists: Sequence[Any]) -> "Outline":
        """Return the outline that was written as JSON, whose tuples are lists.

        Example:
            >>> Outline.of_lists([[], [[2, 2, [1, 3]]]]).masks
            (Mask(height=2, width=2, runs=(1, 3)),)
        """
        polygons, masks = lists
        return cls(
            tuple(tuple(polygon) for polygon in polygons),
            tuple(Mask(height, width, tuple(runs)) for height, width, runs in masks),
        )


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated object.

    Attributes:
        id: what the annotations call it, or its number in its image where they do not call it anything.
        category: what it is; None if unknown.
        edges: of its box, as annotated, which may reach beyond the image; None if it has none.
        error: why it has no edges; empty if it has.
        area: in pixels, as annotated; None if unknown.
        outline: where in its box it is; None if unknown, or not asked for.
        truncation: share of it that lies outside of the image, 0 to 1, as annotated; None if unknown.
        occlusion: how much of it is hidden, 0 to 1, as annotated; None if unknown.
        crowd: whether it is many objects, which nobody has told apart.

    Example:
        >>> Annotation("7", "car", Edges(10, 20, 110, 100)).edges.right
        110
    """

    id: str
    category: str | None = None
    edges: Edges | None = None
    error: str = ""
    area: float | None = None
    outline: Outline | None = None
    truncation: float | None = None
    occlusion: float | None = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class ImageAnnotations:
    """The annotated objects of one image.

    Attributes:
        image: uri of the image.
        width: of the image, in pixels; 0 if unknown.
        height: of the image, likewise.
        objects: in it; of a row that is an object, this one alone.
    """

    image: str
    width: float = 0
    height: float = 0
    objects: tuple[Annotation, ...] = field(default=())
