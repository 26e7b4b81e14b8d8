"""Thumbnails of the images on the page, laid out on sheets that a browser loads one at a time."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode.children import thumbnail_in_subprocess
from gapscope.errors import SourceError
from gapscope.progress import Progress
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.settings import Thumbnails
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.sources.vectors.dataset import has_images
from gapscope.store.index import read_entries
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import read_thumbnails

LARGE_IMAGES = 4096
"""This many of the most important images get large tiles; the others' are small, to keep the report's size down."""

LARGE_SIDE, LARGE_ACROSS = 160, 8
SMALL_SIDE, SMALL_ACROSS = 64, 16

MAX_BYTES = 250_000_000
"""Of all sheets together, so that a report can still be copied and mailed around."""

_GRAY = (128, 128, 128)


@dataclass(frozen=True)
class Sheet:
    """A square picture that holds the tiles of consecutive images, row by row from the top left.

    Attributes:
        name: the file's name.
        start: number of the first image on it.
        stop: one past the number of the last.
        side: width and height of a tile, in pixels.
        across: tiles per row.
    """

    name: str
    start: int
    stop: int
    side: int
    across: int

    def corner(self, image: int) -> tuple[int, int]:
        """Return left and top of an image's tile, in pixels."""
        row, column = divmod(image - self.start, self.across)
        return column * self.side, row * self.side


def sheets(images: int) -> Iterator[Sheet]:
    """Yield the sheets that `images` images need, in order."""
    for kind, start, stop, side, across in (
        ("large", 0, min(LARGE_IMAGES, images), LARGE_SIDE, LARGE_ACROSS),
        ("small", LARGE_IMAGES, images, SMALL_SIDE, SMALL_ACROSS),
    ):
        for number, first in enumerate(range(start, stop, across * across)):
            yield Sheet(f"{kind}-{number:04d}.jpg", first, min(first + across * across, stop), side, across)


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """What was written.

    Attributes:
        sizes: (n, 2) uint8 width and height of each picture in the top left of its tile; 0 x 0 where there is none.
        sheets: the sheets, in order.
        images: images that have a picture.
        wanted: images that were to have one.
        bytes: size of all sheets together.
    """

    sizes: NDArray[np.uint8]
    sheets: list[Sheet]
    images: int
    wanted: int
    bytes: int


def write_tiles(
    run: RunStore, index: PointIndex, selection: Selection, thumbnails: Thumbnails, folder: Path, progress: Progress
) -> Tiles:
    """Write the sheets into `folder`/tiles.

    Pictures come from the run, which keeps those that were made while embedding; what it lacks is decoded from its
    source. Where a sheet would take all of them past `MAX_BYTES`, it and the less important ones are left out.
    """
    wanted = _wanted(selection, thumbnails)
    sizes = np.zeros((len(selection.image), 2), dtype=np.uint8)
    (folder / "tiles").mkdir()
    if not wanted:
        return Tiles(sizes=sizes, sheets=[], images=0, wanted=0, bytes=0)
    pictures = Pictures(run, index, selection.image[:wanted], progress)
    written: list[Sheet] = []
    total = 0
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count()) as threads,
        progress.task("thumbnails", wanted, "image") as task,
    ):
        for sheet in sheets(wanted):
            data = _sheet(sheet, threads.map(pictures.of, range(sheet.start, sheet.stop), repeat(sheet.side)), sizes)
            if total + len(data) > MAX_BYTES:
                sizes[sheet.start :] = 0
                break
            (folder / "tiles" / sheet.name).write_bytes(data)
            written.append(sheet)
            total += len(data)
            count = sheet.stop - sheet.start
            expected = sum(map(pictures.expects, range(sheet.start, sheet.stop)))
            task.advance(count, rejected=expected - int(np.count_nonzero(sizes[sheet.start : sheet.stop, 0])))
    images = int(np.count_nonzero(sizes[:, 0]))
    progress.note(f"thumbnails: {images:,} of {wanted:,} images, {total / 1e6:.1f} MB")
    return Tiles(sizes=sizes, sheets=written, images=images, wanted=wanted, bytes=total)


def _wanted(selection: Selection, thumbnails: Thumbnails) -> int:
    return {"off": 0, "outliers": selection.important, "drawn": len(selection.image)}[thumbnails]


def _sheet(sheet: Sheet, pictures: Iterable[Image.Image | None], sizes: NDArray[np.uint8]) -> bytes:
    """Return a sheet's file, and note the pictures' sizes."""
    rows = math.ceil((sheet.stop - sheet.start) / sheet.across)
    canvas = Image.new("RGB", (sheet.across * sheet.side, rows * sheet.side), _GRAY)
    for image, picture in zip(range(sheet.start, sheet.stop), pictures, strict=True):
        if picture is not None:
            canvas.paste(picture, sheet.corner(image))
            sizes[image] = picture.size
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=80, optimize=True)
    return file.getvalue()


class Pictures:
    """Where each picture comes from; `of` may be called from several threads."""

    def __init__(self, run: RunStore, index: PointIndex, images: NDArray[np.int64], progress: Progress) -> None:
        """Look for the pictures of some images, given as positions in `index`."""
        self._sources: dict[str, Source | None] = {}
        self._preprocess = {name: run.record.preprocess(name) for name in index.datasets}
        self._without: set[str] = set()
        self._kept: dict[int, bytes] = {}
        self._entries: dict[int, tuple[str, Entry]] = {}
        for dataset, name in enumerate(index.datasets):
            numbers = np.flatnonzero(index.dataset[images] == dataset).tolist()
            rows = index.row[images[numbers]]
            kept = read_thumbnails(run, name, rows)
            self._kept |= {number: kept[row] for number, row in zip(numbers, rows.tolist(), strict=True) if row in kept}
            missing = [number for number in numbers if number not in self._kept]
            if missing:
                self._sources[name] = source = _source(run, name, progress)
                if source is not None and not has_images(source):
                    self._without.add(name)
                entries = read_entries(run, name, index.row[images[missing]])
                self._entries |= {number: (name, entry) for number, entry in zip(missing, entries, strict=True)}

    def expects(self, image: int) -> bool:
        """Return whether the image that came `image`-th should have a picture; a vector without an image has none."""
        return image in self._kept or self._entries[image][0] not in self._without

    def of(self, image: int, side: int) -> Image.Image | None:
        """Return the picture of the image that came `image`-th, at most `side` x `side`; None where there is none."""
        try:
            if image in self._kept:
                return _small(self._kept[image], side)
            name, entry = self._entries[image]
            source = self._sources[name]
            if source is None:
                return None
            pixels = thumbnail_in_subprocess(source.read(entry), side, self._preprocess[name], entry.box)
            return Image.fromarray(pixels)
        except Rejected:
            return None


def _small(kept: bytes, side: int) -> Image.Image | None:
    # No stranger's file: the run encoded it itself, from pixels.
    try:
        with Image.open(io.BytesIO(kept), formats=["JPEG"]) as image:
            image.draft("RGB", (side, side))
            image.thumbnail((side, side), Image.Resampling.BICUBIC)
            return image.convert("RGB")
    except OSError:
        return None


def _source(run: RunStore, dataset: str, progress: Progress) -> Source | None:
    try:
        return run.open_source(dataset)
    except SourceError as error:
        # A report can be made again after its images have moved away; it then has everything but pictures.
        progress.note(f"no thumbnails of {dataset}: {error}")
        return None
