"""Images that several benchmarks are made from: the photographs in scikit-image's wheel."""

import io
from importlib.resources import files

import numpy as np
from PIL import Image

PHOTOGRAPHS = ("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png", "rocket.jpg")
"""Photographs large enough for the square crops that a benchmark embeds."""


def skimage_photograph(name: str) -> Image.Image:
    """Return a photograph of scikit-image's wheel as RGB, by its file name."""
    return Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")


def random_crop(image: Image.Image, side: int, random: np.random.Generator) -> Image.Image:
    """Return a square crop at a random position."""
    left, top = (int(random.integers(0, length - side)) for length in image.size)
    return image.crop((left, top, left + side, top + side))
