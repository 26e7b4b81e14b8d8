import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from sklearn.metrics import pairwise_distances

from gapscope.compare.clusters import cluster_metrics
from gapscope.compare.fdr import estimate_share, q_values
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p

probabilities = arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-6, 1))


@given(probabilities)
def test_q_values_are_scipys(p: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(q_values(p), false_discovery_control(p, method="bh"))


def test_estimate_share_finds_the_planted_one() -> None:
    random = np.random.default_rng(0)
    p = np.concatenate([random.uniform(size=7000), random.uniform(0, 0.01, size=3000)])
    assert estimate_share(p) == pytest.approx(0.3, abs=0.03)
    assert estimate_share(random.uniform(size=10_000)) < 0.03
    assert estimate_share(np.ones(10)) == 0
    assert estimate_share(np.array([])) == 0


scores = arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 2, width=16))


@given(scores, scores)
def test_outside_p_is_the_conformal_one(query: NDArray[np.float32], reference: NDArray[np.float32]) -> None:
    expected = [(1 + sum(b >= a for b in reference)) / (len(reference) + 1) for a in query]
    np.testing.assert_allclose(outside_p(query, reference), expected)


def k_local(query: NDArray[np.float64], reference: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], int]:
    own = pairwise_distances(query)
    np.fill_diagonal(own, np.inf)
    other = np.sort(pairwise_distances(query, reference), axis=1)[:, :size]
    return count_reference_neighbors(
        np.sort(own, axis=1)[:, : min(size, len(query) - 1)].astype(np.float32), other.astype(np.float32), size
    )


def test_crowd_counts_the_nearest_of_both_without_the_image_itself() -> None:
    random = np.random.default_rng(0)
    query, reference = random.normal(size=(50, 3)), random.normal(size=(80, 3))
    counts, size = k_local(query, reference, 30)
    together = np.concatenate([query, reference])
    apart = pairwise_distances(query, together)
    apart[np.arange(50), np.arange(50)] = np.inf
    expected = (np.argsort(apart, axis=1)[:, :30] >= 50).sum(axis=1)
    assert size == 30
    np.testing.assert_array_equal(counts, expected)


few_distances = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf]), min_size=1, max_size=7).map(sorted)


@given(few_distances, few_distances, st.integers(1, 7))
def test_neighbors_are_counted_as_by_sorting_equal_distances_of_the_reference_first(
    own: list[float], other: list[float], k_local: int
) -> None:
    k_local = min(k_local, max(len(own), len(other)))
    ranked = sorted([*((each, 0) for each in other), *((each, 1) for each in own)])
    nearest = [side for distance, side in ranked if np.isfinite(distance)][:k_local]
    counts, size = count_reference_neighbors(np.array([own], np.float32), np.array([other], np.float32), k_local)
    assert (counts.tolist(), size) == ([nearest.count(0)], len(nearest))


def test_small_datasets_have_a_small_crowd() -> None:
    random = np.random.default_rng(0)
    counts, size = k_local(random.normal(size=(4, 3)), random.normal(size=(5, 3)), 30)
    assert size == 8
    assert (counts == 5).all()


def test_copies_are_never_taken_for_a_lack() -> None:
    # Every image of one dataset is in the other too, some of them fifty times.
    blank = np.zeros((50, 3))
    images = np.concatenate([np.random.default_rng(0).normal(size=(100, 3)), blank])
    counts, size = k_local(images, images, 30)
    assert q_values(under_p(counts, size, 150, 150)).min() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("query_size", "reference_size"), [(150, 150), (60, 300)])
def test_both_questions_hold_their_rate_where_there_is_no_difference(query_size: int, reference_size: int) -> None:
    flagged, outside, under = 0.0, [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        query, reference = random.standard_t(3, size=(query_size, 5)), random.standard_t(3, size=(reference_size, 5))
        within = pairwise_distances(reference)
        np.fill_diagonal(within, np.inf)
        apart = np.sort(pairwise_distances(query, reference), axis=1)
        p1 = outside_p(apart[:, 4].astype(np.float32), np.sort(within, axis=1)[:, 4].astype(np.float32))
        counts, size = k_local(query, reference, 30)
        p2 = under_p(counts, size, query_size, reference_size)
        q = 2 * np.minimum(q_values(p1), q_values(p2))
        flagged += (q <= 0.1).mean()
        outside.append((p1 <= 0.1).mean())
        under.append((p2 <= 0.1).mean())
    assert flagged / 20 <= 0.01
    assert np.mean(outside) <= 0.12
    assert np.mean(under) <= 0.12


def test_clusters_of_one_dataset_are_named_whatever_the_datasets_sizes() -> None:
    # 1,000 real and 50 synthetic images; cluster 0 mixes them in that proportion, 1 and 2 are of one dataset.
    found = cluster_metrics(
        {
            "real": np.array([0] * 800 + [1] * 150 + [-1] * 50, np.int32),
            "synthetic": np.array([0] * 40 + [2] * 10, np.int32),
        },
        lambda dataset, cluster: [f"{dataset}/{cluster}.png"],
    )
    assert found["count"] == 3
    assert [(each["cluster"], each["dataset"], each["images"]) for each in found["one_sided"]] == [
        (1, "real", 150),
        (2, "synthetic", 10),
    ]
    assert [each["typical"] for each in found["one_sided"]] == [["real/1.png"], ["synthetic/2.png"]]
    assert found["composition"] == [[800, 40], [150, 0], [0, 10]]
    nothing = cluster_metrics({"real": np.array([-1], np.int32)}, lambda *_: [])
    assert nothing["count"] == 0
    assert nothing["one_sided"] == []
