"""JPEG files for the GPU benchmarks: a few hundred distinct ones, and as many names for them as are wanted."""

import io
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
from gpu.stage import Setting
from PIL import Image

SMALL, LARGE = (500, 375), (4000, 3000)
_NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg")


def jpegs(setting: Setting, count: int, size: tuple[int, int]) -> list[Path]:
    """Write distinct JPEG files of a size, quality 90, once; they are random cuts of the photographs at hand."""
    folder = setting.scratch / f"jpegs-{size[0]}x{size[1]}-{count}"
    if not folder.exists():
        # All of them or none: what is cut off must not leave half of them to the next.
        begun = setting.folder(folder.name)
        for number, image in enumerate(_cuts(setting, count, size)):
            image.save(begun / f"{number:05d}.jpg", quality=90)
        begun.rename(folder)
    return sorted(folder.iterdir())


def named(folder: Path, distinct: list[Path], count: int) -> Path:
    """Give the distinct files `count` names in all, a thousand a folder, and return the folder; they take no space."""
    for number in range(count):
        below = folder / f"{number // 1000:04d}"
        below.mkdir(parents=True, exist_ok=True)
        os.link(distinct[number % len(distinct)], below / f"{number:07d}.jpg")
    return folder


def _cuts(setting: Setting, count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    random, photographs = np.random.default_rng(0), _photographs(setting.images)
    width, height = size
    for number in range(count):
        image = photographs[number % len(photographs)]
        most = min(image.width / width, image.height / height)
        scale = most * float(random.uniform(0.5, 1.0))
        left, top = random.uniform(0, (image.width - scale * width, image.height - scale * height)).tolist()
        box = (left, top, left + scale * width, top + scale * height)
        yield image.resize(size, Image.Resampling.BICUBIC, box)


def _photographs(folder: Path | None) -> list[Image.Image]:
    if folder is None:
        data = [(files("skimage") / "data" / name).read_bytes() for name in _NAMES]
        return [Image.open(io.BytesIO(each)).convert("RGB") for each in data]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return [Image.open(path).convert("RGB") for path in paths[:500]]
