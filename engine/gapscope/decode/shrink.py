"""Decoding with Pillow to no more pixels than the next step can use ("shrink on load")."""

import io
import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from gapscope.decode.color import flatten, is_srgb, to_srgb
from gapscope.decode.cutout import draw_outline
from gapscope.decode.deep import COLOR_KIND, DeepPixels, deep_kind, read_deep, to_8_bits, turns_white_black
from gapscope.decode.jpeg import decode_jpeg, jpeg_damage, jpeg_quality
from gapscope.decode.numpy_image import FORMAT, MAGIC, open_numpy
from gapscope.decode.value_range import ValueSample, range_of, sample_values, usual_range
from gapscope.settings import ValueRange
from gapscope.sources.entry import Box
from gapscope.sources.formats import formats_for
from gapscope.sources.rejects import Rejected

Result = TypeVar("Result")

OVERSAMPLING: float = 2
"""Pixels that are kept per pixel of the target, in either direction, so that the last resize decides the result."""

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of an EXIF orientation upright (Exif 2.32, tag 0x0112)."""
_JPEG_FORMATS = ("JPEG", "MPO")
_JPEG_MODES = ("L", "RGB")

# In other modes a mean has no meaning: it would mix the indices of a palette.
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
        keep_damaged: whether JPEGs that are damaged inside are decoded.
        value_ranges: as in `Preprocess`.
        background: as in `Preprocess`.
    """

    size: int
    fit: Literal["crop", "stretch", "pad", "inside"]
    max_pixels: int
    thumbnail: int = 0
    keep_damaged: bool = False
    value_ranges: tuple[ValueRange, ...] | None = None
    background: tuple[int, int, int] | None = None


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
        damage: what the decoder of a damaged JPEG warned of; empty for an intact image.
    """

    pixels: NDArray[np.uint8]
    bytes: int
    format: str
    width: int
    height: int
    jpeg_quality: int | None
    thumbnail: NDArray[np.uint8] | None = None
    damage: str = ""


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
    return _with_reasons(data, lambda: _decode(data, target, box))


def look_at(data: bytes, target: Target) -> ValueSample | None:
    """Return some of an image's values; None, after reading the header alone, if they have 8 bits.

    Raises:
        Rejected: as `shrink_on_load`, as far as the header tells.
    """
    return _with_reasons(data, lambda: _look(data, target))


def _look(data: bytes, target: Target) -> ValueSample | None:
    if data.startswith(MAGIC):
        array = open_numpy(data)
        return sample_values(array) if isinstance(array, DeepPixels) else None
    with Image.open(io.BytesIO(data), formats=formats_for(data)) as opened:
        _check_size(opened.width, opened.height, target)
        kind = deep_kind(opened)
        return None if kind is None else sample_values(read_deep(opened, data, kind))


def _with_reasons(data: bytes, read: Callable[[], Result]) -> Result:
    """Return what a decoder returns; raise `Rejected` for whatever it raises."""
    if not data:
        raise Rejected("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings(action="ignore"):
            return read()
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
    if data.startswith(MAGIC):
        array = open_numpy(data)
        _check_size(array.width, array.height, target)
        image = array if isinstance(array, Image.Image) else _by_range(array, target)
        return _shrink(_Loaded(lambda: image, FORMAT, image.size), len(data), target, box)
    with Image.open(io.BytesIO(data), formats=formats_for(data)) as opened:
        _check_size(opened.width, opened.height, target)
        return _shrink(_load(opened, data, target, box), len(data), target, box)


@dataclass(frozen=True)
class _Loaded:
    """A decoded image of 8 bits.

    Attributes:
        image: makes the image as it is stored; its own EXIF data turns it upright.
        format: Pillow's name of the file's format.
        size: width and height of the file's own pixels, which `image` may have fewer of.
        jpeg_quality: as in `ShrunkImage`.
        damage: as in `ShrunkImage`.
        turned: EXIF orientation by which Pillow has turned it already.
        pixels: (height, width, 3) what `image` is in the end, where it need not be turned or converted: going through a
            Pillow image costs a small photograph more than its decoding.
    """

    image: Callable[[], Image.Image]
    format: str
    size: tuple[int, int]
    jpeg_quality: int | None = None
    damage: str = ""
    turned: int = 1
    pixels: NDArray[np.uint8] | None = None


def _shrink(loaded: _Loaded, length: int, target: Target, box: Box | None) -> ShrunkImage:
    if loaded.pixels is not None and box is None:
        square = _central_square(loaded.pixels) if target.fit == "crop" else loaded.pixels
        if _factors((square.shape[1], square.shape[0]), target) == (1, 1):
            thumbnail = _thumbnail(loaded.image(), target) if target.thumbnail else None
            return ShrunkImage(
                square, length, loaded.format, *loaded.size, loaded.jpeg_quality, thumbnail, loaded.damage
            )
    image = loaded.image()
    width, height = loaded.size
    orientation = _orientation(image)
    turned = orientation if orientation > 1 else loaded.turned
    if orientation > 1:
        image = image.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    image = flatten(image)
    part = image
    if box is not None:
        upright = _upright_box(box, (width, height), turned)
        scale = image.width / width, image.height / height
        edges = _edges(upright, scale, image.size)
        part = image.crop(edges)
        if box.outline is not None and target.background is not None:
            turn = _stored_turn(box, (width, height), turned)
            inside = draw_outline(box.outline, edges, scale, _UPRIGHT.get(turn), (width, height))
            part = Image.composite(to_srgb(part), Image.new("RGB", part.size, target.background), inside)
        left, top, right, bottom = _edges(upright, (1.0, 1.0), (width, height))
        width, height = right - left, bottom - top
    thumbnail = _thumbnail(part, target) if target.thumbnail else None
    if target.fit == "crop":
        part = _center_crop(part)
    pixels = np.asarray(_reduce_to_srgb(part, target))
    return ShrunkImage(pixels, length, loaded.format, width, height, loaded.jpeg_quality, thumbnail, loaded.damage)


def _upright_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Return a box in the upright image, also where it was measured in the image as it is stored."""
    turn = _stored_turn(box, size, orientation)
    if turn == 1:
        return box
    width, height = size
    # Left and top of the stored image are top and left of the upright one, or bottom and right.
    left = box.top if turn in (5, 8) else width - box.top - box.height
    top = box.left if turn in (5, 6) else height - box.left - box.width
    return Box(left, top, box.height, box.width)


