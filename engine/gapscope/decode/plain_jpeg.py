"""Which JPEG files a decoder without colour management reads as Pillow does, and how they are turned upright."""

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


@dataclass(frozen=True)
class PlainJpeg:
    """What the header of a plain JPEG says.

    Attributes:
        width: in pixels, as stored.
        height: likewise.
        orientation: of the EXIF tag, 1 to 8; 1 where there is none.
        jpeg_quality: estimate of the quality that it was saved with.
    """

    width: int
    height: int
    orientation: int
    jpeg_quality: int | None


def looks_plain(data: bytes) -> bool:
    """Tell whether bytes begin like a JPEG and end like a whole one."""
    return data.startswith(_START) and data.rstrip(b"\0").endswith(_END)


def plain_jpeg(data: bytes, max_pixels: int) -> PlainJpeg | None:
    """Return what the header says of a JPEG of 8 bits that is grey or YCbCr, sRGB and of at most `max_pixels`.

    Anything else gives None, be it ink, a wide gamut, or damaged: it needs the decoder that knows all that, or rejects
    it with a reason. No pixel is decoded.
    """
    if not looks_plain(data):
        return None
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            profile = image.info.get("icc_profile") or b""
            orientation = image.getexif().get(0x0112, 1)
            plain = (
                image.format == "JPEG"
                and image.mode in ("L", "RGB")
                and image.info.get("adobe_transform", _ADOBE_YCC) == _ADOBE_YCC
                and image.width * image.height <= max_pixels
                and (not profile or is_srgb(profile, image.mode))
            )
            if not plain:
                return None
            turned = orientation if orientation in range(2, 9) else 1
            return PlainJpeg(image.width, image.height, turned, jpeg_quality(getattr(image, "quantization", None)))
    # A header that trips Pillow is for the process that may fall.
    except Exception:
        return None


def upright(pixels: Tensor, orientation: int) -> Tensor:
    """Turn an image (height, width, 3) as its EXIF orientation says (Exif 2.32, tag 0x0112)."""
    if orientation >= 5:
        pixels = pixels.transpose(0, 1)
    flipped = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return torch.flip(pixels, flipped) if flipped else pixels
