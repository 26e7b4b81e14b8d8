"""Thumbnails of the images on the page, laid out on sheets that a browser loads one at a time."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode.children import thumbnail_apart
from gapscope.errors import SourceError
from gapscope.progress import Progress
from gapscope.rejects import Rejected
from gapscope.report.places import Places
from gapscope.report.sample import Chosen
from gapscope.run import Run
from gapscope.sources import Entry, Source

LARGE_IMAGES = 4096
"""This many of the most important images get large tiles; the others' are small, to keep the report's size down."""

LARGE_SIDE, LARGE_ACROSS = 160, 8
SMALL_SIDE, SMALL_ACROSS = 64, 16

_GREY = (128, 128, 128)


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
            yield Sheet(f"{kind}-{number:04d}.webp", first, min(first + across * across, stop), side, across)


def write_tiles(run: Run, places: Places, chosen: Chosen, folder: Path, progress: Progress) -> NDArray[np.uint8]:
    """Write the sheets into `folder`/tiles.

    Returns:
        (n, 2) width and height of each picture in the top left of its tile; 0 x 0 where an image could not be read
        any more, whose tile is grey.
    """
    sources = [_source(run, name, progress) for name in places.datasets]
    entries, max_pixels = _entries(run, places, chosen), run.frame.max_pixels
    sizes = np.zeros((len(chosen.image), 2), dtype=np.uint8)
    (folder / "tiles").mkdir()

    def picture(image: int, side: int) -> Image.Image | None:
        source, entry = sources[places.dataset[chosen.image[image]]], entries[image]
        if source is None:
            return None
        try:
            return Image.fromarray(thumbnail_apart(source.read(entry), side, max_pixels, entry.box))
        except Rejected:
            return None

    with (
        ThreadPoolExecutor(max_workers=os.cpu_count()) as threads,
        progress.task("thumbnails", len(chosen.image), "image") as task,
    ):
        for sheet in sheets(len(chosen.image)):
            numbers = range(sheet.start, sheet.stop)
            pictures = threads.map(picture, numbers, [sheet.side] * len(numbers))
            rows = math.ceil(len(numbers) / sheet.across)
            canvas = Image.new("RGB", (sheet.across * sheet.side, rows * sheet.side), _GREY)
            for image, content in zip(numbers, pictures, strict=True):
                if content is not None:
                    canvas.paste(content, sheet.corner(image))
                    sizes[image] = content.size
                task.advance(1, rejected=int(content is None))
            canvas.save(folder / "tiles" / sheet.name, "WEBP", quality=82, method=4)
    return sizes


def _entries(run: Run, places: Places, chosen: Chosen) -> list[Entry]:
    entries = np.empty(len(chosen.image), dtype=object)
    dataset, row = places.dataset[chosen.image], places.row[chosen.image]
    for number, name in enumerate(places.datasets):
        entries[dataset == number] = run.entries(name, row[dataset == number])
    return list(entries)


def _source(run: Run, dataset: str, progress: Progress) -> Source | None:
    try:
        return run.source(dataset)
    except SourceError as error:
        # A report can be made again after its images have moved away; it then has everything but pictures.
        progress.note(f"no thumbnails of {dataset}: {error}")
        return None
