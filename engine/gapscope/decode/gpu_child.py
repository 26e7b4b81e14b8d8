"""What the decoder process of a GPU does: JPEGs in batches, brought into their frames where they were decoded.

A request names the images that lie in the memory file one after the other; the answer says for each what its header
told, or null where the CPU has to read it, and how many plain JPEGs the decoder refused; the squares of the others lie
in the memory file one after the other.
A file that crashes the GPU's decoder takes this process with it, and nothing else.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gapscope.decode.child import write_all
from gapscope.decode.fit import fit_to_square
from gapscope.decode.plain_jpeg import PlainJpeg, plain_jpeg, upright

DecodeJpegs = Callable[[Sequence[bytes]], Sequence[Tensor | None]]
"""Takes plain JPEGs; returns (height, width, 3) uint8 as stored, on any device, or None for what it cannot read."""


def answer_with(decode: DecodeJpegs) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Return what `gapscope.decode.child.serve` calls for every request."""

    def answer(request: dict[str, Any], memory: int) -> dict[str, Any]:
        # What goes wrong on the GPU, such as memory that runs out, is worth its words; the parent ends this process.
        try:
            return _answered(decode, request["images"], memory)
        except Exception as error:  # noqa: BLE001
            return {"status": "crashed", "error": f"{type(error).__name__}: {error}"}

    return answer


def _answered(decode: DecodeJpegs, images: Sequence[dict[str, Any]], memory: int) -> dict[str, Any]:
    data, at = [], 0
    for each in images:
        data.append(os.pread(memory, each["bytes"], at))
        at += each["bytes"]
    plain = [plain_jpeg(one, each["max_pixels"]) for one, each in zip(data, images, strict=True)]
    decoded = iter(decode([one for one, header in zip(data, plain, strict=True) if header is not None]))
    squares: list[Tensor] = []
    told: list[dict[str, Any] | None] = []
    for header, each in zip(plain, images, strict=True):
        pixels = next(decoded) if header is not None else None
        if header is None or pixels is None or pixels.shape != (header.height, header.width, 3):
            told.append(None)
            continue
        turned = upright(pixels, header.orientation)
        squares.append(fit_to_square(turned, each["size"], each["fit"]).flatten())
        told.append(_told(header, turned))
    # One copy from the GPU for all of them.
    write_all(memory, torch.cat(squares).cpu().numpy().tobytes() if squares else b"")
    refused = sum(header is not None for header in plain) - len(squares)
    return {"images": told, "refused": refused}


def _told(header: PlainJpeg, turned: Tensor) -> dict[str, Any]:
    height, width = turned.shape[:2]
    return {"width": width, "height": height, "jpeg_quality": header.jpeg_quality}