def _stored_turn(box: Box, size: tuple[int, int], orientation: int) -> int:
    """Return the EXIF orientation by which what was measured in the stored image must be turned; 1 for none."""
    width, height = size
    measured_in = (box.image_width, box.image_height)
    turned = orientation in range(5, 9) and measured_in == (height, width) and measured_in != size
    return orientation if turned else 1


def _load(opened: ImageFile.ImageFile, data: bytes, target: Target, box: Box | None) -> _Loaded:
    """Decode an image to 8 bits."""
    name, size = opened.format or "", opened.size
    if name in _JPEG_FORMATS:
        return _load_jpeg(opened, data, target, _reduction(size, target, box))
    turned = _orientation(opened) if name == "TIFF" and box is not None else 1
    kind = deep_kind(opened)
    if kind is None:
        if turns_white_black(opened, data):
            raise Rejected(
                "broken",
                "the JPEG2000 decoder turns white into black in colors of more than 8 bits: convert to PNG or TIFF",
            )
        opened.load()
        return _Loaded(lambda: opened, name, size, turned=turned)
    image = _by_range(read_deep(opened, data, kind), target)
    # Of a profile for gray nothing is left in a range of its own.
    kept = ("exif", "xmp", "icc_profile") if kind == COLOR_KIND else ("exif", "xmp")
    image.info = {key: opened.info[key] for key in kept if key in opened.info}
    return _Loaded(lambda: image, name, size, turned=turned)


