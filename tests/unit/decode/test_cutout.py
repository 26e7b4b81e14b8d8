"""Objects that are cut out of their background: which pixels stay, whatever the size, the turn and the process."""

import io
from contextlib import suppress

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gapscope.decode.children import decode_in_subprocess, thumbnail_in_subprocess
from gapscope.decode.cutout import draw_outline
from gapscope.decode.picture import decode
from gapscope.settings import Preprocess
from gapscope.sources import Box
from gapscope.sources.annotations.annotation import Mask, Outline
from gapscope.sources.annotations.shapes import mask_of_pixels
from gapscope.sources.rejects import Rejected

BACKGROUND = (10, 120, 200)
TRIANGLE = (40.0, 20.0, 160.0, 40.0, 100.0, 140.0)
PREPROCESS = Preprocess(size=64, fit="stretch", background=BACKGROUND)


def triangle_mask(width: int, height: int) -> Mask:
    drawn = Image.new("1", (width, height))
    ImageDraw.Draw(drawn).polygon([*zip(TRIANGLE[::2], TRIANGLE[1::2], strict=True)], fill=1)
    mask = mask_of_pixels(np.asarray(drawn), 0, 0, width, height)
    assert mask is not None
    return mask


def photograph(*, orientation: int = 1, kind: str = "PNG") -> bytes:
    """A red picture of 200 x 150 pixels with a green triangle, stored as a camera of this orientation would."""
    picture = Image.new("RGB", (200, 150), (220, 0, 0))
    ImageDraw.Draw(picture).polygon([*zip(TRIANGLE[::2], TRIANGLE[1::2], strict=True)], fill=(0, 220, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(file := io.BytesIO(), kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


def share(pixels: NDArray[np.uint8], color: tuple[int, int, int]) -> float:
    return float((np.abs(pixels.astype(int) - color).max(axis=2) < 40).mean())


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("form", ["polygon", "mask"])
def test_what_is_outside_of_the_outline_has_the_background_s_color(form: str, kind: str) -> None:
    outline = Outline((TRIANGLE,)) if form == "polygon" else Outline(masks=(triangle_mask(200, 150),))
    box = Box(30, 10, 140, 140, 200, 150, outline)
    data = photograph(kind=kind)
    cut = decode(data, PREPROCESS, box)
    assert share(cut.pixels, (220, 0, 0)) < 0.03
    # The triangle fills this much of its box with margin.
    assert share(cut.pixels, (0, 220, 0)) == pytest.approx(6700 / 140**2, abs=0.04)
    assert share(cut.pixels, BACKGROUND) == pytest.approx(1 - 6700 / 140**2, abs=0.05)
    assert np.array_equal(decode_in_subprocess(data, PREPROCESS, box).pixels, cut.pixels)
    thumbnail = thumbnail_in_subprocess(data, 32, PREPROCESS, box)
    assert share(thumbnail, (220, 0, 0)) < 0.03
    assert share(decode(data, Preprocess(size=64, fit="stretch"), box).pixels, (220, 0, 0)) > 0.4


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("form", ["polygon", "mask"])
def test_an_outline_turns_with_the_image_that_it_was_drawn_in(form: str, orientation: int) -> None:
    outline = Outline((TRIANGLE,)) if form == "polygon" else Outline(masks=(triangle_mask(200, 150),))
    cut = decode(photograph(orientation=orientation), PREPROCESS, Box(30, 10, 140, 140, 200, 150, outline))
    assert share(cut.pixels, (220, 0, 0)) < 0.03
    assert share(cut.pixels, (0, 220, 0)) == pytest.approx(6700 / 140**2, abs=0.04)


def test_parts_of_an_outline_add_up_and_those_outside_of_the_part_are_nothing() -> None:
    square = (0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0)
    other = (6.0, 0.0, 10.0, 0.0, 10.0, 4.0, 6.0, 4.0)
    far = (100.0, 100.0, 120.0, 100.0, 110.0, 120.0)
    drawn = np.asarray(draw_outline(Outline((square, other, far)), (0, 0, 10, 10), (1.0, 1.0), None, (200, 200)))
    assert (drawn[:4, :4] == 255).all()
    assert (drawn[:3, 7:] == 255).all()
    assert (drawn[:, 5] < 100).all()
    assert (drawn[5:] == 0).all()


@pytest.mark.parametrize(
    "outline",
    [
        Outline(((float("nan"),) * 8,)),
        Outline(((0.0, 0.0, float("inf"), 3.0, 1.0, 1.0),)),
        Outline(((1.0, 2.0),)),
        Outline(masks=(Mask(2, 2, (0, 1, 1)),)),
        Outline(masks=(Mask(150, 200, (150 * 200 * 10, 5)),)),
        Outline(masks=(Mask(10**9, 10**9, (5, 5)),)),
        Outline(((0.0, 0.0, 1.0, 1.0, 2.0, 0.0) * 20_000,)),
    ],
)
def test_an_absurd_outline_leaves_a_picture_or_a_reason(outline: Outline) -> None:
    box = Box(30, 10, 140, 140, 200, 150, outline)
    with suppress(Rejected):
        assert share(decode_in_subprocess(photograph(), PREPROCESS, box).pixels, (220, 0, 0)) < 0.5
