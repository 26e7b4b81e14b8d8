"""The program of a decoder process: it handles one request after another until its input ends.

A request is a line of JSON on standard input; the image's bytes are in a memory file that is shared with the parent.
The response is a line of JSON on what was standard output. The pixels are in the same memory file, followed by those
of the thumbnail. The parent never runs or unpickles anything that this process sends: a hostile file may take it over.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, TypedDict

import numpy as np

from gapscope.decode.shrink import Target, look_at, shrink_on_load
from gapscope.decode.value_range import ValueSample
from gapscope.settings import ValueRange
from gapscope.sources.annotations.annotation import Outline
from gapscope.sources.entry import Box
from gapscope.sources.rejects import Rejected, Status

BYTES_PER_PIXEL = 24
"""Memory that decoding may take per pixel: a few copies of pixels with more than 8 bits per channel."""

READY = "ready"
"""The first line that the process writes."""

_BASE_BYTES = 2 * 2**30


class TargetFields(TypedDict):
    """The fields of a `Target`."""

    size: int
    fit: Literal["crop", "stretch", "pad", "inside"]
    max_pixels: int
    thumbnail: int
    keep_damaged: bool
    value_ranges: list[dict[str, Any]] | None
    background: list[int] | None


class DecodeRequest(TypedDict):
    """Asks for one image, whose `bytes` bytes are at the start of the memory file.

    The box arrives as lists, since JSON has no tuples. With `look`, the process only looks at the image, and answers
    with a `LookResponse`.
    """

    target: TargetFields
    bytes: int
    box: Box | None
    look: bool


class DecodeResponse(TypedDict):
    """Describes one decoded image: the fields of a `ShrunkImage`, with the shapes of its arrays."""

    shape: tuple[int, ...]
    thumbnail: tuple[int, ...] | None
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    damage: str


class LookResponse(TypedDict):
    """What an image's values are: their kind, and the `count` of them in the memory file, as float64.

    The kind is empty for 8 bits. `declared` is black and white by the file's tags.
    """

    kind: str
    count: int
    declared: list[float] | None


class Failure(TypedDict):
    """Why a request failed, in any decoder process."""

    status: Status
    error: str


Handler = Callable[[Any, int], Mapping[str, Any]]
"""Takes a request and the descriptor of the memory file, writes pixels to that file, and returns the response."""


def serve(memory: int, handle: Handler | None = None) -> None:
    """Handle requests until standard input ends.

    Args:
        memory: descriptor of the memory file.
        handle: computes the response to a request; None to decode one image per request.
    """
    handle = handle or _decode
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(1), "w", encoding="ascii") as responses, open(os.devnull, "wb") as devnull:
        # What libraries print must not end up among the responses. What they print before this point tells the parent
        # why a decoder does not start.
        os.dup2(devnull.fileno(), 1)
        os.dup2(devnull.fileno(), 2)
        responses.write(READY + "\n")
        responses.flush()
        for line in sys.stdin.buffer:
            responses.write(json.dumps(handle(json.loads(line), memory)) + "\n")
            responses.flush()


def _decode(request: DecodeRequest, memory: int) -> DecodeResponse | LookResponse | Failure:
    target = _target(request["target"])
    _limit_memory(target.max_pixels)
    data = os.pread(memory, request["bytes"], 0)
    try:
        if request["look"]:
            return _look(look_at(data, target), memory)
        box = request["box"]
        image = shrink_on_load(data, target, None if box is None else _box(box))
    except Rejected as rejected:
        return {"status": rejected.status, "error": rejected.error}
    pixels, thumbnail = image.pixels, image.thumbnail
    write_all(memory, np.ascontiguousarray(pixels).data.cast("B"))
    if thumbnail is not None:
        write_all(memory, np.ascontiguousarray(thumbnail).data.cast("B"), pixels.nbytes)
    return {
        "shape": pixels.shape,
        "thumbnail": None if thumbnail is None else thumbnail.shape,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "jpeg_quality": image.jpeg_quality,
        "damage": image.damage,
    }


def _box(lists: Sequence[Any]) -> Box:
    *numbers, outline = lists
    return Box._make([*numbers, None if outline is None else Outline.of_lists(outline)])


def _target(fields: TargetFields) -> Target:
    ranges, background = fields["value_ranges"], fields["background"]
    target = Target(fields["size"], fields["fit"], fields["max_pixels"], fields["thumbnail"], fields["keep_damaged"])
    if ranges is not None:
        target = replace(target, value_ranges=tuple(ValueRange(**each) for each in ranges))
    if background is not None:
        red, green, blue = background
        target = replace(target, background=(red, green, blue))
    return target


def _look(sample: ValueSample | None, memory: int) -> LookResponse:
    if sample is None:
        return {"kind": "", "count": 0, "declared": None}
    write_all(memory, sample.values.data.cast("B"))
    declared = None if sample.declared is None else list(sample.declared)
    return {"kind": sample.kind, "count": len(sample.values), "declared": declared}


# Every image of a run has the same limit.
@lru_cache(maxsize=1)
def _limit_memory(max_pixels: int) -> None:
    limit = _BASE_BYTES + BYTES_PER_PIXEL * max_pixels
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def write_all(memory: int, data: bytes | memoryview, start: int = 0) -> None:
    """Write all of `data` to a file, from byte `start` on.

    Args:
        memory: descriptor of the file.
        data: bytes, or a view whose items are bytes.
        start: position of the first byte in the file.

    Example:
        >>> import os
        >>> memory = os.memfd_create("example")
        >>> write_all(memory, b"pixels", start=2)
        >>> os.pread(memory, 10, 2)
        b'pixels'
        >>> os.close(memory)
    """
    view = memoryview(data)
    written = 0
    while written < len(view):
        written += os.pwrite(memory, view[written:], start + written)
