"""JPEG files for the GPU benchmarks: a few hundred distinct ones, and any number of hard links to them."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gpu.stage import Setting
from images import skimage_photograph
from PIL import Image

SMALL, LARGE = (500, 375), (4000, 3000)
_NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg")


def jpegs(setting: Setting, count: int, size: tuple[int, int]) -> list[Path]:
    """Write distinct JPEG files of a size, quality 90, unless they exist; they are random crops of the photographs."""
    folder = setting.scratch / f"jpegs-{size[0]}x{size[1]}-{count}"
    if not folder.exists():
        # The folder appears with all files or not at all: a part that is cut off must not leave half of them.
        unfinished = setting.folder(folder.name)
        for number, image in enumerate(_random_crops(setting, count, size)):
            image.save(unfinished / f"{number:05d}.jpg", quality=90)
        unfinished.rename(folder)
    return sorted(folder.iterdir())


def hard_links(folder: Path, distinct: list[Path], count: int) -> Path:
    """Create `count` hard links to the distinct files, a thousand per sub-folder, and return the folder."""
    for number in range(count):
        parent = folder / f"{number // 1000:04d}"
        parent.mkdir(parents=True, exist_ok=True)
        os.link(distinct[number % len(distinct)], parent / f"{number:07d}.jpg")
    return folder


def _random_crops(setting: Setting, count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    random, photographs = np.random.default_rng(0), _photographs(setting.images)
    width, height = size
    for number in range(count):
        image = photographs[number % len(photographs)]
        max_scale = min(image.width / width, image.height / height)
        scale = max_scale * float(random.uniform(0.5, 1.0))
        left, top = random.uniform(0, (image.width - scale * width, image.height - scale * height)).tolist()
        box = (left, top, left + scale * width, top + scale * height)
        yield image.resize(size, Image.Resampling.BICUBIC, box)


def _photographs(folder: Path | None) -> list[Image.Image]:
    if folder is None:
        return [skimage_photograph(name) for name in _NAMES]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return [Image.open(path).convert("RGB") for path in paths[:500]]
