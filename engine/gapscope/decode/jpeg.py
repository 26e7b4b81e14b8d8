"""Estimating the quality that a JPEG was saved with from its quantization tables."""

from collections.abc import Mapping, Sequence

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
    total = sum(next(iter(tables.values())))
    return min(_TABLE_SUMS, key=lambda quality: abs(_TABLE_SUMS[quality] - total))
