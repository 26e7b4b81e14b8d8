"""One listed image."""

from dataclasses import dataclass

from gapscope.rejects import Status


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a dataset as its source lists it.

    Attributes:
        uri: names the image for people and for `Source.read`; unique within the source.
        bytes: size of the encoded image, -1 where it is not known.
        mtime_ns: time of last change in nanoseconds since 1970, 0 where it is not known.
        status: `listed`, or why the image cannot be read.
        error: the reason in words, empty when there is none.
    """

    uri: str
    bytes: int = -1
    mtime_ns: int = 0
    status: Status = "listed"
    error: str = ""
