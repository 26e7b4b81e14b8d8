"""A decoded image with the statistics that the report needs, at the size that the network sees."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.decode.fit import fit_inside, fit_to_square
from gapscope.decode.shrink import ShrunkImage, Target, shrink_on_load
from gapscope.settings import Preprocess
from gapscope.sources.entry import Box

_STATS_STEP = 4


@dataclass(frozen=True)
class Picture:
    """One decoded image.

    Attributes:
        pixels: (size, size, 3) uint8, sRGB.
        bytes: length of the encoded image.
        format: Pillow's name of the file's format, such as `JPEG`.
        width: width in pixels of the original, after its EXIF orientation was applied; of the box if there is one.
        height: height in pixels, likewise.
        jpeg_quality: estimate of the quality that a JPEG was saved with, 1 to 100; None for other formats.
        mean: mean of red, green and blue in 0..255, over every fourth row and column of `pixels`.
        std: standard deviation, likewise.
        sharpness: variance of the Laplacian (the four neighbors minus four times the pixel) of the mean of the channels
            of `pixels` (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"). It is measured on
            the square and not on the file, so that it does not depend on the resolution of the file.
        thumbnail: (height, width, 3) uint8, sRGB, the decoded part at a small size; None if none was requested.
        damage: what the decoder of a damaged JPEG warned of; empty for an intact image.
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
    damage: str = ""


def decode(data: bytes, preprocess: Preprocess, box: Box | None = None) -> Picture:
    """Decode one image, or the part of it in `box`, in this process, and resize it to the network's square.

    EXIF orientation is applied, colors are converted to sRGB by the embedded profile, transparency becomes white, or
    black where nothing would be seen on white, an animation gives its first frame, and resizing is antialiased.

    Raises:
        Rejected: the bytes are not an image, are damaged, or hold more than `preprocess.max_pixels` pixels.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (120, 90), (255, 0, 0)).save(file, "PNG")
        >>> picture = decode(file.getvalue(), Preprocess(size=64))
        >>> picture.pixels.shape, picture.format, (picture.width, picture.height), picture.mean
        ((64, 64, 3), 'PNG', (120, 90), (255.0, 0.0, 0.0))
    """
    return make_picture(shrink_on_load(data, make_target(preprocess), box), preprocess)


def make_target(preprocess: Preprocess, thumbnail: int = 0) -> Target:
    """Return the decoding target for the network's square, and a thumbnail's longest side in pixels, 0 for none."""
    return Target(
        preprocess.size,
        preprocess.fit,
        preprocess.max_pixels,
        thumbnail,
        preprocess.keep_damaged,
        preprocess.value_ranges,
        preprocess.background,
    )


def make_picture(image: ShrunkImage, preprocess: Preprocess) -> Picture:
    """Resize a decoded image to the network's square, and measure its statistics."""
    pixels = fit_to_square(_to_tensor(image), preprocess.size, preprocess.fit).numpy()
    # One row per channel: sums along rows are many times as fast as sums over many rows of three.
    sample = np.ascontiguousarray(pixels[::_STATS_STEP, ::_STATS_STEP].reshape(-1, 3).T, dtype=np.float32)
    mean, std = sample.mean(axis=1).tolist(), sample.std(axis=1).tolist()
    return Picture(
        pixels=pixels,
        bytes=image.bytes,
        format=image.format,
        width=image.width,
        height=image.height,
        jpeg_quality=image.jpeg_quality,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        sharpness=_sharpness(pixels),
        thumbnail=image.thumbnail,
        damage=image.damage,
    )


def _sharpness(pixels: NDArray[np.uint8]) -> float:
    gray = pixels.sum(axis=2, dtype=np.int32)
    neighbors = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
    return float((neighbors - 4 * gray[1:-1, 1:-1]).var() / 9)


def make_thumbnail(image: ShrunkImage, side: int) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8 pixels, at most `side` x `side`, with the aspect ratio of the image."""
    thumbnail: NDArray[np.uint8] = fit_inside(_to_tensor(image), side).numpy()
    return thumbnail


def _to_tensor(image: ShrunkImage) -> torch.Tensor:
    pixels = image.pixels
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
