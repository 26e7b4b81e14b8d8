"""Odd looks: what many pictures of a dataset share although they should not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gapscope.compare.appearance import odd_looks


def ordinary(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Return the stats of pictures that have nothing in common."""
    random = np.random.default_rng(seed)
    return np.column_stack(
        [random.uniform(30, 220, (count, 3)), random.uniform(15, 80, (count, 3)), random.uniform(50, 900, count)]
    )


@pytest.mark.parametrize("count", [1, 2, 5, 40, 3000])
def test_ordinary_pictures_look_like_nothing(count: int) -> None:
    for seed in range(20):
        assert odd_looks(ordinary(count, seed)) == []


@pytest.mark.parametrize(("share", "told"), [(0.03, False), (0.2, True), (1.0, True)])
def test_pictures_of_one_color_and_black_ones_are_told_where_they_are_many(share: float, told: bool) -> None:
    for look, row in (("one-color", [200, 90, 10, 1, 0, 1, 3]), ("black", [3, 2, 4, 9, 7, 9, 40])):
        stats = ordinary(200)
        stats[: int(200 * share)] = row
        assert [odd.look for odd in odd_looks(stats)] == ([look] if told else [])
        if told:
            assert odd_looks(stats)[0].rows.tolist() == list(range(int(200 * share)))


def test_pictures_that_are_nearly_alike_are_told() -> None:
    random = np.random.default_rng(3)
    for seed in range(30):
        stats = ordinary(300, seed)
        alike = random.choice(300, 120, replace=False)
        stats[alike] = ordinary(1, 1000 + seed) + random.uniform(-0.7, 0.7, (120, 7))
        (odd,) = odd_looks(stats)
        assert odd.look == "alike"
        assert len(odd.rows) >= 118


def test_a_picture_counts_once() -> None:
    stats = ordinary(100)
    stats[:30] = 0
    stats[30:60] = [4, 4, 4, 8, 8, 8, 30]
    assert [(odd.look, len(odd.rows)) for odd in odd_looks(stats)] == [("one-color", 30), ("black", 30)]
