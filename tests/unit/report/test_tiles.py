from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gapscope.errors import SourceError
from gapscope.progress import Silent
from gapscope.rejects import Rejected
from gapscope.report import tiles
from gapscope.report.places import Places
from gapscope.report.sample import Chosen
from gapscope.report.tiles import sheets, write_tiles
from gapscope.run import Run
from gapscope.settings import Frame
from gapscope.sources import Entry


class Paint:
    """A source whose image's name is its colour and size."""

    def read(self, entry: Entry) -> bytes:
        if entry.uri == "gone":
            raise Rejected("missing", "there is no such file")
        red, green, blue, width, height = map(int, entry.uri.split())
        return b"P6 %d %d 255\n" % (width, height) + bytes([red, green, blue]) * (width * height)


class Painted:
    frame = Frame(size=64)

    def __init__(self, uris: list[str]) -> None:
        self.uris = uris

    def entries(self, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
        return [Entry(self.uris[row]) for row in rows]

    def source(self, dataset: str) -> Paint:
        if dataset == "moved":
            raise SourceError("dataset moved: there is no folder")
        return Paint()


def page(uris: list[str], dataset: str = "painted") -> tuple[Run, Places, Chosen]:
    count = len(uris)
    where = Places(
        datasets=(dataset,),
        dataset=np.zeros(count, np.int32),
        row=np.arange(count),
        uri=np.array(uris, dtype=object),
        points={},
        clusters={},
    )
    # Backwards, so that the page's order is not the dataset's.
    image = np.arange(count)[::-1]
    chosen = Chosen(image=image, drawn=np.ones(count, bool), outliers=0, outliers_drawn=0)
    return cast("Run", Painted(uris)), where, chosen


def colors(count: int) -> list[tuple[int, int, int]]:
    return [(at % 7 * 40, at % 5 * 60, at % 11 * 23) for at in range(count)]


def test_each_tile_shows_its_own_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LARGE_IMAGES", 70)
    paints = colors(400)
    run, where, chosen = page([f"{r} {g} {b} 80 40" for r, g, b in paints])
    sizes = write_tiles(run, where, chosen, tmp_path, Silent())
    found = 0
    for sheet in sheets(400):
        with Image.open(tmp_path / "tiles" / sheet.name) as picture:
            for image in range(sheet.start, sheet.stop):
                left, top = sheet.corner(image)
                width, height = map(int, sizes[image])
                assert (width, height) == (sheet.side, sheet.side // 2)
                seen = np.asarray(picture.convert("RGB"), int)[top + height // 2, left + width // 2]
                assert np.abs(seen - paints[chosen.image[image]]).max() < 12
                found += 1
    assert found == 400


def test_an_image_that_cannot_be_read_any_more_is_a_grey_tile(tmp_path: Path) -> None:
    run, where, chosen = page(["255 0 0 30 30", "gone", "0 0 255 30 30"])
    sizes = write_tiles(run, where, chosen, tmp_path, Silent())
    assert sizes.tolist() == [[160, 160], [0, 0], [160, 160]]
    with Image.open(tmp_path / "tiles" / "large-0000.webp") as picture:
        assert np.abs(np.asarray(picture.convert("RGB"), int)[80, 240] - 128).max() < 12


def test_a_source_that_has_moved_away_leaves_the_page_without_pictures(tmp_path: Path) -> None:
    run, where, chosen = page(["255 0 0 30 30"], dataset="moved")
    assert write_tiles(run, where, chosen, tmp_path, Silent()).tolist() == [[0, 0]]


def test_a_very_thin_image_keeps_its_shape(tmp_path: Path) -> None:
    run, where, chosen = page(["255 0 0 2000 1"])
    assert write_tiles(run, where, chosen, tmp_path, Silent()).tolist() == [[160, 1]]


@pytest.mark.parametrize("count", [0, 1, 64, 65, 4096, 4097, 60_000])
def test_sheets_hold_every_image_once(count: int) -> None:
    numbers = [image for sheet in sheets(count) for image in range(sheet.start, sheet.stop)]
    assert numbers == list(range(count))
