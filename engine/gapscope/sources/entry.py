"""One listed image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gapscope.sources.rejects import Status

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels, before any orientation tag is applied."""

Value = str | float | None
"""One thing that a source knows of an image besides its pixels."""

Kind = Literal["text", "number"]
"""What the values of a column are."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a dataset as its source lists it.

    Attributes:
        uri: names the image for people; unique within the source, and the same whenever it is listed.
        bytes: size of the encoded image, -1 where it is not known.
        mtime_ns: time of last change in nanoseconds since 1970, 0 where it is not known.
        status: `listed`, or why the image cannot be read.
        error: the reason in words, empty when there is none.
        offset: where it lies in the file that holds it among others: an offset in bytes, or a row; -1 for a file of its
            own.
        box: the part of the image that is meant; None for all of it.
        values: by the source's `columns`.
    """

    uri: str
    bytes: int = -1
    mtime_ns: int = 0
    status: Status = "listed"
    error: str = ""
    offset: int = -1
    box: Box | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
