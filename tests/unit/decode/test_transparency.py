"""What lies under transparency counts where it is all that there is, and nothing vanishes in the background."""

import io
from typing import Any

import numpy as np
import pytest
from image_files import png16
from numpy.typing import NDArray
from PIL import Image

from gapscope.decode.picture import decode
from gapscope.settings import Preprocess

SMALL = Preprocess(size=64)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def colors() -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 64))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def with_alpha(alpha: NDArray[Any]) -> Image.Image:
    image = colors()
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


@pytest.mark.parametrize("alpha", [0, 255])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_an_alpha_that_is_the_same_everywhere_says_nothing(alpha: int, kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = with_alpha(np.full((64, 64), alpha))
    assert np.array_equal(decode(encoded(image, kind, **options), SMALL).pixels, np.asarray(colors()))


@pytest.mark.parametrize("alpha", [0, 65535])
def test_nor_does_it_in_16_bits(alpha: int) -> None:
    deep = np.asarray(colors()).astype(np.uint16) * 257
    data = png16(np.concatenate([deep, np.full((64, 64, 1), alpha, np.uint16)], axis=2))
    assert np.abs(decode(data, SMALL).pixels.astype(int) - np.asarray(colors())).max() <= 1
    gray = png16(np.stack([deep[..., 0], np.full((64, 64), alpha, np.uint16)], axis=2))
    assert np.abs(decode(gray, SMALL).pixels[..., 0].astype(int) - np.asarray(colors())[..., 0]).max() <= 1


@pytest.mark.parametrize("ink", [255, 250, 0])
def test_a_drawing_is_seen_whatever_its_color(ink: int) -> None:
    drawing = np.zeros((64, 64))
    drawing[20:40, 10:50] = 255
    image = Image.new("RGBA", (64, 64), (ink, ink, ink, 0))
    image.putalpha(Image.fromarray(drawing.astype(np.uint8)))
    pixels = decode(encoded(image), SMALL).pixels.astype(int)
    assert abs(pixels[30, 30, 0] - pixels[5, 5, 0]) > 200


def test_two_white_drawings_are_no_duplicates() -> None:
    squares = []
    for top in (4, 40):
        image = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
        image.paste((255, 255, 255, 255), (10, top, 50, top + 16))
        squares.append(decode(encoded(image), SMALL).pixels)
    assert not np.array_equal(squares[0], squares[1])


def test_a_picture_on_transparency_keeps_its_white_background() -> None:
    alpha = np.zeros((64, 64))
    alpha[:, :32] = 255
    pixels = decode(encoded(with_alpha(alpha)), SMALL).pixels
    assert (pixels[:, 40:] == 255).all()
    assert np.array_equal(pixels[:, :24], np.asarray(colors())[:, :24])


def test_gray_of_16_bits_with_a_transparent_number() -> None:
    values = np.full((64, 64), 20_000, np.uint16)
    values[:, :32] = 40_000
    pixels = decode(png16(values, transparent=20_000), SMALL).pixels
    assert (pixels[:, 40:] == 255).all()
    assert abs(int(pixels[30, 10, 0]) - 156) <= 1