def _load_jpeg(opened: ImageFile.ImageFile, data: bytes, target: Target, reduction: int) -> _Loaded:
    size, mode = opened.size, opened.mode
    quality = jpeg_quality(getattr(opened, "quantization", None))
    decoded = decode_jpeg(data, size, gray=mode == "L", reduction=reduction) if mode in _JPEG_MODES else None
    damage = decoded.damage if decoded is not None else jpeg_damage(data, size)
    if damage and not target.keep_damaged:
        raise Rejected("damaged", f"the JPEG is damaged inside ({damage})")
    name = opened.format or ""
    if decoded is None:
        opened.draft("RGB", (-(-size[0] // reduction), -(-size[1] // reduction)))
        opened.load()
        return _Loaded(lambda: opened, name, size, quality, damage)
    pixels = decoded.pixels

    def image() -> Image.Image:
        stored = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
        # Its orientation and its color profile.
        stored.info = opened.info
        return stored

    as_seen = np.broadcast_to(pixels, (*pixels.shape[:2], 3)) if _is_as_seen(opened) else None
    return _Loaded(image, name, size, quality, damage, pixels=as_seen)


def _is_as_seen(image: Image.Image) -> bool:
    """Tell whether the pixels of a JPEG need neither be turned nor be converted to sRGB."""
    profile = image.info.get("icc_profile") or b""
    return _orientation(image) == 1 and (not profile or is_srgb(profile, image.mode))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none, or none that can be read."""
    # Pillow raises nearly any exception on broken metadata, but only when they are read for the first time.
    with suppress(Exception):
        orientation = image.getexif().get(_ORIENTATION)
        if orientation in _UPRIGHT:
            return int(orientation)
    return 1


def _reduction(size: tuple[int, int], target: Target, box: Box | None) -> int:
    """Return by which of libjpeg's factors an image can be decoded smaller."""
    # The sides of a box may be those of the upright or of the stored image: swapping both changes nothing here.
    part = size if box is None else (max(int(box.width), 1), max(int(box.height), 1))
    least = _min_size(part, target)
    scale = max(least[0] / max(part[0], 1), least[1] / max(part[1], 1))
    return max((each for each in (1, 2, 4, 8) if each * scale <= 1), default=1)


def _by_range(pixels: DeepPixels, target: Target) -> Image.Image:
    """Return deep pixels in 8 bits, by the range of their dataset if that is known."""
    if target.value_ranges is None:
        return to_8_bits(pixels, usual_range(pixels))
    value_range = range_of(pixels.kind, target.value_ranges)
    if value_range is None:
        raise Rejected(
            "no-range",
            f"no image that settled the dataset's value range has {pixels.kind} values: name the range",
        )
    return to_8_bits(pixels, value_range)


def _check_size(width: int, height: int, target: Target) -> None:
    if width * height > target.max_pixels:
        raise Rejected("too-large", f"{width} x {height} pixels are more than the {target.max_pixels:,} of max_pixels")


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
    factors = _factors(image.size, target)
    if factors == (1, 1):
        return to_srgb(image)
    if image.mode in _AVERAGING_MODES:
        return to_srgb(image.reduce(factors))
    return to_srgb(image).reduce(factors)


def _factors(size: tuple[int, int], target: Target) -> tuple[int, int]:
    """Return by which whole factors an image can be averaged down."""
    least = _min_size(size, target)
    return max(1, int(size[0] / least[0])), max(1, int(size[1] / least[1]))


def _thumbnail(image: Image.Image, target: Target) -> NDArray[np.uint8]:
    side = target.thumbnail
    thumbnail = _reduce_to_srgb(image, Target(side, "inside", target.max_pixels))
    thumbnail.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return np.asarray(thumbnail)


def _center_crop(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image if image.width == image.height else image.crop((left, top, left + side, top + side))


def _central_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return pixels[top : top + side, left : left + side]


def _edges(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a box in an image of `size` that was scaled by `scale`."""
    left, top, width, height, *_ = box
    edges = (
        max(0, math.floor(left * scale[0])),
        max(0, math.floor(top * scale[1])),
        min(size[0], math.ceil((left + width) * scale[0])),
        min(size[1], math.ceil((top + height) * scale[1])),
    )
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise Rejected("bad-box", "the box lies outside the image, or is empty")
    return edges
