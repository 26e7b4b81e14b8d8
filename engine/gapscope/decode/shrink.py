"""Decoding with Pillow, to no more pixels than what follows can use."""

import io
import math
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from gapscope.decode.color import to_srgb
from gapscope.decode.jpeg import jpeg_quality
from gapscope.decode.numpy_image import FORMAT, MAGIC, open_numpy
from gapscope.sources.entry import Box
from gapscope.sources.formats import formats_for
from gapscope.sources.rejects import Rejected

KEPT: float = 2
"""Pixels that are left per pixel that is wanted, in either direction, so that resizing decides what is seen."""

# Neither a palette's numbers nor colours under transparency have a mean that means anything.
_HAVE_MEANS = ("RGB", "L", "CMYK")

# Pillow's own guard would only warn up to twice its limit; ours is exact and comes before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True)
class Target:
    """What is wanted of an image, and what it may cost.

    Attributes:
        size: side in pixels of what it becomes.
        fit: `crop`, `stretch` or `pad`, as in `Preprocess`; `inside` keeps the aspect ratio.
        max_pixels: larger images are rejected.
        thumbnail: longest side in pixels of a small picture of the whole image that comes along; 0 for none.
    """

    size: int
    fit: Literal["crop", "stretch", "pad", "inside"]
    max_pixels: int
    thumbnail: int = 0


@dataclass(frozen=True)
class Shrunk:
    """A decoded image, still larger than wanted.

    Attributes:
        pixels: (height, width, 3) uint8, sRGB, upright; at most `2 * KEPT * size` in either direction unless the
            image is very thin.
        bytes: length of the encoded image.
        format: Pillow's name of the file's format.
        width: width of the original in pixels, upright.
        height: height likewise.
        jpeg_quality: estimate of the quality that a JPEG was saved with; None for other formats.
        thumbnail: (height, width, 3) uint8, sRGB, the whole image; None where none was asked for.
    """

    pixels: NDArray[np.uint8]
    bytes: int
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    thumbnail: NDArray[np.uint8] | None = None


def shrink(data: bytes, target: Target, box: Box | None = None) -> Shrunk:
    """Decode one image, or the part of it in `box`.

    JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where that leaves `KEPT` times what is wanted, and what is
    still larger is averaged down by whole factors; both are low-pass filters of their own (Wallace 1992, scaled DCT).

    Raises:
        Rejected: the bytes are no image, are damaged, or hold more than `target.max_pixels` pixels.
    """
    if not data:
        raise Rejected("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings(action="ignore"):
            return _shrunk(data, target, box)
    except UnidentifiedImageError as error:
        raise Rejected("not-an-image", "no decoder knows these bytes") from error
    except Rejected:
        raise
    except MemoryError as error:
        raise Rejected("too-large", "decoding it takes more memory than a decoder is given") from error
    # Decoders raise nearly anything on hostile bytes (struct.error, KeyError, zlib.error, ...).
    except Exception as error:
        raise Rejected("broken", f"the {_kind(data)} decoder fails: {str(error) or type(error).__name__}") from error


def _shrunk(data: bytes, target: Target, box: Box | None) -> Shrunk:
    with _opened(data, target.max_pixels) as image:
        name, quality = image.format or FORMAT, jpeg_quality(getattr(image, "quantization", None))
        whole = image.size
        meant = whole if box is None else (box[2], box[3])
        wanted = _wanted((int(meant[0]), int(meant[1])), target)
        share = max(wanted[0] / max(meant[0], 1), wanted[1] / max(meant[1], 1))
        if share < 1:
            image.draft("RGB", (math.ceil(whole[0] * share), math.ceil(whole[1] * share)))
        image.load()
        scale = (image.width / whole[0], image.height / whole[1])
        part: Image.Image = image if box is None else image.crop(_edges(box, scale, image.size))
        across = part.width
        ImageOps.exif_transpose(part, in_place=True)
        turned = part.width != across
        thumbnail = _thumbnail(part, target) if target.thumbnail else None
        if target.fit == "crop":
            part = _centre(part)
        pixels = np.asarray(_small_srgb(part, target))
    left, top, right, bottom = (0, 0, *whole) if box is None else _edges(box, (1.0, 1.0), whole)
    width, height = (bottom - top, right - left) if turned else (right - left, bottom - top)
    return Shrunk(pixels, len(data), name, width, height, quality, thumbnail)


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    image = open_numpy(data) if data.startswith(MAGIC) else Image.open(io.BytesIO(data), formats=formats_for(data))
    if image.width * image.height > max_pixels:
        raise Rejected(
            "too-large", f"{image.width} x {image.height} pixels are more than the {max_pixels:,} of max_pixels"
        )
    return image


def _kind(data: bytes) -> str:
    if data.startswith(MAGIC):
        return FORMAT
    # It failed before; how it is called is all that is asked.
    with (
        warnings.catch_warnings(action="ignore"),
        suppress(Exception),
        Image.open(io.BytesIO(data), formats=formats_for(data)) as image,
    ):
        return image.format or "image"
    return "image"


def _wanted(size: tuple[int, int], target: Target) -> tuple[float, float]:
    """Return the least width and height that an image of `size` may be decoded to."""
    width, height = max(size[0], 1), max(size[1], 1)
    most = KEPT * target.size
    if target.fit == "stretch":
        return most, most
    share = most / (min(width, height) if target.fit == "crop" else max(width, height))
    return width * share, height * share


def _small_srgb(image: Image.Image, target: Target) -> Image.Image:
    wanted = _wanted(image.size, target)
    across, down = (max(1, int(length / least)) for length, least in zip(image.size, wanted, strict=True))
    if across == down == 1:
        return to_srgb(image)
    if image.mode in _HAVE_MEANS and not image.has_transparency_data:
        return to_srgb(image.reduce((across, down)))
    return to_srgb(image).reduce((across, down))


def _thumbnail(image: Image.Image, target: Target) -> NDArray[np.uint8]:
    side = target.thumbnail
    small = _small_srgb(image, Target(side, "inside", target.max_pixels))
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return np.asarray(small)


def _centre(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image if image.width == image.height else image.crop((left, top, left + side, top + side))


def _edges(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, width, height = box
    edges = (
        max(0, math.floor(left * scale[0])),
        max(0, math.floor(top * scale[1])),
        min(size[0], math.ceil((left + width) * scale[0])),
        min(size[1], math.ceil((top + height) * scale[1])),
    )
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise Rejected("bad-box", "the box lies outside the image, or is empty")
    return edges
