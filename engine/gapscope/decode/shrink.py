"""Decoding with Pillow to no more pixels than the next step can use ("shrink on load")."""

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

OVERSAMPLING: float = 2
"""Pixels that are kept per pixel of the target, in either direction, so that the last resize decides the result."""

# In other modes a mean has no meaning: it would mix the indices of a palette, or colors under transparency.
_AVERAGING_MODES = ("RGB", "L", "CMYK")

# Pillow's own limit only warns up to twice its value. Ours is exact, and is checked before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True)
class Target:
    """The size that an image is decoded for, and the largest image that may be decoded.

    Attributes:
        size: side in pixels of the square that the image becomes.
        fit: `crop`, `stretch` or `pad`, as in `Preprocess`; `inside` keeps the aspect ratio.
        max_pixels: larger images are rejected.
        thumbnail: longest side in pixels of a thumbnail; 0 for none.
    """

    size: int
    fit: Literal["crop", "stretch", "pad", "inside"]
    max_pixels: int
    thumbnail: int = 0


@dataclass(frozen=True)
class ShrunkImage:
    """A decoded image, still larger than its target.

    Attributes:
        pixels: (height, width, 3) uint8, sRGB, upright; at most `2 * OVERSAMPLING * size` in either direction unless
            the image is very thin.
        bytes: length of the encoded image.
        format: Pillow's name of the file's format.
        width: width in pixels of the original, upright; of the box if there is one.
        height: height in pixels, likewise.
        jpeg_quality: estimate of the quality that a JPEG was saved with; None for other formats.
        thumbnail: (height, width, 3) uint8, sRGB, the decoded part at a small size, not cropped to the target's square;
            None if none was requested.
    """

    pixels: NDArray[np.uint8]
    bytes: int
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    thumbnail: NDArray[np.uint8] | None = None


def shrink_on_load(data: bytes, target: Target, box: Box | None = None) -> ShrunkImage:
    """Decode one image, or the part of it in `box`.

    JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where that leaves `OVERSAMPLING` times the target. Images that
    are still larger are averaged down by whole factors. Both act as low-pass filters (Wallace 1992, scaled DCT).

    Raises:
        Rejected: the bytes are not an image, are damaged, or hold more than `target.max_pixels` pixels.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4000, 3000)).save(file, "JPEG")
        >>> image = shrink_on_load(file.getvalue(), Target(size=224, fit="stretch", max_pixels=10**8))
        >>> image.pixels.shape, (image.width, image.height)
        ((750, 500, 3), (4000, 3000))
    """
    if not data:
        raise Rejected("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings(action="ignore"):
            return _decode(data, target, box)
    except UnidentifiedImageError as error:
        raise Rejected("not-an-image", "no decoder knows these bytes") from error
    except Rejected:
        raise
    except MemoryError as error:
        raise Rejected("too-large", "decoding it takes more memory than a decoder is given") from error
    # Decoders raise nearly any exception on hostile bytes (struct.error, KeyError, zlib.error, ...).
    except Exception as error:
        raise Rejected(
            "broken", f"the {_format_name(data)} decoder fails: {str(error) or type(error).__name__}"
        ) from error


def _decode(data: bytes, target: Target, box: Box | None) -> ShrunkImage:
    with _open(data, target.max_pixels) as image:
        name, quality = image.format or FORMAT, jpeg_quality(getattr(image, "quantization", None))
        full_size = image.size
        part_width, part_height = full_size if box is None else (box[2], box[3])
        min_size = _min_size((int(part_width), int(part_height)), target)
        scale = max(min_size[0] / max(part_width, 1), min_size[1] / max(part_height, 1))
        if scale < 1:
            image.draft("RGB", (math.ceil(full_size[0] * scale), math.ceil(full_size[1] * scale)))
        image.load()
        draft_scale = (image.width / full_size[0], image.height / full_size[1])
        part: Image.Image = image if box is None else image.crop(_edges(box, draft_scale, image.size))
        stored_width = part.width
        ImageOps.exif_transpose(part, in_place=True)
        transposed = part.width != stored_width
        thumbnail = _thumbnail(part, target) if target.thumbnail else None
        if target.fit == "crop":
            part = _center_crop(part)
        pixels = np.asarray(_reduce_to_srgb(part, target))
    left, top, right, bottom = (0, 0, *full_size) if box is None else _edges(box, (1.0, 1.0), full_size)
    width, height = (bottom - top, right - left) if transposed else (right - left, bottom - top)
    return ShrunkImage(pixels, len(data), name, width, height, quality, thumbnail)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    image = open_numpy(data) if data.startswith(MAGIC) else Image.open(io.BytesIO(data), formats=formats_for(data))
    if image.width * image.height > max_pixels:
        raise Rejected(
            "too-large", f"{image.width} x {image.height} pixels are more than the {max_pixels:,} of max_pixels"
        )
    return image


def _format_name(data: bytes) -> str:
    if data.startswith(MAGIC):
        return FORMAT
    # Decoding has failed already: only the name of the format is needed.
    with (
        warnings.catch_warnings(action="ignore"),
        suppress(Exception),
        Image.open(io.BytesIO(data), formats=formats_for(data)) as image,
    ):
        return image.format or "image"
    return "image"


def _min_size(size: tuple[int, int], target: Target) -> tuple[float, float]:
    """Return the least width and height to which an image of `size` may be reduced."""
    width, height = max(size[0], 1), max(size[1], 1)
    min_side = OVERSAMPLING * target.size
    if target.fit == "stretch":
        return min_side, min_side
    scale = min_side / (min(width, height) if target.fit == "crop" else max(width, height))
    return width * scale, height * scale


def _reduce_to_srgb(image: Image.Image, target: Target) -> Image.Image:
    min_size = _min_size(image.size, target)
    factors = [max(1, int(length / min_length)) for length, min_length in zip(image.size, min_size, strict=True)]
    if factors == [1, 1]:
        return to_srgb(image)
    if image.mode in _AVERAGING_MODES and not image.has_transparency_data:
        return to_srgb(image.reduce((factors[0], factors[1])))
    return to_srgb(image).reduce((factors[0], factors[1]))


def _thumbnail(image: Image.Image, target: Target) -> NDArray[np.uint8]:
    side = target.thumbnail
    thumbnail = _reduce_to_srgb(image, Target(side, "inside", target.max_pixels))
    thumbnail.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return np.asarray(thumbnail)


def _center_crop(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image if image.width == image.height else image.crop((left, top, left + side, top + side))


def _edges(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a box in an image of `size` that was scaled by `scale`."""
    left, top, width, height = box[:4]
    edges = (
        max(0, math.floor(left * scale[0])),
        max(0, math.floor(top * scale[1])),
        min(size[0], math.ceil((left + width) * scale[0])),
        min(size[1], math.ceil((top + height) * scale[1])),
    )
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise Rejected("bad-box", "the box lies outside the image, or is empty")
    return edges
