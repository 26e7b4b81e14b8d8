"""JPEGs: decoding one without passing over its damage, and estimating the quality that it was saved with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray

# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
"""The example table in Annex K of ITU-T T.81, which is libjpeg's table for quality 50."""
# fmt: on


def _table_sum(quality: int) -> int:
    """Return the sum of libjpeg's luminance table for a quality (its jcparam.c, jpeg_quality_scaling)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((value * percent + 50) // 100, 1), 255) for value in _LUMINANCE)


_TABLE_SUMS = {quality: _table_sum(quality) for quality in range(1, 101)}


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """Estimate the quality, 1 to 100, at which libjpeg's luminance table is as coarse as that of a file.

    The estimate is exact for files that libjpeg saved, except for the lowest qualities, whose tables are nearly the
    same. For programs that use other tables it is the quality that comes closest.

    Args:
        tables: the quantization tables, luminance first, as Pillow's `quantization` attribute has them.

    Returns:
        The quality; None without tables.

    Example:
        >>> jpeg_quality({0: _LUMINANCE}), jpeg_quality(None)
        (50, None)
    """
    if not tables:
        return None
    return _closest_quality(sum(next(iter(tables.values()))))


# The photographs of a dataset share a few tables.
@lru_cache(maxsize=1024)
def _closest_quality(table_sum: int) -> int:
    return min(_TABLE_SUMS, key=lambda quality: abs(_TABLE_SUMS[quality] - table_sum))


@dataclass(frozen=True)
class JpegPixels:
    """A decoded JPEG.

    Attributes:
        pixels: (height, width, 1 or 3) uint8, gray or RGB, as stored.
        damage: what the decoder warned of, in libjpeg's words; empty for an intact file.
    """

    pixels: NDArray[np.uint8]
    damage: str


# libjpeg tells its first warning alone. These are of what lies around the picture, which may be intact: metadata,
# tables, a profile. So is a missing end marker, which cameras that stream leave out.
_AROUND = re.compile(r"bad ICC marker|extraneous bytes before marker 0x(?:e[0-9a-f]|fe|db|dd|c[0-35-9a-f])")
_NO_END = "Premature end of JPEG file"
_END = b"\xff\xd9"
_ATTEMPTS = 3


def decode_jpeg(data: bytes, size: tuple[int, int], *, gray: bool, reduction: int) -> JpegPixels | None:
    """Decode a gray or YCbCr JPEG at a fraction of its size.

    libjpeg-turbo, which Pillow decodes with as well, goes on after damage and makes up what is missing. Pillow does not
    tell; this does.

    Args:
        data: the file.
        size: its width and height in pixels.
        gray: whether it has one channel.
        reduction: 1, 2, 4 or 8; the image is decoded at that fraction of its size (Wallace 1992, scaled DCT).

    Returns:
        The pixels; None if this decoder cannot read the file at all.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (160, 120)).save(file, "JPEG")
        >>> image = decode_jpeg(file.getvalue(), (160, 120), gray=False, reduction=2)
        >>> image.pixels.shape, image.damage
        ((60, 80, 3), '')
        >>> decode_jpeg(file.getvalue()[:-40], (160, 120), gray=False, reduction=2).damage
        'Corrupt JPEG data: premature end of data segment'
    """
    width, height = (0, 0) if reduction == 1 else (-(-size[0] // reduction), -(-size[1] // reduction))
    options = {"colorspace": "GRAY" if gray else "RGB", "min_width": width, "min_height": height}
    attempt, damage = data, ""
    for _ in range(_ATTEMPTS):
        try:
            return JpegPixels(simplejpeg.decode_jpeg(attempt, strict=True, **options), "")
        except ValueError as error:
            damage = str(error)
        if _AROUND.search(damage):
            attempt = _without_surroundings(attempt)
        elif damage == _NO_END:
            attempt += _END
        else:
            break
    try:
        return JpegPixels(simplejpeg.decode_jpeg(attempt, strict=False, **options), damage)
    except ValueError:
        return None


def _without_surroundings(data: bytes) -> bytes:
    """Return a file without metadata, and without bytes between the segments before its first scan."""
    kept, position = [data[:2]], 2
    while position + 4 <= len(data):
        if data[position] != 0xFF or data[position + 1] in (0x00, 0xFF):
            position += 1
            continue
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == 0xDA:
            break
        # Adobe's segment says how colors are stored.
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker == 0xEE:
            kept.append(data[position : position + 2 + length])
        position += 2 + length
    return b"".join([*kept, data[position:]])


def jpeg_damage(data: bytes, size: tuple[int, int]) -> str:
    """Return what libjpeg warns of when it decodes a JPEG, of any colors; empty for an intact file.

    It reads all of the file, but computes few pixels.

    Args:
        data: the file.
        size: its width and height in pixels.
    """
    decoded = decode_jpeg(data, size, gray=True, reduction=8)
    return "" if decoded is None else decoded.damage
