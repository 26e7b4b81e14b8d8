"""Decoding JPEGs on a GPU, in a separate process; the CPU decodes all other images."""

import atexit
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gapscope.decode.children import DecoderProcess, Response, decode_in_subprocess
from gapscope.decode.dynamic_batcher import DynamicBatcher
from gapscope.decode.gpu_child import BatchRequest
from gapscope.decode.picture import Picture, make_picture
from gapscope.decode.plain_jpeg import looks_plain
from gapscope.decode.shrink import ShrunkImage
from gapscope.errors import DecoderError
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box
from gapscope.sources.rejects import Rejected

MAX_BATCH = 32
"""Images that the GPU decodes at a time; more take memory and bring no speed."""

_MAX_JPEG_BYTES = 256 * 2**20
_MAX_FAILURES = 3
"""Batches in a row on which the process may crash before it is no longer used."""
_MAX_REFUSALS = 256
"""Plain JPEGs that the process may refuse, without having decoded any, before it is no longer used."""

_BOOT = """
from gapscope.decode.child import serve
from gapscope.decode.gpu_child import batch_handler
from gapscope.device.cuda import jpeg_decoder
serve({memory}, batch_handler(jpeg_decoder()))
"""


class _Job(NamedTuple):
    data: bytes
    preprocess: Preprocess


def decode_on_gpu(data: bytes, preprocess: Preprocess, box: Box | None = None, *, thumbnail: int = 0) -> Picture:
    """Do what `gapscope.decode.picture.decode` does; decodes in batches when called from several threads.

    The GPU decodes a plain JPEG at full size and resizes it with antialiasing. Everything else goes to the CPU: other
    formats, boxes, colors other than sRGB, and whatever the GPU's decoder refuses or crashes on.

    Args:
        data: an encoded image.
        preprocess: size and fit of the square.
        box: the part of the image to decode; None for the whole image.
        thumbnail: longest side in pixels of a thumbnail of the decoded part; 0 for none. Only images that the CPU
            decodes get one.

    Raises:
        Rejected: as `decode_in_subprocess`.
        DecoderError: as `decode_in_subprocess`.
    """
    picture = None
    if box is None and looks_plain(data) and len(data) <= _MAX_JPEG_BYTES:
        picture = _decoder()(data, preprocess)
    return picture or decode_in_subprocess(data, preprocess, box, thumbnail=thumbnail)


def decode_fallback_reason() -> str:
    """Return why this process no longer decodes on the GPU; empty if it still does."""
    return _decoder().fallback_reason


@lru_cache(maxsize=1)
def _decoder() -> "GpuDecoder":
    return GpuDecoder(_BOOT)


class GpuDecoder:
    """Decodes images in a process that runs `boot`; batches the calls of several threads.

    The decoder is no longer used once its process does not start, crashes on several batches in a row, or decodes no
    image at all. The CPU can decode too, and a run should neither fail nor slow down for want of a decoder.

    Args:
        boot: the program that the process runs; see `DecoderProcess`.

    Attributes:
        fallback_reason: why the decoder is no longer used; empty while it is.
    """

    def __init__(self, boot: str) -> None:
        self.fallback_reason = ""
        self._failures, self._decoded, self._refused = 0, 0, 0
        self._process = DecoderProcess(boot, needs="nvImageCodec and nvJPEG")
        atexit.register(self._process.stop)
        self._batcher = DynamicBatcher(self._decode, MAX_BATCH)

    def __call__(self, data: bytes, preprocess: Preprocess) -> Picture | None:
        """Decode one plain JPEG; None if the CPU has to decode it."""
        return None if self.fallback_reason else self._batcher(_Job(data, preprocess))

    def _decode(self, jobs: list[_Job]) -> list[Picture | None]:
        no_pictures: list[Picture | None] = [None] * len(jobs)
        if self.fallback_reason:
            return no_pictures
        request: BatchRequest = {
            "images": [
                {
                    "bytes": len(data),
                    "size": preprocess.size,
                    "fit": preprocess.fit,
                    "max_pixels": preprocess.max_pixels,
                }
                for data, preprocess in jobs
            ]
        }
        try:
            response = self._process.call(b"".join(job.data for job in jobs), request)
            pictures = _parse_response(response, self._process, jobs)
        except DecoderError as error:
            self.fallback_reason = str(error)
            return no_pictures
        except Rejected as rejected:
            # An image of the batch crashed the process or left it in disorder; the CPU finds out which.
            self._process.stop()
            self._failures += 1
            if self._failures >= _MAX_FAILURES:
                self.fallback_reason = f"{rejected.error}, on {self._failures} batches in a row"
            return no_pictures
        self._failures = 0
        self._decoded += len(pictures) - pictures.count(None)
        self._refused += int(response["refused"])
        if not self._decoded and self._refused >= _MAX_REFUSALS:
            self._process.stop()
            self.fallback_reason = f"it decodes none of the first {self._refused} plain JPEGs"
        return pictures


def _parse_response(response: Response, process: DecoderProcess, jobs: list[_Job]) -> list[Picture | None]:
    images = response["images"]
    lengths = [job.preprocess.size**2 * 3 if image else 0 for job, image in zip(jobs, images, strict=True)]
    pixels = np.frombuffer(process.read(sum(lengths)), np.uint8)
    pictures: list[Picture | None] = []
    offset = 0
    for (data, preprocess), image, length in zip(jobs, images, lengths, strict=True):
        square = pixels[offset : offset + length].reshape(-1, preprocess.size, 3)
        offset += length
        if image is None:
            pictures.append(None)
            continue
        quality = image["jpeg_quality"]
        width, height = int(image["width"]), int(image["height"])
        shrunk = ShrunkImage(square, len(data), "JPEG", width, height, None if quality is None else int(quality))
        pictures.append(make_picture(shrunk, preprocess))
    return pictures
