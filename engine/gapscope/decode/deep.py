"""Images whose values are not bytes: 16-bit gray and color, 32-bit integers and floats, from files and arrays.

Which value is black and which is white is settled once per dataset, in `gapscope.decode.value_range`. Here these
values are read at their full depth, and brought to 8 bits by a range.
"""

import io
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode.deep_tiff import (
    BITS_PER_SAMPLE,
    PHOTOMETRIC,
    has_deep_planes,
    integer_kind,
    is_premultiplied,
    plane_files,
    tags_of,
    unpack_natively,
)
from gapscope.settings import ValueRange

_GRAY_KINDS = {"I;16": "uint16", "I;16B": "uint16", "I;16L": "uint16", "I;16N": "uint16", "F": "float"}
COLOR_KIND = "uint16 color"
"""The kind of 16-bit files in color or with an alpha channel, whose range is seldom that of gray sensors."""

KINDS = frozenset({"float", COLOR_KIND, *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))})
"""Every kind of values."""

# Pillow keeps the high byte of 16-bit color. Unpacking in the other byte order keeps the low byte.
_LOW_BYTES = {
    f"{channels};16{order}": f"{channels};16{other}"
    for channels in ("RGB", "RGBA", "RGBX", "RGBa")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if np.little_endian else "L"))
}
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_RGBA = 6
_PNG_GRAY_ALPHA = "LA;16B"
_DEEP_RAW_MODES = frozenset({*_LOW_BYTES, _PNG_GRAY_ALPHA})
_STRIP_VALUES = 2**20
_FULL_16 = 65535


@dataclass(frozen=True)
class DeepPixels:
    """The values of an image at their full depth.

    Attributes:
        kind: what the values are, such as `uint16`; images of one kind share a range.
        values: (height, width) or (height, width, 1 to 4); two and four channels end with an alpha channel.
        declared: black and white by the file's own tags; None where they say nothing.
        white_is_zero: whether the file says that its smallest value is white.
        transparent: (height, width), where a color stands for transparency; None if none does.
    """

    kind: str
    values: NDArray[Any]
    declared: tuple[float, float] | None = None
    white_is_zero: bool = False
    transparent: NDArray[np.bool_] | None = None

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.values.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.values.shape[0])

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is an alpha channel."""
        return self.values.ndim == 3 and self.values.shape[2] in (2, 4)

    @property
    def color_values(self) -> NDArray[Any]:
        """The values without those of an alpha channel."""
        return self.values[..., :-1] if self.has_alpha else self.values


def deep_kind(image: Image.Image) -> str | None:
    """Return the kind of an image's values by its header alone; None for bytes.

    Example:
        >>> deep_kind(Image.new("I;16", (4, 4))), deep_kind(Image.new("RGB", (4, 4)))
        ('uint16', None)
    """
    if image.mode in _GRAY_KINDS:
        return _GRAY_KINDS[image.mode]
    if image.mode == "I":
        return integer_kind(image)
    if image.format == "PPM":
        is_binary = image.mode == "RGB" and _codec(image) == "ppm"
        return COLOR_KIND if is_binary and _ppm_maximum(image) > 255 else None
    if image.format not in ("PNG", "TIFF"):
        return None
    return COLOR_KIND if has_deep_planes(image) or _raw_mode(image) in _DEEP_RAW_MODES else None


def _codec(image: Image.Image) -> str:
    """Return Pillow's name of what decodes the pixels; empty if it is unknown."""
    tiles: list[Any] = getattr(image, "tile", [])
    return str(tiles[0][0]) if tiles else ""


def _ppm_maximum(image: Any) -> int:
    """Return the value that a PGM or PPM calls white; 0 where Pillow need not scale by it."""
    return 0 if _codec(image) in ("", "raw") else int(image.tile[0][3][-1])


def _raw_mode(image: Image.Image) -> str:
    """Return in Pillow's words how the pixels are stored."""
    found = set()
    for tile in getattr(image, "tile", []):
        arguments = tile[3]
        found.add(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)
    mode = found.pop() if len(found) == 1 else None
    return mode if isinstance(mode, str) else ""


