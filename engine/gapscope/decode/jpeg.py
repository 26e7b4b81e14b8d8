"""What the header of a JPEG gives away."""

from collections.abc import Mapping, Sequence

_EXAMPLE_SUM = 3688
"""Of the luminance table in Annex K of ITU-T T.81, which libjpeg calls quality 50."""


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """Estimate the quality, 1 to 100, that the luminance quantisation table stands for in the scale of libjpeg.

    libjpeg multiplies the example table of the standard by 50 / quality below 50, else by 2 - quality / 50. Tables of
    other programs get the quality of that scale whose table is as coarse as theirs.
    """
    if not tables:
        return None
    scale = sum(next(iter(tables.values()))) / _EXAMPLE_SUM
    quality = 50 / scale if scale > 1 else 100 - 50 * scale
    return min(100, max(1, round(quality)))
