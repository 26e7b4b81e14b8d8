"""What Pillow lacks for TIFFs of more than 8 bits per channel: byte orders, separate planes and a few types.

Pillow would take swapped bytes or half of a value for a picture.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image, TiffImagePlugin

BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262
_COMPRESSION, _ORIENTATION, _SAMPLES_PER_PIXEL, _PREDICTOR = 259, 274, 277, 317
_PLANES, _SAMPLE_FORMAT, _EXTRA_SAMPLES = 284, 339, 338
_OFFSETS, _BYTE_COUNTS = (273, 324), (279, 325)
_KEPT = (256, 257, BITS_PER_SAMPLE, _COMPRESSION, 266, _ORIENTATION, 278, _PREDICTOR, 322, 323)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_SEPARATE, _SIGNED, _PREMULTIPLIED = 2, 2, 1
_LONG = 4

# These kinds of values Pillow can unpack, but it does not know them in a TIFF.
for _key, _modes in {
    (b"MM", _WHITE_IS_ZERO, (1,), 1, (16,), ()): ("I;16B", "I;16B"),
    (b"MM", _BLACK_IS_ZERO, (1,), 1, (32,), ()): ("I", "I;32B"),
    (b"II", _BLACK_IS_ZERO, (3,), 1, (64,), ()): ("F", "F;64F"),
    (b"MM", _BLACK_IS_ZERO, (3,), 1, (64,), ()): ("F", "F;64BF"),
}.items():
    TiffImagePlugin.OPEN_INFO.setdefault(_key, _modes)

_NATIVE = {
    f"{kind}{order}{suffix}": f"{kind}N{suffix}"
    for kind, suffix in (("F;32", "F"), ("F;64", "F"), ("I;32", "S"), ("I;16", "S"), ("I;32", ""))
    for order in ("", "B")
}


def tags_of(image: Image.Image) -> Mapping[int, Any]:
    """Return the tags of a TIFF's first page; none of other files."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tags


def integer_kind(image: Image.Image) -> str:
    """Return what the values of an image in mode `I` are, such as `int16`."""
    tags = tags_of(image)
    bits = tags.get(BITS_PER_SAMPLE, (32,))[0]
    signed = not tags or tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED
    return f"int{bits}" if signed else f"uint{bits}"


def unpack_natively(image: Image.Image) -> None:
    """Have the values of a compressed TIFF unpacked in the machine's byte order, in which libtiff returns them."""
    tiles: list[Any] = getattr(image, "tile", [])
    if [tile[0] for tile in tiles] == ["libtiff"]:
        raw_mode, *others = tiles[0].args
        tiles[0] = tiles[0]._replace(args=(_NATIVE.get(raw_mode, raw_mode), *others))


def has_deep_planes(image: Image.Image) -> bool:
    """Tell whether a TIFF holds RGB of 16 bits, and each color in a plane of its own."""
    tags = tags_of(image)
    deep = set(tags.get(BITS_PER_SAMPLE, ())) == {16} and image.mode in ("RGB", "RGBA")
    return deep and (tags.get(_PLANES), tags.get(PHOTOMETRIC)) == (_SEPARATE, _RGB)


def is_premultiplied(image: Image.Image) -> bool:
    """Tell whether a TIFF's colors are multiplied by its alpha channel."""
    return _PREMULTIPLIED in tags_of(image).get(_EXTRA_SAMPLES, ())


def plane_files(image: Image.Image, data: bytes) -> Iterator[bytes]:
    """Yield every plane of a TIFF, which has its channels in separate planes, as a gray TIFF.

    Args:
        image: as Pillow opened it.
        data: the file that it was opened from.
    """
    for plane in range(len(image.getbands())):
        yield _plane_file(tags_of(image), data, plane)


def _plane_file(tags: Mapping[int, Any], data: bytes, plane: int) -> bytes:
    values = {tag: _longs(tags[tag])[:1] for tag in _KEPT if tag in tags}
    values |= {PHOTOMETRIC: (_BLACK_IS_ZERO,), _SAMPLES_PER_PIXEL: (1,)}
    samples = int(tags[_SAMPLES_PER_PIXEL])
    for tag in (*_OFFSETS, *_BYTE_COUNTS):
        if tag in tags:
            every = _longs(tags[tag])
            values[tag] = every[plane * len(every) // samples : (plane + 1) * len(every) // samples]
    order = "<" if data.startswith(b"II") else ">"
    data += b"\0" * (len(data) % 2)
    behind = len(data) + 2 + 12 * len(values) + 4
    entries, arrays = struct.pack(f"{order}H", len(values)), b""
    for tag, numbers in sorted(values.items()):
        packed = struct.pack(f"{order}{len(numbers)}L", *numbers)
        if len(numbers) > 1:
            packed, arrays = struct.pack(f"{order}L", behind + len(arrays)), arrays + packed
        entries += struct.pack(f"{order}HHL", tag, _LONG, len(numbers)) + packed.ljust(4, b"\0")
    # The pixels stay where they are; the new directory comes behind them, also of a BigTIFF.
    header = data[:2] + struct.pack(f"{order}HL", 42, len(data))
    return b"".join([header, data[8:], entries, bytes(4), arrays])


def _longs(value: Any) -> tuple[int, ...]:
    return tuple(int(each) for each in value) if isinstance(value, tuple) else (int(value),)
