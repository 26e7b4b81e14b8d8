"""The program of a GPU's decoder process: it decodes JPEGs in batches and resizes them on the GPU.

A request lists images whose bytes follow each other in the memory file. The response has, for each image, what its
header says, or null if the CPU has to decode it, and the number of plain JPEGs that the decoder refused. The squares of
the decoded images follow each other in the memory file.
A file that crashes the GPU's decoder ends this process, and nothing else.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypedDict

import torch
from torch import Tensor

from gapscope.decode.child import Failure, Handler, write_all
from gapscope.decode.fit import fit_to_square
from gapscope.decode.jpeg import jpeg_damage
from gapscope.decode.plain_jpeg import PlainJpeg, plain_jpeg, upright
from gapscope.settings import Fit

DecodeJpegs = Callable[[Sequence[bytes]], Sequence[Tensor | None]]
"""Takes plain JPEGs; returns (height, width, 3) uint8 as stored, on any device, or None for those it cannot decode."""


class JpegRequest(TypedDict):
    """One image of a batch: its length in bytes, and the fields of `Preprocess`."""

    bytes: int
    size: int
    fit: Fit
    max_pixels: int


class BatchRequest(TypedDict):
    """Asks for a batch of images."""

    images: list[JpegRequest]


class JpegResponse(TypedDict):
    """One decoded image: width and height in pixels, upright, and the quality that it was saved with."""

    width: int
    height: int
    jpeg_quality: int | None


class BatchResponse(TypedDict):
    """One response per image of the batch, None if the CPU has to decode it.

    `refused` is the number of plain JPEGs that the decoder could not decode.
    """

    images: list[JpegResponse | None]
    refused: int


def batch_handler(decode: DecodeJpegs) -> Handler:
    """Return the function with which `gapscope.decode.child.serve` handles a `BatchRequest`."""

    def handle(request: BatchRequest, memory: int) -> BatchResponse | Failure:
        # An error on the GPU, such as a lack of memory, is reported in its own words; the parent ends this process.
        try:
            return _decode_batch(decode, request["images"], memory)
        except Exception as error:  # noqa: BLE001
            return {"status": "crashed", "error": f"{type(error).__name__}: {error}"}

    return handle


def _decode_batch(decode: DecodeJpegs, images: Sequence[JpegRequest], memory: int) -> BatchResponse:
    files, offset = [], 0
    for image in images:
        files.append(os.pread(memory, image["bytes"], offset))
        offset += image["bytes"]
    headers = list(_pool().map(_intact_jpeg, files, (image["max_pixels"] for image in images)))
    decoded = iter(decode([data for data, header in zip(files, headers, strict=True) if header is not None]))
    squares: list[Tensor] = []
    responses: list[JpegResponse | None] = []
    for header, image in zip(headers, images, strict=True):
        pixels = next(decoded) if header is not None else None
        if header is None or pixels is None or pixels.shape != (header.height, header.width, 3):
            responses.append(None)
            continue
        turned = upright(pixels, header.orientation)
        squares.append(fit_to_square(turned, image["size"], image["fit"]).flatten())
        responses.append(_response(header, turned))
    # One copy from the GPU for the whole batch.
    write_all(memory, torch.cat(squares).cpu().numpy().tobytes() if squares else b"")
    refused = sum(header is not None for header in headers) - len(squares)
    return {"images": responses, "refused": refused}


def _intact_jpeg(data: bytes, max_pixels: int) -> PlainJpeg | None:
    """Return the header of a plain JPEG that is not damaged; the GPU would make up parts without a word."""
    header = plain_jpeg(data, max_pixels)
    return None if header is None or jpeg_damage(data, (header.width, header.height)) else header


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)))


def _response(header: PlainJpeg, turned: Tensor) -> JpegResponse:
    height, width = turned.shape[:2]
    return {"width": width, "height": height, "jpeg_quality": header.jpeg_quality}
