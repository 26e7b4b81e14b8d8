"""Reads the photographs in scikit-image's wheel, and crops the demo's dataset of photographs from them.

Nothing is downloaded. Sources and licenses, as stated by scikit-image in `skimage/data/_fetchers.py`: brick, grass and
gravel from CC0Textures (CC0), retina by Mikael Häggström (CC0), the cat Chelsea by Stefan van der Walt (CC0), the cup
of coffee by Rachel Michetti, courtesy of Pikolo Espresso Bar (CC0), the Hubble eXtreme Deep Field by NASA (public
domain), the astronaut Eileen Collins by NASA (public domain), a rocket by SpaceX (CC0), coins from the Brooklyn
Museum's collection and a stained tissue by the Center for Microscopy and Molecular Imaging (no known copyright
restrictions).
"""

import io
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.errors import UserError

Picture = NDArray[np.float32]
"""(height, width, 3), 0 to 1."""

SIDE = 240
"""Width and height of the demo's images, in pixels."""


def open_photograph(name: str) -> Picture:
    """Read a photograph from scikit-image's wheel.

    Args:
        name: file name in scikit-image's data folder, such as `brick.png`.

    Returns:
        (height, width, 3) float32, 0 to 1.

    Raises:
        UserError: scikit-image is not installed, or its wheel does not contain this photograph.
    """
    try:
        encoded = (files("skimage") / "data" / name).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise UserError(
            f'the demo needs the photograph {name} of scikit-image: run pip install "gapscope[demo]"'
        ) from error
    with Image.open(io.BytesIO(encoded)) as image:
        return _to_float(image.convert("RGB"))


def take_photograph(
    source: Picture, sides: tuple[int, int], *, turns: bool, exposure: float, random: np.random.Generator
) -> Picture:
    """Crop a random square from `source` and change its exposure.

    Args:
        source: (height, width, 3), 0 to 1.
        sides: smallest and largest side of the crop, in pixels of the source; reduced to what fits.
        turns: whether to also rotate by a random multiple of 90 degrees, for kinds without an upright orientation.
        exposure: maximum change of the exposure, in stops.
        random: source of all random choices.

    Returns:
        (SIDE, SIDE, 3) float32, 0 to 1.
    """
    height, width, _ = source.shape
    side = min(int(random.integers(sides[0], sides[1] + 1)), height, width)
    top, left = int(random.integers(0, height - side + 1)), int(random.integers(0, width - side + 1))
    crop = resize(source[top : top + side, left : left + side], (SIDE, SIDE))
    if turns:
        crop = np.rot90(crop, int(random.integers(4)))
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    return np.asarray(np.clip(crop * 2 ** random.uniform(-exposure, exposure), 0, 1), dtype=np.float32)


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resize a picture to (width, height) with Pillow, whose bicubic filter does not alias when it shrinks."""
    image = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    return _to_float(image.resize(size, Image.Resampling.BICUBIC))


def _to_float(image: Image.Image) -> Picture:
    return np.asarray(np.asarray(image, dtype=np.float32) / 255, dtype=np.float32)