def read_deep(image: Image.Image, data: bytes, kind: str) -> DeepPixels:
    """Return the values of an image, of which only the header has been read.

    Args:
        image: as Pillow opened it.
        data: the file that it was opened from.
        kind: what `deep_kind` returned.
    """
    declared, white_is_zero = _declared(image, data), tags_of(image).get(PHOTOMETRIC) == 0
    transparency = image.info.get("transparency")
    if kind != COLOR_KIND:
        # Pillow inverts files whose zero is white itself where they have 8 bits.
        unpack_natively(image)
        image.load()
        gray = np.asarray(image)
        gray = gray if kind == "float" else gray.astype(kind, copy=False)
        hidden = gray == transparency if isinstance(transparency, int) else None
        return DeepPixels(kind, gray, declared, white_is_zero, hidden)
    if has_deep_planes(image):
        color = _planes(image, data)
    elif image.format == "PPM":
        color = _ppm_color(image, data)
    else:
        color = _gray_alpha(data) if _raw_mode(image) == _PNG_GRAY_ALPHA else _color(image, data)
    if color.shape[2] == 4 and is_premultiplied(image):
        _divide_by_alpha(color)
    hidden = None
    if isinstance(transparency, tuple) and len(transparency) == color.shape[2]:
        hidden = (color == np.array(transparency, np.uint16)).all(axis=2)
    return DeepPixels(kind, color, declared, transparent=hidden)


def _color(image: Image.Image, data: bytes) -> NDArray[np.uint16]:
    stored = _raw_mode(image)
    values = _unpacked(image, stored).astype(np.uint16)
    values <<= 8
    with Image.open(io.BytesIO(data), formats=(image.format or "",)) as again:
        values |= _unpacked(again, _LOW_BYTES[stored])
    return values


def _ppm_color(image: Any, data: bytes) -> NDArray[np.uint16]:
    scale = np.arange(_FULL_16 + 1) * (_FULL_16 / _ppm_maximum(image))
    scaled = np.minimum(np.rint(scale), _FULL_16).astype(np.uint16)
    stored = np.frombuffer(data, ">u2", image.height * image.width * 3, image.tile[0][2])
    color: NDArray[np.uint16] = scaled[stored.reshape(image.height, image.width, 3)]
    return color


def _unpacked(image: Any, raw_mode: str) -> NDArray[np.uint8]:
    # As if it were not premultiplied: dividing what is only half of a value would be wrong.
    raw_mode = raw_mode.replace("RGBa", "RGBA")
    image.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in image.tile
    ]
    image.load()
    return np.asarray(image)


def _planes(image: Image.Image, data: bytes) -> NDArray[np.uint16]:
    planes = []
    for file in plane_files(image, data):
        with Image.open(io.BytesIO(file), formats=("TIFF",)) as plane:
            planes.append(np.asarray(plane).astype(np.uint16))
    return np.stack(planes, axis=2)


