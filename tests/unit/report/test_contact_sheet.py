import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from trackers import make_run

from gapscope.report.contact_sheet import contact_sheet
from gapscope.run import Run
from gapscope.store.thumbnails import SIDE, write_thumbnails

RED, GREEN, BLUE = (200, 30, 30), (30, 170, 30), (30, 30, 200)


def jpeg(color: tuple[int, int, int], size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, "JPEG", quality=95)
    return data.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose first kind has the images 0 and 1 of `real`, both with the last image of `syn` as their nearest."""
    return make_run(tmp_path)


def pixels(sheet: bytes | None) -> NDArray[np.uint8]:
    assert sheet is not None
    with Image.open(io.BytesIO(sheet)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB"))


def middles(sheet: NDArray[np.uint8], columns: int) -> list[list[list[int]]]:
    """The colors in the middle of the cells, which fill the sheet evenly: a row of typical images, one of nearest."""
    width = sheet.shape[1] // columns
    upper, lower = sheet.shape[0] * 3 // 10, sheet.shape[0] * 3 // 4
    return [[sheet[row, width // 2 + column * width].tolist() for column in range(columns)] for row in (upper, lower)]


def test_typical_images_stand_above_their_nearest(run: Run) -> None:
    gap = run.gaps_record["kinds"][0]
    nearest = gap["pictures"][0]["counterpart_row"]
    assert nearest is not None
    write_thumbnails(run.store, "real", 0, {0: jpeg(RED), 1: jpeg(GREEN)})
    write_thumbnails(run.store, "syn", 0, {nearest: jpeg(BLUE)})
    cells = middles(pixels(contact_sheet(run.store, gap)), 2)
    assert np.abs(np.array(cells) - [[RED, GREEN], [BLUE, BLUE]]).max() < 8


def test_a_small_or_narrow_picture_is_shown_whole_in_a_cell_of_the_same_size(run: Run) -> None:
    gap = run.gaps_record["kinds"][0]
    write_thumbnails(run.store, "real", 0, {0: jpeg(RED, (40, 20)), 1: jpeg(GREEN, (20, 160))})
    sheet = pixels(contact_sheet(run.store, gap))
    write_thumbnails(run.store, "real", 0, {0: jpeg(RED), 1: jpeg(GREEN)})
    assert sheet.shape == pixels(contact_sheet(run.store, gap)).shape
    assert np.abs(np.array(middles(sheet, 2)[0]) - [RED, GREEN]).max() < 8


def test_a_thumbnail_that_is_missing_or_damaged_leaves_its_cell_empty(run: Run) -> None:
    gap = run.gaps_record["kinds"][0]
    # A run may be a stranger's: what is no thumbnail is not decoded.
    bomb = jpeg(BLUE, (4000, 4000))
    write_thumbnails(run.store, "real", 0, {0: jpeg(RED), 1: b"no JPEG"})
    write_thumbnails(run.store, "syn", 0, {gap["pictures"][0]["counterpart_row"] or 0: bomb})
    upper, lower = middles(pixels(contact_sheet(run.store, gap)), 2)
    assert min(upper[1]) > 200
    assert min(min(cell) for cell in lower) > 200


def test_without_thumbnails_there_is_no_sheet(run: Run) -> None:
    gap = run.gaps_record["kinds"][0]
    assert contact_sheet(run.store, gap) is None
    write_thumbnails(run.store, "syn", 0, {gap["pictures"][0]["counterpart_row"] or 0: jpeg(BLUE)})
    assert contact_sheet(run.store, gap) is None
