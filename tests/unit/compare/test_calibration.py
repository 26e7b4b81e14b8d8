"""Where nothing differs, nothing is found, whatever the sizes, tails and copies: over many seeds."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from gapscope.compare.fdr import estimate_share, q_values
from gapscope.compare.interval import bootstrap_mean, share_interval
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p

Points = NDArray[np.float64]
SEEDS = 60


def normal(random: np.random.Generator, size: int) -> Points:
    return random.normal(size=(size, 6))


def heavy(random: np.random.Generator, size: int) -> Points:
    return random.standard_t(1.5, size=(size, 6))


def copied(random: np.random.Generator, size: int) -> Points:
    """A third of all images are copies of others, in the same dataset or the other one."""
    points = normal(random, size)
    points[random.permutation(size)[: size // 3]] = points[random.integers(0, size, size // 3)]
    return points


def clustered(random: np.random.Generator, size: int) -> Points:
    return random.normal(size=(size, 6)) * 0.1 + random.normal(size=(7, 6))[random.integers(0, 7, size)]


def apart(one: Points, other: Points, *, same: bool) -> NDArray[np.float32]:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2 * one @ other.T
    distances = np.sqrt(np.maximum(squares, 0)).round(6)
    if same:
        np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, :30].astype(np.float32)


def asked(query: Points, reference: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    own, other = apart(query, query, same=True), apart(query, reference, same=False)
    counts, k_local = count_reference_neighbors(own, other, 30)
    outside = outside_p(other[:, 4], apart(reference, reference, same=True)[:, 4])
    return outside, under_p(counts, k_local, len(query), len(reference))


@pytest.mark.parametrize(
    "draw", [normal, *(pytest.param(draw, marks=pytest.mark.slow) for draw in (heavy, copied, clustered))]
)
@pytest.mark.parametrize("sizes", [(120, 120), (40, 400), (400, 40)])
def test_random_parts_of_one_set_list_no_more_than_the_stated_rate(
    draw: Callable[[np.random.Generator, int], Points], sizes: tuple[int, int]
) -> None:
    any_listed, outside, under = 0, [], []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        points = draw(random, sum(sizes))
        p = asked(points[: sizes[0]], points[sizes[0] :])
        q = 2 * np.minimum(*(q_values(one) for one in p))
        any_listed += bool((q <= 0.1).any())
        outside.append((p[0] <= 0.1).mean())
        under.append((p[1] <= 0.1).mean())
    # Everything listed is false here: the share of seeds that list anything is the false discovery rate.
    assert any_listed / SEEDS <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / SEEDS)
    assert np.mean(outside) <= 0.1 + 2.5 * np.std(outside) / np.sqrt(SEEDS)
    assert np.mean(under) <= 0.1 + 2.5 * np.std(under) / np.sqrt(SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, heavy, clustered])
def test_p_values_are_uniform_where_nothing_differs(draw: Callable[[np.random.Generator, int], Points]) -> None:
    # One image per draw, since those of one draw share their reference; counts are smoothed, as they are discrete. With
    # far outliers the first question errs on the safe side: one more of them would shorten the others' distances.
    outside, under = [], []
    for seed in range(400):
        random = np.random.default_rng(seed)
        points = draw(random, 160)
        query, reference = points[:80], points[80:]
        p = asked(query, reference)
        outside.append(p[0][0] - random.uniform() / 81)
        possible = np.unique(under_p(np.arange(31), 30, 80, 80))
        at = int(np.searchsorted(possible, p[1][0]))
        under.append(p[1][0] - random.uniform() * (possible[at] - (possible[at - 1] if at else 0)))
    assert kstest(outside, "uniform", alternative="greater" if draw is heavy else "two-sided").pvalue > 0.01
    assert kstest(under, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_intervals_of_a_share_hold_it_as_often_as_they_say() -> None:
    held, held_mean = 0, 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        reference = random.normal(size=300).astype(np.float32)
        query = np.where(random.random(250) < 0.3, 9.0, random.normal(size=250)).astype(np.float32)
        value = estimate_share(outside_p(query, reference))
        low, high = share_interval(query, reference, value)
        held += low <= 0.3 <= high
        interval = bootstrap_mean(random.random(150) < 0.2)
        held_mean += interval is not None and interval[0] <= 0.2 <= interval[1]
    assert held >= 180
    assert held_mean >= 180
