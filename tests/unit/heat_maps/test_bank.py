"""Banks of local features: what is unlike is found where it is, and the level that points best opens."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from gapscope.heat_maps.bank import Bank, _unlike, fit_bank
from gapscope.heat_maps.opening import opening_level
from gapscope.heat_maps.squares import Square, choose_squares, paste, pointing_of
from gapscope.heat_maps.unlikeness import SIDE

Maps = NDArray[np.float32]
SIZE, PLACES = 64, 16


CHANNELS = 12
MATERIALS = np.random.default_rng(7).normal(size=(6, CHANNELS)) * 2
"""What places show: five materials that the reference has, and a sixth that it lacks."""


def ordinary(random: np.random.Generator, images: int) -> Maps:
    """Return local features of images with the five materials anywhere, and more noise at their borders."""
    noise = np.full((PLACES, PLACES), 0.4)
    noise[[0, -1], :] = noise[:, [0, -1]] = 0.8
    shown = MATERIALS[random.integers(0, 5, (images, PLACES, PLACES))].transpose(0, 3, 1, 2)
    return np.asarray(shown + random.normal(size=shown.shape) * noise, np.float32)


def planted(maps: Maps, squares: list[Square]) -> Maps:
    changed, scale, side = maps.copy(), SIZE // PLACES, PLACES // 4
    for image, square in zip(changed, squares, strict=True):
        top, left = square.top // scale, square.left // scale
        image[:, top : top + side, left : left + side] = MATERIALS[5][:, None, None]
    return changed


def on_the_grid(squares: list[Square]) -> list[Square]:
    return [Square(square.source, square.top // 4 * 4, square.left // 4 * 4) for square in squares]


@pytest.fixture(scope="module")
def bank_and_squares() -> tuple[Bank, list[Square], np.random.Generator]:
    random = np.random.default_rng(0)
    squares = on_the_grid(choose_squares(60, 12, SIZE))
    maps = ordinary(random, 60)
    return fit_bank(maps, planted(maps[:12], squares), squares, SIZE), squares, random


def test_a_planted_square_is_the_hottest_place(
    bank_and_squares: tuple[Bank, list[Square], np.random.Generator],
) -> None:
    bank, _, random = bank_and_squares
    squares = on_the_grid(choose_squares(40, 40, SIZE))
    heat = bank.heat_maps(planted(ordinary(random, 40), squares))
    assert heat.shape == (40, SIDE, SIDE)
    assert pointing_of(heat, squares, SIZE) > 0.97
    assert bank.pointing > 0.97


def test_what_is_usual_in_the_reference_is_usual_on_the_map(
    bank_and_squares: tuple[Bank, list[Square], np.random.Generator],
) -> None:
    """0 is the median place of the reference, one in 100 is above 1, and a border is no hotter than the middle."""
    bank, _, random = bank_and_squares
    heat = bank.heat_maps(ordinary(random, 60))
    assert abs(float(np.median(heat))) < 0.1
    assert 0.003 < (heat > 1).mean() < 0.03
    border = np.concatenate([heat[:, [0, -1], :].ravel(), heat[:, :, [0, -1]].ravel()])
    assert abs(float(border.mean() - heat[:, 8:20, 8:20].mean())) < 0.15


def test_distances_are_those_to_the_nearest_of_the_bank(
    bank_and_squares: tuple[Bank, list[Square], np.random.Generator],
) -> None:
    bank, _, random = bank_and_squares
    maps = ordinary(random, 1)
    white = (maps[0].reshape(CHANNELS, -1).T - bank.mean.numpy()) @ bank.whitening.numpy()
    white /= np.linalg.norm(white, axis=1, keepdims=True) ** 0.8
    expected = cdist(white, bank.features.numpy(), "sqeuclidean").min(axis=1).reshape(PLACES, PLACES)
    unlike = _unlike(torch.from_numpy(maps[0]), bank.mean, bank.whitening, bank.features).numpy()
    assert np.allclose(unlike, expected, atol=1e-3)


def test_a_map_that_points_has_more_focus(bank_and_squares: tuple[Bank, list[Square], np.random.Generator]) -> None:
    bank, _, random = bank_and_squares
    maps = ordinary(random, 20)
    squares = on_the_grid(choose_squares(20, 20, SIZE))
    without, with_squares = (bank.focus_of(bank.heat_maps(own)) for own in (maps, planted(maps, squares)))
    assert abs(without.mean()) < 1
    assert with_squares.mean() > 5


def test_a_reference_of_one_color_has_a_bank_all_the_same() -> None:
    maps = np.ones((12, 4, 7, 7), np.float32)
    bank = fit_bank(maps, maps[:8], choose_squares(12, 8, SIZE), SIZE)
    assert np.isfinite(bank.heat_maps(np.full((2, 4, 7, 7), 2.0, np.float32))).all()
    assert bank.pointing == pytest.approx(0.5)


def test_the_level_that_opens_points_well_and_has_something_to_point_at() -> None:
    assert opening_level({"P3": 0.0, "P4": 0.0}, {"P3": 0.6, "P4": 0.9}) == "P4"
    assert opening_level({"P3": 9.0, "P4": 1.0}, {"P3": 0.7, "P4": 0.9}) == "P3"


def test_squares_are_of_other_images_and_lie_inside() -> None:
    pixels = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, SIZE, SIZE, 3), np.uint8)
    squares = choose_squares(10, 6, SIZE)
    pasted = paste(pixels, squares)
    assert pasted.shape == (6, SIZE, SIZE, 3)
    for number, (image, square) in enumerate(zip(pasted, squares, strict=True)):
        assert square.source != number
        assert (image != number).sum() == 16 * 16 * 3
        assert (image[square.top : square.top + 16, square.left : square.left + 16] == square.source).all()
    assert (pixels[:6] == np.arange(6)[:, None, None, None]).all()