def _divide_by_alpha(color: NDArray[np.uint16]) -> None:
    rows = max(1, _STRIP_VALUES // color[0].size)
    for start in range(0, len(color), rows):
        strip = color[start : start + rows].astype(np.uint32)
        alpha = np.where(strip[..., 3:] == 0, _FULL_16, strip[..., 3:])
        color[start : start + rows, :, :3] = np.minimum(strip[..., :3] * _FULL_16 // alpha, _FULL_16)


def _gray_alpha(data: bytes) -> NDArray[np.uint16]:
    """Return gray and alpha of a 16-bit PNG: its bytes are those of an 8-bit PNG of four channels."""
    header = bytearray(data[8:33])
    header[16], header[17] = 8, _PNG_RGBA
    header[21:25] = struct.pack(">I", zlib.crc32(header[4:21]))
    with Image.open(io.BytesIO(data[:8] + bytes(header) + data[33:]), formats=("PNG",)) as image:
        pixels = np.asarray(image)
    return np.ascontiguousarray(pixels).view(">u2").astype(np.uint16)


def _declared(image: Image.Image, data: bytes) -> tuple[float, float] | None:
    """Return black and white by what a file says of itself (TIFF 6.0; PNG 11.3.2.5, sBIT)."""
    # Pillow scales these two by their own maximum to 16 bits. One of 16 bits says nothing: any writer fills it in.
    if image.format == "PPM":
        return (0.0, _FULL_16) if _ppm_maximum(image) not in (0, _FULL_16) else None
    if image.format == "JPEG2000":
        return (0.0, _FULL_16) if _jpeg_2000_bits(data) < 16 else None
    if image.format == "TIFF":
        return _declared_by_tiff(tags_of(image))
    if image.format == "PNG":
        bits = _significant_bits(data)
        return None if bits is None or bits >= 16 else (0.0, 2.0**bits - 1)
    return None


def _jpeg_2000_bits(data: bytes) -> int:
    size = _JPEG_2000_SIZE.search(data)
    return 0 if size is None else (size[1][0] & 0x7F) + 1


def turns_white_black(image: Image.Image, data: bytes) -> bool:
    """Tell whether Pillow would round the largest values of an image up to 256, which it writes as 0.

    It does with colors of more than 8 bits in JPEG 2000.
    """
    return image.format == "JPEG2000" and len(image.getbands()) > 1 and _jpeg_2000_bits(data) > 8


_JPEG_2000_SIZE = re.compile(rb"\xff\x4f\xff\x51.{38}(.)", re.DOTALL)
"""The start of a codestream, and the first channel's number of bits less one (ISO 15444-1, A.5.1)."""

_MIN_SAMPLE, _MAX_SAMPLE, _SMIN_SAMPLE, _SMAX_SAMPLE = 280, 281, 340, 341


def _declared_by_tiff(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    bits = _numbers(tags.get(BITS_PER_SAMPLE))
    low = min(_numbers(tags.get(_SMIN_SAMPLE)) or _numbers(tags.get(_MIN_SAMPLE)) or [0.0])
    high = max(_numbers(tags.get(_SMAX_SAMPLE)) or _numbers(tags.get(_MAX_SAMPLE)) or [0.0])
    if high > low and high not in (255.0, _FULL_16, 2.0**32 - 1, 2.0**31 - 1):
        return low, high
    return (0.0, 2.0 ** bits[0] - 1) if bits and bits[0] % 8 else None


def _numbers(tag: Any) -> list[float]:
    values = tag if isinstance(tag, tuple) else (tag,)
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return [number for number in numbers if np.isfinite(number)]


def _significant_bits(data: bytes) -> int | None:
    """Return the largest number of significant bits that a PNG names for a color; None if it names none."""
    position = len(_PNG_START)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"sBIT":
            return max(data[position + 8 : position + 8 + min(length, 3)], default=None)
        if name in (b"IDAT", b"PLTE"):
            return None
        position += 12 + length
    return None


def to_8_bits(pixels: DeepPixels, value_range: ValueRange) -> Image.Image:
    """Return an image of 8 bits: `low` becomes black and `high` white, what lies beyond is cut, and NaN is black.

    Example:
        >>> pixels = DeepPixels("uint16", np.array([[0, 2048, 4095, 9999]], np.uint16))
        >>> list(to_8_bits(pixels, ValueRange("uint16", 0, 4095)).tobytes())
        [0, 128, 255, 255]
    """
    low, high = value_range.low, value_range.high
    values = pixels.values[..., 0] if pixels.values.ndim == 3 and pixels.values.shape[2] == 1 else pixels.values
    bytes_ = _scaled(values, low, high)
    if pixels.has_alpha and pixels.kind == COLOR_KIND:
        # The alpha channel of a file spans 16 bits, or is written with as many bits as the colors.
        full = _FULL_16 if values[..., -1].max(initial=0) > high else high
        bytes_[..., -1] = _scaled(values[..., -1], 0.0, full)
    if pixels.white_is_zero:
        bytes_ = 255 - bytes_
    image = Image.fromarray(bytes_)
    if pixels.transparent is not None and not pixels.has_alpha:
        image = image.convert("RGB")
        image.putalpha(Image.fromarray(np.where(pixels.transparent, np.uint8(0), np.uint8(255))))
    return image


def _scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    if values.dtype.itemsize == 2 and values.dtype.kind in "iu":
        info = np.iinfo(values.dtype)
        table = _arithmetic(np.arange(info.min, info.max + 1, dtype=np.float32), low, high)
        # Negative indices count from the end of the table, which begins with zero here.
        table = np.roll(table, info.min)
        bytes_: NDArray[np.uint8] = table[values]
        return bytes_
    scaled = np.empty(values.shape, np.uint8)
    # In strips: a whole image of floats in between would take four to eight times its bytes.
    rows = max(1, _STRIP_VALUES // max(1, values[0].size))
    for start in range(0, len(values), rows):
        scaled[start : start + rows] = _arithmetic(values[start : start + rows], low, high)
    return scaled


def _arithmetic(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    exact: NDArray[Any] = values.astype(np.float32 if values.dtype in (np.float16, np.float32) else np.float64)
    with np.errstate(all="ignore"):
        scaled = (exact - low) * (255.0 / (high - low))
        scaled = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0.0, 255.0)
    rounded: NDArray[np.uint8] = (scaled + 0.5).astype(np.uint8)
    return rounded
