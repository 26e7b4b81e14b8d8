"""One decoded image, as the network and the report want it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.decode.fit import fit_inside, fit_to_square
from gapscope.decode.shrink import Shrunk, Target, shrink
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box

_STEP = 4


@dataclass(frozen=True)
class Picture:
    """One decoded image.

    Attributes:
        pixels: (size, size, 3) uint8, sRGB.
        bytes: length of the encoded image.
        format: Pillow's name of the file's format, such as `JPEG`.
        width: width of the original in pixels, after its orientation tag was applied; of the box where there is one.
        height: height of the original in pixels, likewise.
        jpeg_quality: estimate of the quality that a JPEG was saved with, 1 to 100; None for other formats.
        mean: of red, green and blue in 0..255, over every fourth row and column of `pixels`.
        std: standard deviation likewise.
        sharpness: variance of the Laplacian (the four neighbors less four times the pixel) of the mean of the channels
            of `pixels` (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"). It is that of the
            frame, not of the file, so that it does not stand for the resolution.
        thumbnail: (height, width, 3) uint8, sRGB, a small picture of the whole image; None where none was asked for.
    """

    pixels: NDArray[np.uint8]
    bytes: int
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sharpness: float
    thumbnail: NDArray[np.uint8] | None = None


def decode(data: bytes, frame: Preprocess, box: Box | None = None) -> Picture:
    """Decode one image, or the part of it in `box`, and bring it into `frame`, in this very process.

    Orientation tags are applied, colours are sRGB by the embedded profile, transparency lies over white, an animation
    gives its first frame, and resizing is antialiased.

    Raises:
        Rejected: the bytes are no image, are damaged, or hold more than `frame.max_pixels` pixels.
    """
    return picture_of(shrink(data, target_of(frame), box), frame)


def target_of(frame: Preprocess, thumbnail: int = 0) -> Target:
    """Return what a frame wants of an image, and the longest side of a thumbnail, 0 for none."""
    return Target(frame.size, frame.fit, frame.max_pixels, thumbnail)


def picture_of(shrunk: Shrunk, frame: Preprocess) -> Picture:
    """Bring a decoded image into its frame."""
    pixels = fit_to_square(_tensor(shrunk), frame.size, frame.fit).numpy()
    # A row per colour: sums along rows are many times as fast as sums of many rows of three.
    sample = np.ascontiguousarray(pixels[::_STEP, ::_STEP].reshape(-1, 3).T, dtype=np.float32)
    mean, std = sample.mean(axis=1).tolist(), sample.std(axis=1).tolist()
    return Picture(
        pixels=pixels,
        bytes=shrunk.bytes,
        format=shrunk.format,
        width=shrunk.width,
        height=shrunk.height,
        jpeg_quality=shrunk.jpeg_quality,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        sharpness=_sharpness(pixels),
        thumbnail=shrunk.thumbnail,
    )


def _sharpness(pixels: NDArray[np.uint8]) -> float:
    grey = pixels.sum(axis=2, dtype=np.int32)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * grey[1:-1, 1:-1]).var() / 9)


def thumbnail_of(shrunk: Shrunk, side: int) -> NDArray[np.uint8]:
    """Return (height, width, 3) pixels of at most `side` x `side` that keep the image's aspect ratio."""
    found: NDArray[np.uint8] = fit_inside(_tensor(shrunk), side).numpy()
    return found


def _tensor(shrunk: Shrunk) -> torch.Tensor:
    pixels = shrunk.pixels
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
