"""The entry: one image as its source lists it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gapscope.sources.annotations.annotation import ImageAnnotations, Outline
from gapscope.sources.rejects import Status


class Box(NamedTuple):
    """The part of an image that is an object, in pixels of the upright image.

    Attributes:
        left: of its left edge.
        top: of its top edge.
        width: from left to right.
        height: from top to bottom.
        image_width: width of the image that it was measured in, 0 if unknown. Where that image is the stored one and
            not the upright one, the box turns with the image's EXIF orientation.
        image_height: height of that image, likewise.
        outline: the object within the part, in pixels of that image; outside of it the background is taken away. None
            to leave the background.

    Example:
        >>> Box(10, 20, 100, 80).width
        100
    """

    left: float
    top: float
    width: float
    height: float
    image_width: float = 0
    image_height: float = 0
    outline: Outline | None = None


Value = str | float | None
"""One value of a metadata column for one image."""

Kind = Literal["text", "number"]
"""The type of a metadata column's values."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a dataset as its source lists it.

    Attributes:
        uri: the image's name for people; unique within the source, and the same in every listing.
        bytes: size of the encoded image in bytes; -1 if unknown.
        mtime_ns: time of the last change in nanoseconds since 1970; 0 if unknown.
        status: `listed`, or why the image cannot be read.
        error: the reason as text; empty if there is none.
        offset: which image of a file this is: a byte offset or a row number in a file of many images, the number of the
            occurrence for a name that a list repeats, 0 for other repeats and for objects; -1 if `uri` is the image
            file itself.
        box: the part of the image that is the object; None for the whole image.
        values: the image's metadata, by the names in the source's `columns`.
        annotations: the objects in the image, or the object that this row is; None if the source has no annotations.

    Example:
        >>> entry = Entry("/data/images.parquet#3", offset=3, values={"weather": "rain"})
        >>> entry.status, entry.bytes, entry.values["weather"]
        ('listed', -1, 'rain')
    """

    uri: str
    bytes: int = -1
    mtime_ns: int = 0
    status: Status = "listed"
    error: str = ""
    offset: int = -1
    box: Box | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    annotations: ImageAnnotations | None = None
