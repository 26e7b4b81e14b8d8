import io
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gapscope.errors import SourceError
from gapscope.progress import Silent
from gapscope.report import tiles
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.report.tiles import sheets, write_tiles
from gapscope.settings import Thumbnails
from gapscope.sources import Entry
from gapscope.sources.rejects import Rejected
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore


class Paint:
    """A source whose image's name is its color and size."""

    def read(self, entry: Entry) -> bytes:
        if entry.uri == "gone":
            raise Rejected("missing", "there is no such file")
        red, green, blue, width, height = map(int, entry.uri.split())
        return b"P6 %d %d 255\n" % (width, height) + bytes([red, green, blue]) * (width * height)


class PaintedRun:
    """Stands for a run whose images are those of `Paint`, and which has kept some thumbnails."""

    def __init__(self, uris: list[str]) -> None:
        self.uris = uris
        self.kept: dict[int, bytes] = {}
        self.record = RunRecord.of_embeddings({}, {}, block_rows=1)
        config = self.record.config
        self.record.config = replace(config, embed=replace(config.embed, max_pixels=10**6))

    def open_source(self, dataset: str) -> Paint:
        if dataset == "moved":
            raise SourceError("dataset moved: there is no folder")
        return Paint()


@pytest.fixture(autouse=True)
def painted_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def entries(run: PaintedRun, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
        return [Entry(run.uris[row]) for row in rows]

    def thumbnails(run: PaintedRun, dataset: str, rows: NDArray[np.int64]) -> dict[int, bytes]:
        return {row: run.kept[row] for row in rows.tolist() if row in run.kept}

    monkeypatch.setattr(tiles, "read_entries", entries)
    monkeypatch.setattr(tiles, "read_thumbnails", thumbnails)


def page(uris: list[str], dataset: str = "painted") -> tuple[RunStore, PointIndex, Selection]:
    count = len(uris)
    index = PointIndex(
        datasets=(dataset,),
        dataset=np.zeros(count, np.int16),
        row=np.arange(count),
        hash=np.arange(count, dtype=np.uint64),
    )
    # Backwards, so that the page's order is not the dataset's.
    image = np.arange(count)[::-1]
    selection = Selection(image=image, drawn=np.ones(count, bool), important=1, outliers=0, outliers_drawn=0)
    return cast("RunStore", PaintedRun(uris)), index, selection


def colors(count: int) -> list[tuple[int, int, int]]:
    return [(number % 7 * 40, number % 5 * 60, number % 11 * 23) for number in range(count)]


def test_each_tile_shows_its_own_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LARGE_IMAGES", 70)
    paints = colors(400)
    run, index, selection = page([f"{r} {g} {b} 80 40" for r, g, b in paints])
    sizes = write_tiles(run, index, selection, "drawn", tmp_path, Silent()).sizes
    count = 0
    for sheet in sheets(400):
        with Image.open(tmp_path / "tiles" / sheet.name) as picture:
            for image in range(sheet.start, sheet.stop):
                left, top = sheet.corner(image)
                width, height = map(int, sizes[image])
                assert (width, height) == (sheet.side, sheet.side // 2)
                seen = np.asarray(picture.convert("RGB"), int)[top + height // 2, left + width // 2]
                assert np.abs(seen - paints[selection.image[image]]).max() < 12
                count += 1
    assert count == 400


def test_an_image_that_cannot_be_read_any_more_is_a_gray_tile(tmp_path: Path) -> None:
    run, index, selection = page(["255 0 0 30 30", "gone", "0 0 255 30 30"])
    written = write_tiles(run, index, selection, "drawn", tmp_path, Silent())
    assert (written.images, written.wanted) == (2, 3)
    assert written.sizes.tolist() == [[160, 160], [0, 0], [160, 160]]
    with Image.open(tmp_path / "tiles" / "large-0000.jpg") as picture:
        assert np.abs(np.asarray(picture.convert("RGB"), int)[80, 240] - 128).max() < 12


def test_a_source_that_has_moved_away_leaves_the_page_without_pictures(tmp_path: Path) -> None:
    run, index, selection = page(["255 0 0 30 30"], dataset="moved")
    assert write_tiles(run, index, selection, "drawn", tmp_path, Silent()).sizes.tolist() == [[0, 0]]


def test_a_very_thin_image_keeps_its_shape(tmp_path: Path) -> None:
    run, index, selection = page(["255 0 0 2000 1"])
    assert write_tiles(run, index, selection, "drawn", tmp_path, Silent()).sizes.tolist() == [[160, 1]]


@pytest.mark.parametrize("count", [0, 1, 64, 65, 4096, 4097, 60_000])
def test_sheets_hold_every_image_once(count: int) -> None:
    numbers = [image for sheet in sheets(count) for image in range(sheet.start, sheet.stop)]
    assert numbers == list(range(count))


def test_pictures_that_the_run_has_kept_are_not_decoded_again(tmp_path: Path) -> None:
    run, index, selection = page(["255 0 0 30 30", "gone"])
    kept = io.BytesIO()
    Image.new("RGB", (120, 160), (0, 0, 255)).save(kept, "JPEG")
    cast("PaintedRun", run).kept[1] = kept.getvalue()
    written = write_tiles(run, index, selection, "drawn", tmp_path, Silent())
    assert written.sizes.tolist() == [[120, 160], [160, 160]]
    with Image.open(tmp_path / "tiles" / "large-0000.jpg") as picture:
        assert np.abs(np.asarray(picture.convert("RGB"), int)[80, 60] - (0, 0, 255)).max() < 12


@pytest.mark.parametrize(("which", "images"), [("off", 0), ("outliers", 1), ("drawn", 3)])
def test_no_more_pictures_than_asked_for(tmp_path: Path, which: Thumbnails, images: int) -> None:
    run, index, selection = page(["255 0 0 30 30"] * 3)
    written = write_tiles(run, index, selection, which, tmp_path, Silent())
    assert (written.images, written.wanted) == (images, images)
    assert np.count_nonzero(written.sizes[:, 0]) == images
    assert written.bytes == sum(path.stat().st_size for path in (tmp_path / "tiles").iterdir())


def test_all_pictures_together_have_a_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, index, selection = page([f"{r} {g} {b} 80 40" for r, g, b in colors(200)])
    for name in ("all", "some"):
        (tmp_path / name).mkdir()
    cap = write_tiles(run, index, selection, "drawn", tmp_path / "all", Silent()).bytes - 1
    monkeypatch.setattr(tiles, "MAX_BYTES", cap)
    written = write_tiles(run, index, selection, "drawn", tmp_path / "some", Silent())
    assert 0 < written.images < written.wanted == 200
    assert written.bytes <= cap
    assert written.sizes[written.images :].max() == 0
