"""A kind in one picture: its typical images, and below each its nearest in the reference."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gapscope.report.palette import light
from gapscope.store.gaps import Gap
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import SIDE, read_thumbnails

_COLUMNS = 8
_GAP = 6
_MARGIN = 16
_CAPTION = 26
"""Height of a line of text, in pixels."""

_TEXT = 14
_DOT = 10
_GROUND, _CELL, _INK = "#FAFAF8", "#ECECE8", "#222222"
_QUALITY = 88


def contact_sheet(run: RunStore, gap: Gap) -> bytes | None:
    """Return a picture of a kind as JPEG, made of the run's thumbnails, or None where there are none of its images.

    It has up to eight columns. The upper row shows images of the kind, the most typical first; the lower row shows the
    nearest image of the reference to each. A cell stays empty where there is no nearest image, or no thumbnail of it.

    Args:
        run: the run on disk.
        gap: a kind of `read_gaps`.

    Example:
        >>> import gapscope
        >>> run = gapscope.open_run("runs/monday")
        >>> sheet = contact_sheet(run.store, run.gaps_record["kinds"][0])
        >>> Image.open(io.BytesIO(sheet)).height
        410
    """
    pictures = gap["pictures"][:_COLUMNS]
    upper = _thumbnails(run, gap["query"], [picture["row"] for picture in pictures])
    if not any(upper):
        return None
    lower = _thumbnails(run, gap["reference"], [picture["counterpart_row"] for picture in pictures])
    width = 2 * _MARGIN + len(pictures) * (SIDE + _GAP) - _GAP
    height = 2 * _MARGIN + 2 * (_CAPTION + SIDE) + _GAP
    sheet = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT)
    rows = ((gap["query"], gap["query"], upper), (gap["reference"], f"nearest in {gap['reference']}", lower))
    for number, (dataset, caption, cells) in enumerate(rows):
        top = _MARGIN + number * (_CAPTION + SIDE + _GAP)
        middle = top + (_CAPTION - _GAP) // 2
        dot = (_MARGIN, middle - _DOT // 2, _MARGIN + _DOT, middle + _DOT // 2)
        draw.ellipse(dot, fill=light(run.datasets.index(dataset)))
        draw.text((_MARGIN + _DOT + _GAP, middle), caption, fill=_INK, font=font, anchor="lm")
        for column, picture in enumerate(cells):
            left = _MARGIN + column * (SIDE + _GAP)
            _draw_cell(sheet, draw, left, top + _CAPTION, picture)
    data = io.BytesIO()
    # Without subsampling of color, captions and thin lines stay sharp.
    sheet.save(data, "JPEG", quality=_QUALITY, subsampling=0)
    return data.getvalue()


def _thumbnails(run: RunStore, dataset: str, rows: Sequence[int | None]) -> list[Image.Image | None]:
    """Return the thumbnail of each row; None where there is no row, or where its thumbnail is missing or damaged."""
    known = np.array([row for row in rows if row is not None], np.int64)
    data = read_thumbnails(run, dataset, known) if len(known) else {}
    return [None if row is None or row not in data else _picture(data[row]) for row in rows]


def _picture(jpeg: bytes) -> Image.Image | None:
    """Return a picture that a run holds, which may be somebody else's run, as far as it is a thumbnail."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            return picture.convert("RGB") if max(picture.size) <= SIDE else None
    except (OSError, SyntaxError):
        return None


def _draw_cell(sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, picture: Image.Image | None) -> None:
    draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), fill=_CELL)
    if picture is not None:
        scale = SIDE / max(picture.size)
        width, height = (max(1, round(scale * side)) for side in picture.size)
        enlarged = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(enlarged, (left + (SIDE - width) // 2, top + (SIDE - height) // 2))
