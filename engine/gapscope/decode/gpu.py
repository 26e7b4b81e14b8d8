"""Decoding JPEGs on a GPU, in a process of its own; the CPU reads whatever the GPU does not."""

import atexit
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gapscope.decode.children import Child, decode_in_subprocess
from gapscope.decode.dynamic_batcher import DynamicBatcher
from gapscope.decode.picture import Picture, picture_of
from gapscope.decode.plain_jpeg import looks_plain
from gapscope.decode.shrink import Shrunk
from gapscope.errors import DecoderError
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box
from gapscope.sources.rejects import Rejected

MOST = 32
"""Images that the GPU decodes at a time; more take memory and bring nothing."""

_MOST_BYTES = 256 * 2**20
_FAILURES = 3
"""Batches in a row over which the process may crash before it is not started any more."""
_REFUSALS = 256
"""Plain JPEGs that it may refuse, without having read any, before it is not asked any more."""

_BOOT = """
from gapscope.decode.child import serve
from gapscope.decode.gpu_child import answer_with
from gapscope.device.cuda import jpeg_decoder
serve({memory}, answer_with(jpeg_decoder()))
"""


class _Job(NamedTuple):
    data: bytes
    frame: Preprocess


def decode_on_gpu(data: bytes, frame: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
    """Do what `gapscope.decode.picture.decode` does; called from several threads, it decodes in batches.

    A plain JPEG is decoded by the GPU, at full size, and resized there with antialiasing. Everything else is for the
    CPU: other formats, boxes, other colours than sRGB, and whatever the GPU's decoder refuses or crashes over.

    Raises:
        Rejected: as `decode_in_subprocess`.
    """
    picture = _decoder()(data, frame) if box is None and looks_plain(data) and len(data) <= _MOST_BYTES else None
    return picture or decode_in_subprocess(data, frame, box, thumbnail=thumbnail)


def decode_fallback_reason() -> str:
    """Return why this process has given up decoding on the GPU; empty where it has not."""
    return _decoder().given_up


@lru_cache(maxsize=1)
def _decoder() -> "GpuDecoder":
    return GpuDecoder(_BOOT)


class GpuDecoder:
    """Decodes images by a process that runs `boot`; called from several threads, in batches.

    A process that does not start, crashes over one batch after the other, or reads nothing at all is given up: the CPU
    decodes as well, and a run must not end, nor crawl, for want of a decoder.

    Attributes:
        given_up: why it is not asked any more; empty while it is.
    """

    def __init__(self, boot: str) -> None:
        self.given_up = ""
        self._failures, self._read, self._refused = 0, 0, 0
        self._child = Child(boot, needs="nvImageCodec and nvJPEG")
        atexit.register(self._child.stop)
        self._batches = DynamicBatcher(self._decode, MOST)

    def __call__(self, data: bytes, frame: Preprocess) -> Picture | None:
        """Decode one plain JPEG; None where the CPU has to."""
        return None if self.given_up else self._batches(_Job(data, frame))

    def _decode(self, jobs: list[_Job]) -> list[Picture | None]:
        nothing: list[Picture | None] = [None] * len(jobs)
        if self.given_up:
            return nothing
        images = [
            {"bytes": len(data), "size": frame.size, "fit": frame.fit, "max_pixels": frame.max_pixels}
            for data, frame in jobs
        ]
        try:
            answer = self._child.ask(b"".join(job.data for job in jobs), {"images": images})
            pictures = _pictures(answer, self._child, jobs)
        except DecoderError as error:
            self.given_up = str(error)
            return nothing
        except Rejected as rejected:
            # An image of the batch brought the process down, or left it in disorder; the CPU tells which.
            self._child.stop()
            self._failures += 1
            if self._failures >= _FAILURES:
                self.given_up = f"{rejected.error}, over {self._failures} batches in a row"
            return nothing
        self._failures = 0
        self._read += len(pictures) - pictures.count(None)
        self._refused += int(answer["refused"])
        if not self._read and self._refused >= _REFUSALS:
            self._child.stop()
            self.given_up = f"it reads none of the first {self._refused} plain JPEGs"
        return pictures


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
