"""The masks that Label Studio's brush paints: runs of values in the four channels of an image, packed bit by bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gapscope.sources.annotations.shapes import MAX_MASK_PIXELS, RowRuns

_MAX_BYTES = 2**24
_HEADER_BITS = 32 + 5 + 4 * 4


def brush_runs(rle: Any, width: int, height: int) -> RowRuns:
    """Return the painted pixels of an image: those whose last channel, alpha, is above 0.

    The numbers are those of a bit stream (thi.ng's rle-pack): 32 bits for the number of values, 5 for the bits of a
    value less one, four times 4 for bits of a length less one. Then, until all values are there, one bit that tells a
    repeated value from a list of values, two that choose the bits of a length, the length less one, and the value or
    the values. Values are those of red, green, blue and alpha of each pixel by turns, along the rows.

    Args:
        rle: the bytes of the stream as a list of numbers.
        width: of the image in pixels.
        height: likewise.

    Raises:
        ValueError: the numbers are no such stream, or one of another image.

    Example:
        >>> values = "".join(f"1{1:02b}{length - 1:04b}{value:08b}" for value, length in ((0, 8), (255, 8)))
        >>> bits = f"{16:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}{values}00"
        >>> rle = [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]
        >>> brush_runs(rle, 2, 2).edges
        Edges(left=0, top=1, right=2, bottom=2)
    """
    if not (0 < width * height <= MAX_MASK_PIXELS):
        raise ValueError(f"its image is {width:,} x {height:,} pixels")
    if not isinstance(rle, list) or len(rle) > _MAX_BYTES or not all(type(value) is int for value in rle):
        raise ValueError("it is not a list of bytes")
    # Bytes of 48 and 49, which Python reads as digits.
    bits = (np.unpackbits(np.frombuffer(bytes(rle), np.uint8)) + 48).tobytes()
    starts, ends = list[int](), list[int]()
    for start, end in _painted(bits, 4 * width * height):
        if ends and start <= ends[-1]:
            ends[-1] = end
        else:
            starts.append(start)
            ends.append(end)
    return RowRuns(np.array(starts, np.int64), np.array(ends, np.int64), (0, 0, width, height))


def _painted(bits: bytes, n_values: int) -> Iterator[tuple[int, int]]:
    """Yield the first pixel, and the one behind the last, of every run of pixels whose alpha is above 0."""
    if len(bits) < _HEADER_BITS or int(bits[:32], 2) != n_values:
        raise ValueError(f"it does not hold the {n_values:,} values of its image")
    word = int(bits[32:37], 2) + 1
    lengths = [int(bits[place : place + 4], 2) + 1 for place in range(37, _HEADER_BITS, 4)]
    place, position = _HEADER_BITS, 0
    while position < n_values:
        repeated = bits[place : place + 1] == b"1"
        digits = lengths[int(bits[place + 1 : place + 3] or b"0", 2)]
        end = position + 1 + int(bits[place + 3 : place + 3 + digits] or b"0", 2)
        place += 3 + digits
        words = 1 if repeated else end - position
        if end > n_values or place + words * word > len(bits):
            raise ValueError("its runs do not end where its image does")
        if repeated:
            if int(bits[place : place + word], 2):
                # Pixel p has its alpha at 4 p + 3.
                yield position // 4, end // 4
        else:
            for value in range(position + (3 - position) % 4, end, 4):
                at = place + (value - position) * word
                if int(bits[at : at + word], 2):
                    yield value // 4, value // 4 + 1
        place += words * word
        position = end
