"""TIFFs of more than 8 bits, however their numbers are laid out, look like their 8-bit twins."""

import struct
import zlib
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from gapscope.decode.picture import decode
from gapscope.decode.shrink import Target, look_at
from gapscope.decode.value_range import settle_ranges
from gapscope.settings import Preprocess

SIZE = 64
DEFLATE, PLAIN = 8, 1
SHORT, LONG = 3, 4


def tiff(
    values: NDArray[Any],
    *,
    big_endian: bool = False,
    compression: int = PLAIN,
    separate: bool = False,
    rows: int = SIZE,
    big: bool = False,
    tags: dict[int, int] | None = None,
) -> bytes:
    """Write a TIFF of (SIZE, SIZE) or (SIZE, SIZE, channels) values in strips of `rows` rows."""
    order: Literal["<", ">"] = ">" if big_endian else "<"
    stored = np.atleast_3d(values).astype(values.dtype.newbyteorder(order))
    channels, bits = stored.shape[2], 8 * stored.dtype.itemsize
    planes = [stored[..., each] for each in range(channels)] if separate else [stored]
    strips = [plane[top : top + rows].tobytes() for plane in planes for top in range(0, SIZE, rows)]
    strips = [zlib.compress(strip) for strip in strips] if compression == DEFLATE else strips
    start, offsets = 16 if big else 8, []
    for strip in strips:
        offsets.append(start)
        start += len(strip)
    fields: dict[int, list[int]] = {
        256: [SIZE],
        257: [SIZE],
        258: [bits] * channels,
        259: [compression],
        262: [2 if channels > 1 else 1],
        273: offsets,
        277: [channels],
        278: [rows],
        279: [len(strip) for strip in strips],
        284: [2 if separate else 1],
        339: [{"u": 1, "i": 2, "f": 3}[values.dtype.kind]] * channels,
    }
    fields |= {tag: [value] for tag, value in (tags or {}).items()}
    count, long, room = ("Q", "Q", 8) if big else ("H", "L", 4)
    behind = start + struct.calcsize(f"={count}") + (4 + 2 * room) * len(fields) + room
    entries, arrays = struct.pack(f"{order}{count}", len(fields)), b""
    for tag, numbers in sorted(fields.items()):
        kind, letter = (LONG, "L") if tag in (273, 279) else (SHORT, "H")
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(packed) > room:
            packed, arrays = struct.pack(f"{order}{long}", behind + len(arrays)), arrays + packed
        entries += struct.pack(f"{order}HH{long}", tag, kind, len(numbers)) + packed.ljust(room, b"\0")
    mark = b"MM" if big_endian else b"II"
    header = mark + (struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HL", 42, start))
    return b"".join([header, *strips, entries, bytes(room), arrays])


def unit(channels: int = 1) -> NDArray[np.float64]:
    across, down = np.meshgrid(np.linspace(0, 1, SIZE), np.linspace(0, 1, SIZE))
    gray = np.clip(across * 0.7 + np.sin(down * 9) * 0.4, 0, 1)
    return gray if channels == 1 else np.stack([gray, gray[::-1], gray.T, np.ones_like(gray)], axis=2)[..., :channels]


def error(data: bytes, expected: NDArray[np.float64]) -> float:
    look = look_at(data, Target(SIZE, "crop", 10**8))
    assert look is not None
    pixels = decode(data, replace(Preprocess(size=SIZE), value_ranges=settle_ranges([look]))).pixels
    wanted = np.repeat(expected[..., None], 3, axis=2) if expected.ndim == 2 else expected[..., :3]
    return float(np.abs(pixels - wanted * 255).max())


LAYOUTS = list(product([False, True], [PLAIN, DEFLATE], [SIZE, 24]))


@pytest.mark.parametrize(("big_endian", "compression", "rows"), LAYOUTS)
def test_colors_keep_their_low_bytes(big_endian: bool, compression: int, rows: int) -> None:
    # Pillow knows no BigTIFF in big-endian order.
    for channels, separate, big in product([3, 4], [False, True], {False, not big_endian}):
        values = (unit(channels) * 1023).round().astype(np.uint16)
        if channels == 4:
            values[..., 3] = 65535
        data = tiff(values, big_endian=big_endian, compression=compression, rows=rows, separate=separate, big=big)
        assert error(data, unit(3)) <= 1, (channels, separate, big)


@pytest.mark.parametrize(("big_endian", "compression", "rows"), LAYOUTS)
@pytest.mark.parametrize(
    ("dtype", "top"),
    [("int16", 4095), ("uint16", 4095), ("int32", 65535), ("uint32", 4095), ("float32", 1), ("float64", 255)],
)
def test_grays_are_read_in_their_own_byte_order(
    dtype: str, top: float, big_endian: bool, compression: int, rows: int
) -> None:
    values = (unit() * top).astype(dtype)
    data = tiff(values, big_endian=big_endian, compression=compression, rows=rows)
    assert error(data, values / top) <= 1


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("compression", [PLAIN, DEFLATE])
def test_the_smallest_number_may_be_white_in_either_byte_order(compression: int, big_endian: bool) -> None:
    for values in ((unit() * 4095).astype(np.uint16), unit().astype(np.float32)):
        data = tiff(values, big_endian=big_endian, compression=compression, tags={262: 0})
        assert error(data, 1 - unit()) <= 1


def test_premultiplied_colors_are_divided_by_their_alpha() -> None:
    alpha = 40_000
    values = (unit(4) * alpha).astype(np.uint16)
    data = tiff(values, tags={338: 1})
    flat = unit(3) * alpha / 65535 + 1 - alpha / 65535
    assert error(data, flat) <= 1.5
    values[..., 3] = 0
    assert error(tiff(values, tags={338: 1}), unit(3) * alpha / 65535) <= 1


def test_unsigned_numbers_may_fill_32_bits() -> None:
    assert error(tiff((unit() * (2**32 - 1)).astype(np.uint32)), unit()) <= 9


def test_the_lowest_signed_number_is_outside_of_the_picture() -> None:
    values = (unit() * 3000 - 1000).astype(np.int16)
    values[:8] = np.iinfo(np.int16).min
    look = look_at(tiff(values), Target(SIZE, "crop", 10**8))
    assert look is not None
    assert settle_ranges([look])[0].low >= -1300
