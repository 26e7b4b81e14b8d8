"""The photographs that scikit-image's wheel carries, and the crops of them that make the dataset of photographs.

Where they come from, and their licences, as scikit-image states them in `skimage/data/_fetchers.py`: brick, grass and
gravel from CC0Textures (CC0), retina by Mikael Häggström (CC0), the cat Chelsea by Stefan van der Walt (CC0), the cup
of coffee by Rachel Michetti, courtesy of Pikolo Espresso Bar (CC0), the Hubble eXtreme Deep Field by NASA (public
domain), coins from the Brooklyn Museum's collection and a stained tissue by the Center for Microscopy and Molecular
Imaging (no known copyright restrictions). Nothing is downloaded.
"""

import io
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gapscope.errors import UserError

Picture = NDArray[np.float32]

SIDE = 240


def open_photograph(name: str) -> Picture:
    """Read one of the wheel's photographs.

    Args:
        name: file name in scikit-image's data folder, such as `brick.png`.

    Returns:
        (height, width, 3), colours from 0 to 1.

    Raises:
        UserError: scikit-image is not installed, or came without this photograph.
    """
    try:
        encoded = (files("skimage") / "data" / name).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise UserError(
            f'the demo needs the photograph {name} of scikit-image: run pip install "gapscope[demo]"'
        ) from error
    with Image.open(io.BytesIO(encoded)) as image:
        return _colours(image.convert("RGB"))


def take_photograph(
    source: Picture, sides: tuple[int, int], *, turns: bool, exposure: float, random: np.random.Generator
) -> Picture:
    """Crop a square somewhere from `source` and expose it anew.

    Args:
        source: (height, width, 3), colours from 0 to 1.
        sides: the smallest and the largest side of the crop, in pixels of the source; cut to what fits.
        turns: turn by a random multiple of 90 degrees too, for what has no upright position.
        exposure: the most that the exposure changes, in stops.
        random: decides everything that varies.

    Returns:
        (SIDE, SIDE, 3), colours from 0 to 1.
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
    """Return a picture at another size (width, height); Pillow's filter keeps a smaller one from aliasing."""
    image = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    return _colours(image.resize(size, Image.Resampling.BICUBIC))


def _colours(image: Image.Image) -> Picture:
    return np.asarray(np.asarray(image, dtype=np.float32) / 255, dtype=np.float32)
