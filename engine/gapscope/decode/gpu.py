"""Decoding JPEGs on a GPU, in a process of its own; the CPU reads whatever the GPU does not."""

import atexit
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from gapscope.decode.children import Child, decode_apart
from gapscope.decode.gathered import Gathered
from gapscope.decode.picture import Picture, picture_of
from gapscope.decode.plain_jpeg import looks_plain
from gapscope.decode.shrink import Shrunk
from gapscope.rejects import Rejected
from gapscope.settings import Frame
from gapscope.sources.entry import Box

MOST = 32
"""Images that the GPU decodes at a time; more take memory and bring nothing."""

_MOST_BYTES = 256 * 2**20

_BOOT = """
from gapscope.decode.child import serve
from gapscope.decode.gpu_child import answer_with
from gapscope.device.cuda import jpeg_decoder
serve({memory}, answer_with(jpeg_decoder()))
"""

_Job = tuple[bytes, Frame]


def decode_on_gpu(data: bytes, frame: Frame, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
    """Do what `gapscope.decode.picture.decode` does; called from several threads, it decodes in batches.

    A plain JPEG is decoded by the GPU, at full size, and resized there with antialiasing. Everything else is for the
    CPU: other formats, boxes, other colours than sRGB, and whatever the GPU's decoder refuses or crashes over.

    Raises:
        Rejected: as `decode_apart`.
    """
    picture = _decoder()((data, frame)) if box is None and looks_plain(data) and len(data) <= _MOST_BYTES else None
    return picture or decode_apart(data, frame, box, thumbnail=thumbnail)


@lru_cache(maxsize=1)
def _decoder() -> "Gathered[_Job, Picture | None]":
    return gathered_decoder(_BOOT)


def gathered_decoder(boot: str) -> "Gathered[_Job, Picture | None]":
    """Return a function that decodes one image by a process that runs `boot`; None where the CPU has to."""
    child = Child(boot)
    atexit.register(child.stop)

    def decode(jobs: list[_Job]) -> list[Picture | None]:
        images = [
            {"bytes": len(data), "size": frame.size, "fit": frame.fit, "max_pixels": frame.max_pixels}
            for data, frame in jobs
        ]
        try:
            answer = child.ask(b"".join(data for data, _ in jobs), {"images": images})
            return _pictures(answer, child, jobs)
        except Rejected:
            # One image of the batch brought the process down; the CPU tells which.
            return [None] * len(jobs)

    return Gathered(decode, MOST)


def _pictures(answer: Mapping[str, Any], child: Child, jobs: list[_Job]) -> list[Picture | None]:
    told = answer["images"]
    lengths = [frame.size**2 * 3 if each else 0 for (_, frame), each in zip(jobs, told, strict=True)]
    pixels = np.frombuffer(child.read(sum(lengths)), np.uint8)
    pictures: list[Picture | None] = []
    at = 0
    for (data, frame), each, length in zip(jobs, told, lengths, strict=True):
        square = pixels[at : at + length].reshape(-1, frame.size, 3)
        at += length
        if each is None:
            pictures.append(None)
            continue
        quality = each["jpeg_quality"]
        width, height = int(each["width"]), int(each["height"])
        shrunk = Shrunk(square, len(data), "JPEG", width, height, None if quality is None else int(quality))
        pictures.append(picture_of(shrunk, frame))
    return pictures
