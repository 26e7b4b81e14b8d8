"""Decoding on the CPU with Pillow: any format, upright, over white, antialiased."""

import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from gapscope.decode.formats import FORMATS
from gapscope.decode.jpeg import jpeg_quality
from gapscope.rejects import Rejected
from gapscope.settings import Frame
from gapscope.sources.entry import Box

_BACKGROUND = (255, 255, 255, 255)
_PADDING = (128, 128, 128)

# Pillow's own guard would only warn up to twice its limit; ours is exact and comes before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True)
class Picture:
    """One decoded image.

    Attributes:
        pixels: (size, size, 3) uint8, sRGB.
        format: Pillow's name of the file's format, such as `JPEG`.
        width: width of the original in pixels, after its orientation tag was applied.
        height: height of the original in pixels, likewise.
        jpeg_quality: estimate of the quality that a JPEG was saved with, 1 to 100; None for other formats.
        mean: of red, green and blue in 0..255, over `pixels`.
        spread: standard deviation likewise.
    """

    pixels: NDArray[np.uint8]
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


def decode(data: bytes, frame: Frame, box: Box | None = None) -> Picture:
    """Decode one image, or the part of it in `box`, and bring it into `frame`.

    Orientation tags are applied, transparency lies over white, an animation gives its first frame, and resizing is
    bicubic with antialiasing, since aliasing alone changes features (Parmar et al., "On Aliased Resizing", CVPR 2022).

    Raises:
        Rejected: the bytes are no image, are damaged, or hold more than `frame.max_pixels` pixels.
    """
    image, original = _open(data, frame.max_pixels, box)
    square = _into(image, frame)
    mean, spread = _moments(square)
    return Picture(
        pixels=np.asarray(square),
        format=original.format or "unknown",
        width=image.width,
        height=image.height,
        jpeg_quality=jpeg_quality(getattr(original, "quantization", None)),
        mean=mean,
        spread=spread,
    )


def thumbnail(data: bytes, side: int, max_pixels: int, box: Box | None = None) -> Image.Image:
    """Decode one image, or the part of it in `box`, to an RGB picture of at most `side` x `side` that keeps its aspect.

    Raises:
        Rejected: as `decode`.
    """
    image, _ = _open(data, max_pixels, box, about=side)
    return _contained(image, side)


def _open(data: bytes, max_pixels: int, box: Box | None, about: int | None = None) -> tuple[Image.Image, Image.Image]:
    if not data:
        raise Rejected("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > max_pixels:
                    raise Rejected(
                        "too-large",
                        f"{image.width} x {image.height} pixels are more than the {max_pixels:,} of --max-pixels",
                    )
                if about is not None and box is None:
                    image.draft("RGB", (2 * about, 2 * about))
                image.load()
                meant = image if box is None else _cropped(image, box)
                return _rgb(ImageOps.exif_transpose(meant)), image
    except UnidentifiedImageError as error:
        raise Rejected("not-an-image", "no decoder knows these bytes") from error
    except Rejected:
        raise
    # Decoders raise nearly anything on hostile bytes (struct.error, KeyError, zlib.error, MemoryError, ...).
    except Exception as error:
        raise Rejected("broken", f"the {_kind(data)} decoder fails: {str(error) or type(error).__name__}") from error


def _cropped(image: Image.Image, box: Box) -> Image.Image:
    left, top, width, height = box
    edges = (
        max(0, math.floor(left)),
        max(0, math.floor(top)),
        min(image.width, math.ceil(left + width)),
        min(image.height, math.ceil(top + height)),
    )
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise Rejected("bad-box", "the box lies outside the image, or is empty")
    return image.crop(edges)


def _moments(image: Image.Image) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    counts = np.array(image.histogram(), np.float64).reshape(3, 256) / (image.width * image.height)
    values = np.arange(256)
    mean = counts @ values
    spread = np.sqrt(np.maximum(counts @ values**2 - mean**2, 0))
    return (mean[0], mean[1], mean[2]), (spread[0], spread[1], spread[2])


def _kind(data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return image.format or "image"
    except Exception:
        return "image"


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, _BACKGROUND), layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns nearly every 16-bit image white.
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    top = float(values.max(initial=0.0))
    full = 1.0 if top <= 1.0 and image.mode == "F" else 255.0 if top <= 255.0 and image.mode != "I;16" else 65535.0
    return Image.fromarray((np.clip(values / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def _into(image: Image.Image, frame: Frame) -> Image.Image:
    square = (frame.size, frame.size)
    if frame.fit == "stretch":
        return image.resize(square, Image.Resampling.BICUBIC)
    if frame.fit == "pad":
        inner = _contained(image, frame.size)
        padded = Image.new("RGB", square, _PADDING)
        padded.paste(inner, ((frame.size - inner.width) // 2, (frame.size - inner.height) // 2))
        return padded
    return ImageOps.fit(image, square, Image.Resampling.BICUBIC)


def _contained(image: Image.Image, side: int) -> Image.Image:
    # ImageOps.contain fails where a very thin image would round to no pixels at all.
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)
