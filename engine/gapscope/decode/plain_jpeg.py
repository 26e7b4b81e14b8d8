"""Plain JPEGs: those that a decoder without color management decodes as Pillow does, and their EXIF orientation."""

import io
import warnings
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from gapscope.decode.color import is_srgb
from gapscope.decode.jpeg import jpeg_quality

_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_ADOBE_YCC = 1
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class PlainJpeg:
    """The header of a plain JPEG.

    Attributes:
        width: width in pixels, as stored.
        height: height in pixels, as stored.
        orientation: EXIF orientation, 1 to 8; 1 if there is none.
        jpeg_quality: estimate of the quality that the file was saved with.
    """

    width: int
    height: int
    orientation: int
    jpeg_quality: int | None


def looks_plain(data: bytes) -> bool:
    r"""Tell whether the bytes start as those of a JPEG and end as those of a complete one.

    Example:
        >>> looks_plain(b"\xff\xd8\xff...\xff\xd9"), looks_plain(b"\xff\xd8\xff...")
        (True, False)
    """
    return data.startswith(_START) and data.rstrip(b"\0").endswith(_END)


def plain_jpeg(data: bytes, max_pixels: int) -> PlainJpeg | None:
    """Return the header of a plain JPEG: 8 bits, gray or YCbCr, sRGB, and at most `max_pixels` pixels.

    Returns None for any other file, such as one with print colors, a wide gamut, or damage. Pillow in a decoder
    process handles all of these, or rejects the file with a reason. No pixel is decoded.
    """
    if not looks_plain(data):
        return None
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            profile = image.info.get("icc_profile") or b""
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
            plain = (
                image.format == "JPEG"
                and image.mode in ("L", "RGB")
                and image.info.get("adobe_transform", _ADOBE_YCC) == _ADOBE_YCC
                and image.width * image.height <= max_pixels
                and (not profile or is_srgb(profile, image.mode))
            )
            if not plain:
                return None
            valid_orientation = orientation if orientation in range(2, 9) else 1
            quality = jpeg_quality(getattr(image, "quantization", None))
            return PlainJpeg(image.width, image.height, valid_orientation, quality)
    # A file whose header makes Pillow fail is left to the decoder process on the CPU.
    except Exception:
        return None


def upright(pixels: Tensor, orientation: int) -> Tensor:
    """Apply the EXIF orientation to an image (Exif 2.32, tag 0x0112).

    Args:
        pixels: (height, width, 3), as stored.
        orientation: 1 to 8; other values leave the image unchanged.

    Returns:
        (height, width, 3), upright; height and width are swapped for orientations 5 to 8.

    Example:
        >>> upright(torch.zeros(90, 120, 3), orientation=6).shape
        torch.Size([120, 90, 3])
    """
    if orientation >= 5:
        pixels = pixels.transpose(0, 1)
    flipped_axes = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return torch.flip(pixels, flipped_axes) if flipped_axes else pixels
