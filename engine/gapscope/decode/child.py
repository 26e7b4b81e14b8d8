"""What a decoder process does: it answers one request after the other until its input ends.

A request is a line of JSON on standard input; the image's bytes lie in a memory file that is shared with the parent.
The answer is a line of JSON on what was standard output, and the pixels lie in the same memory file, those of a
thumbnail behind the others. The parent never runs or unpickles anything that comes from here: this process is where a
hostile file may do its worst.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from gapscope.decode.shrink import Target, shrink
from gapscope.sources.rejects import Rejected

BYTES_PER_PIXEL = 24
"""That decoding may take: a few copies of deep pixels."""

READY = "ready"
"""The first line that is written."""

_BASE_BYTES = 2 * 2**30


Answer = Callable[[dict[str, Any], int], dict[str, Any]]
"""Takes a request and the memory file's descriptor, leaves pixels in that file, and returns what goes back."""


def serve(memory: int, answer: Answer | None = None) -> None:
    """Answer requests for the memory file with descriptor `memory`; one image each, unless `answer` says otherwise."""
    answer = answer or _answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(1), "w", encoding="ascii") as answers, open(os.devnull, "wb") as nowhere:
        # Libraries that print must not speak into the answers. What they say before this tells why one does not start.
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        answers.write(READY + "\n")
        answers.flush()
        for line in sys.stdin.buffer:
            answers.write(json.dumps(answer(json.loads(line), memory)) + "\n")
            answers.flush()


def _answer(request: dict[str, Any], memory: int) -> dict[str, Any]:
    target = Target(**request["target"])
    _limit_memory(target.max_pixels)
    data = os.pread(memory, request["bytes"], 0)
    try:
        box = request["box"]
        shrunk = shrink(data, target, None if box is None else tuple(box))
    except Rejected as rejected:
        return {"status": rejected.status, "error": rejected.error}
    pixels, small = shrunk.pixels, shrunk.thumbnail
    write_all(memory, np.ascontiguousarray(pixels).data.cast("B"))
    if small is not None:
        write_all(memory, np.ascontiguousarray(small).data.cast("B"), pixels.nbytes)
    return {
        "shape": pixels.shape,
        "thumbnail": None if small is None else small.shape,
        "format": shrunk.format,
        "width": shrunk.width,
        "height": shrunk.height,
        "jpeg_quality": shrunk.jpeg_quality,
    }


# The same for every image of a run.
@lru_cache(maxsize=1)
def _limit_memory(max_pixels: int) -> None:
    limit = _BASE_BYTES + BYTES_PER_PIXEL * max_pixels
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def write_all(memory: int, data: bytes | memoryview, start: int = 0) -> None:
    """Write `data` to a file from `start` on, in as many steps as that takes."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        at += os.pwrite(memory, view[at:], start + at)
