"""Intervals are honest where there are few values: they have a width, and hold the truth as often as they say."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import binomtest

from gapscope.compare.fdr import estimate_share
from gapscope.compare.interval import bootstrap_mean, share_interval
from gapscope.compare.outlier_tests import outside_p

Scores = NDArray[np.float32]

few = arrays(np.float32, st.integers(1, 12), elements=st.floats(0, 2, width=16))


def interval_of(query: Scores, reference: Scores) -> tuple[float, float, float]:
    """The estimated share outside, and the ends of its interval."""
    value = estimate_share(outside_p(query, reference))
    return value, *share_interval(query, reference, value)


@settings(max_examples=40)
@given(few, few)
def test_the_interval_of_a_share_holds_its_estimate_and_has_a_width(query: Scores, reference: Scores) -> None:
    value, low, high = interval_of(query, reference)
    assert 0 <= low <= value <= high <= 1
    # Twelve images at most cannot rule out that one in ten is outside.
    assert high - low > 0.1
    assert high > 0.1


def test_of_few_images_that_all_look_alike_some_may_still_be_outside() -> None:
    # All of the query lies closer together than the reference: the estimate is 0, and no proof.
    for images, references in product((1, 2, 5, 10, 30), (1, 2, 10, 100)):
        query, reference = np.linspace(0, 0.1, images), np.linspace(1, 2, references)
        value, low, high = interval_of(query.astype(np.float32), reference.astype(np.float32))
        assert (value, low) == (0, 0)
        # None of n: a share of up to about 3 / n is likely enough to see that.
        assert high >= 1 - 0.025 ** (1 / images) - 1e-9


def test_two_images_against_ten_tell_next_to_nothing() -> None:
    reference = np.linspace(1, 2, 10).astype(np.float32)
    for query in ([0.5, 0.6], [1.3, 1.7], [1.4, 9]):
        _, low, high = interval_of(np.array(query, np.float32), reference)
        assert low == 0
        assert high > 0.8
    _, low, high = interval_of(np.array([9, 9], np.float32), reference)
    assert low < 0.3
    assert high == 1


def test_without_scores_any_share_is_possible() -> None:
    none, some = np.empty(0, np.float32), np.ones(3, np.float32)
    for query, reference in ((none, some), (some, none), (none, none)):
        assert share_interval(query, reference, 0.0) == (0, 1)


def test_many_images_make_a_narrow_interval() -> None:
    random = np.random.default_rng(0)
    reference = random.normal(size=8000).astype(np.float32)
    query = np.where(random.random(8000) < 0.3, 9, random.normal(size=8000)).astype(np.float32)
    _, low, high = interval_of(query, reference)
    assert 0.24 < low < 0.3 < high < 0.36


def test_a_mean_of_fewer_than_eight_has_no_interval() -> None:
    for count in range(8):
        assert bootstrap_mean(np.ones(count, bool)) is None
        assert bootstrap_mean(np.linspace(0, 1, count)) is None
    assert bootstrap_mean(np.arange(8)) is not None


@pytest.mark.parametrize("count", [8, 20, 500])
def test_a_share_of_all_or_none_has_the_interval_of_clopper_and_pearson(count: int) -> None:
    for values in (np.ones(count, bool), np.zeros(count, bool)):
        expected = binomtest(int(values.sum()), count).proportion_ci(method="exact")
        assert bootstrap_mean(values) == pytest.approx((expected.low, expected.high))


@settings(max_examples=40)
@given(st.integers(8, 200), st.integers(0, 200))
def test_the_interval_of_a_share_is_at_least_that_of_clopper_and_pearson(count: int, trues: int) -> None:
    values = np.arange(count) < min(trues, count)
    interval = bootstrap_mean(values)
    assert interval is not None
    expected = binomtest(int(values.sum()), count).proportion_ci(method="exact")
    assert interval[0] <= expected.low + 1e-12
    assert interval[1] >= expected.high - 1e-12


def test_the_interval_of_a_mean_is_that_of_the_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=300)
    interval = bootstrap_mean(values)
    assert interval is not None
    assert interval[0] < values.mean() < interval[1]
    half_width = 1.96 * values.std() / np.sqrt(300)
    assert interval == pytest.approx((values.mean() - half_width, values.mean() + half_width), abs=half_width / 5)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("images", "references"), [(2, 10), (8, 8), (20, 20), (20, 200), (200, 20), (150, 300)])
def test_a_share_lies_in_its_interval_as_often_as_stated(share: float, images: int, references: int) -> None:
    held, draws = 0, 400
    for seed in range(draws):
        random = np.random.default_rng(seed)
        reference = random.normal(size=references).astype(np.float32)
        query = np.where(random.random(images) < share, 9, random.normal(size=images)).astype(np.float32)
        _, low, high = interval_of(query, reference)
        held += low <= share <= high
    # 95%, less two standard errors.
    assert held / draws >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / draws)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("count", [8, 30, 200])
def test_a_share_of_booleans_lies_in_its_interval_as_often_as_stated(share: float, count: int) -> None:
    held, draws = 0, 400
    for seed in range(draws):
        interval = bootstrap_mean(np.random.default_rng(seed).random(count) < share)
        assert interval is not None
        held += interval[0] <= share <= interval[1]
    assert held / draws >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / draws)
