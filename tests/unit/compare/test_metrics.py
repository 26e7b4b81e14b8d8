"""Every number against an independent implementation, on the same vectors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.stats import kstest
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from vector_run import compare_vectors

from gapscope.compare import metrics
from gapscope.compare.frechet import frechet_distance, gaussian_of, gaussian_of_tiles
from gapscope.compare.kernel import Weighted, kernel_distance
from gapscope.compare.support import expected_coverage
from gapscope.compare.two_sample import expected_own_share, permutation_p
from gapscope.run import Run
from gapscope.settings import Metric
from gapscope.store.metrics import Measure

Vectors = NDArray[np.float64]


def heavy(size: int, channels: int, seed: int, shift: float = 0.0) -> Vectors:
    """Embeddings with tails as heavy as real ones never have."""
    random = np.random.default_rng(seed)
    mixed = random.standard_t(2.5, size=(size, channels)) @ random.normal(size=(channels, channels))
    return np.asarray(mixed + shift)


def measured_vectors(run: Run, level: str) -> tuple[Vectors, Vectors]:
    """What the run measures on, by the formula: standardized embeddings, and of length 1 for cosine distances."""
    raw = [run.embeddings(name, level).astype(np.float64) for name in run.datasets]
    raw = [rows[np.isfinite(rows).all(axis=1)] for rows in raw]
    together = np.concatenate(raw)
    first, second = ((rows - together.mean(axis=0)) / together.std(axis=0) for rows in raw)
    if run.record.config.neighbors.metric == "euclidean":
        return first, second
    return tuple(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second))


def interval(measure: Measure) -> tuple[float, float]:
    low, high = measure["low"], measure["high"]
    assert low is not None
    assert high is not None
    return low, high


def plain_frechet(query: Vectors, reference: Vectors) -> float:
    """As torch-fidelity and clean-fid have it: with the square root of a matrix."""
    first, second = np.cov(query, rowvar=False), np.cov(reference, rowvar=False)
    between_means = np.square(query.mean(axis=0) - reference.mean(axis=0)).sum()
    root = sqrtm((first + 1e-10 * np.eye(len(first))) @ (second + 1e-10 * np.eye(len(first))))
    return float(between_means + np.trace(first) + np.trace(second) - 2 * np.trace(root).real)


def plain_kid(query: Vectors, reference: Vectors, *, metric: str = "cosine") -> float:
    """KID's kernel, (x y / d + 1)^3; unit vectors count as divided by the root of d already."""
    gamma = 1.0 if metric == "cosine" else None
    within = [polynomial_kernel(rows, degree=3, coef0=1, gamma=gamma) for rows in (query, reference)]
    off = [(kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in within]
    return float(sum(off) - 2 * polynomial_kernel(query, reference, degree=3, coef0=1, gamma=gamma).mean())


@pytest.fixture(scope="module", params=["cosine", "euclidean"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A shifted pair of different sizes, with rejected images; P3 has more dimensions than images."""
    vectors = {
        "real": {"P2": heavy(260, 12, 0), "P3": heavy(260, 300, 1)},
        "synthetic": {"P2": heavy(190, 12, 2, 0.6), "P3": heavy(190, 300, 3, 0.2)},
    }
    folder = tmp_path_factory.mktemp(request.param) / "run"
    return compare_vectors(folder, vectors, broken={"real": 3, "synthetic": 1}, metric=request.param)


@pytest.mark.parametrize("level", ["P2", "P3"])
def test_precision_recall_density_and_coverage_are_those_of_prdc(run: Run, level: str) -> None:
    first, second = measured_vectors(run, level)
    for query, reference, pair in ((first, second, "real-vs-synthetic"), (second, first, "synthetic-vs-real")):
        expected = compute_prdc(real_features=reference, fake_features=query, nearest_k=5)
        actual = run.metrics["levels"][level]["pairs"][pair]["measures"]
        for name, value in expected.items():
            assert actual[name]["value"] == pytest.approx(value, abs=1e-4), name
            low, high = interval(actual[name])
            assert low <= actual[name]["value"] <= high


@pytest.mark.parametrize("level", ["P2", "P3"])
def test_frechet_and_kid_are_those_of_plain_formulas(run: Run, level: str) -> None:
    query, reference = measured_vectors(run, level)
    kid = plain_kid(query, reference, metric=run.record.config.neighbors.metric)
    for pair in ("real-vs-synthetic", "synthetic-vs-real"):
        measures = run.metrics["levels"][level]["pairs"][pair]["measures"]
        # With fewer images than dimensions the plain form needs a ridge, and is off by it.
        assert measures["frechet"]["value"] == pytest.approx(plain_frechet(query, reference), rel=1e-4, abs=1e-4)
        assert measures["kid"]["value"] == pytest.approx(kid, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("level", ["P2", "P3"])
def test_the_neighbor_test_counts_an_images_own_among_its_nearest(run: Run, level: str) -> None:
    together = np.concatenate(measured_vectors(run, level))
    is_query = np.arange(len(together)) < run.metrics["datasets"]["real"]["read"]
    for pair, own in (("real-vs-synthetic", is_query), ("synthetic-vs-real", ~is_query)):
        measure = run.metrics["levels"][level]["pairs"][pair]["measures"]["two_sample"]
        k = run.record.config.compare.k
        nearest = NearestNeighbors(n_neighbors=k).fit(together).kneighbors(return_distance=False)
        assert measure["value"] == pytest.approx((own[nearest] == own[:, None]).mean(), abs=1e-3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_density_counts_all_images_in_a_ball_that_holds_more_than_the_graph_keeps(
    tmp_path: Path, metric: Metric
) -> None:
    random = np.random.default_rng(0)
    vectors = {"many": {"P2": random.normal(size=(900, 3))}, "few": {"P2": random.normal(size=(60, 3))}}
    run = compare_vectors(tmp_path / "run", vectors, metric=metric)
    many, few = measured_vectors(run, "P2")
    expected = compute_prdc(real_features=few, fake_features=many, nearest_k=5)
    actual = run.metrics["levels"]["P2"]["pairs"]["many-vs-few"]["measures"]
    for name, value in expected.items():
        assert actual[name]["value"] == pytest.approx(value, abs=1e-4), name


def test_frechet_distance_of_tiles_is_that_of_all_rows_also_with_dimensions_that_never_change() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 8)) / 3)
    rows[:, 5] = 0.25
    second = torch.from_numpy(np.random.default_rng(1).normal(size=(300, 8)) / 3)
    whole = frechet_distance(gaussian_of(rows), gaussian_of(second))
    tiled = frechet_distance(gaussian_of_tiles(rows.split(64)), gaussian_of(second))
    assert tiled == pytest.approx(whole, abs=1e-6)
    assert whole == pytest.approx(plain_frechet(rows.numpy(), second.numpy()), abs=1e-4)
    assert frechet_distance(gaussian_of(rows), gaussian_of(rows)) < 1e-6


def test_kernel_distance_weighs_as_if_rows_were_repeated() -> None:
    random = np.random.default_rng(0)
    rows, second = (random.normal(size=(size, 6)) for size in (1100, 40))
    rows, second = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, second))
    chosen = random.random(len(rows)) < 0.5
    actual = kernel_distance(
        Weighted(
            rows=torch.from_numpy(rows),
            weights=torch.from_numpy(np.stack([np.ones(1100), chosen], axis=1).astype(float)),
        ),
        Weighted(rows=torch.from_numpy(second), weights=torch.ones((40, 2), dtype=torch.float64)),
    )
    assert actual.tolist() == pytest.approx([plain_kid(rows, second), plain_kid(rows[chosen], second)], abs=1e-9)


@pytest.mark.slow
def test_what_is_expected_by_chance_is_what_halves_of_one_dataset_have() -> None:
    random = np.random.default_rng(0)
    shares, covered = [], []
    for _ in range(40):
        points = random.standard_t(3, size=(90, 4))
        first, second = points[:60], points[60:]
        covered.append(compute_prdc(real_features=second, fake_features=first, nearest_k=5)["coverage"])
        squares = np.square(points[:, None] - points).sum(axis=2)
        np.fill_diagonal(squares, np.inf)
        nearest = np.argsort(squares, axis=1)[:, :5]
        shares.append(((nearest < 60) == (np.arange(90) < 60)[:, None]).mean())
    assert np.mean(covered) == pytest.approx(expected_coverage(5, 60, 30), abs=0.01)
    assert np.mean(shares) == pytest.approx(expected_own_share(60, 30), abs=0.01)


@pytest.mark.slow
def test_permutation_p_is_uniform_where_nothing_differs_and_small_where_something_does() -> None:
    p_values = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        points = random.normal(size=(90, 3))
        p_values.append(permutation_p(np.arange(90), nearest_of(points, 5), (60, 30), random))
        if seed == 0:
            points[:60] += 1.5
            assert permutation_p(np.arange(90), nearest_of(points, 5), (60, 30), random) == 0.001
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2
    assert 0.35 <= np.mean(p_values) <= 0.65


def nearest_of(points: Vectors, k: int) -> NDArray[np.int64]:
    squares = np.square(points[:, None] - points).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    return np.argsort(squares, axis=1)[:, :k]


def test_permutation_p_is_uniform_whichever_images_are_drawn_as_centers() -> None:
    # As many of either dataset, as many as their sizes ask for, and hardly any of the smaller one.
    for few, many in ((30, 30), (12, 48), (3, 57)):
        p_values = []
        for seed in range(60):
            random = np.random.default_rng(seed)
            nearest = nearest_of(random.normal(size=(150, 3)), 5)
            centers = np.concatenate([np.arange(few), 30 + np.arange(many)])
            p_values.append(permutation_p(centers, nearest[centers], (30, 120), random))
        assert kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_two_sample_p_of_unequal_datasets_of_which_a_part_is_drawn_means_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each level is a draw of its own; at the last one the few are shifted.
    monkeypatch.setattr(metrics, "_MAX_CENTERS", 90)
    random = np.random.default_rng(0)
    draws = {f"N{level}": random.normal(size=(200, 4)) for level in range(9)}
    draws["S"] = random.normal(size=(200, 4)) + (np.arange(200) < 50)[:, None]
    few, many = ({level: points[part] for level, points in draws.items()} for part in (slice(50), slice(50, None)))
    levels = compare_vectors(tmp_path / "run", {"few": few, "many": many}).metrics["levels"]
    for pair in ("few-vs-many", "many-vs-few"):
        p = {level: numbers["pairs"][pair]["measures"]["two_sample"]["p"] for level, numbers in levels.items()}
        assert p.pop("S") <= 0.01
        assert kstest(list(p.values()), "uniform").pvalue > 0.01


def test_floors_are_what_halves_give_and_the_gap_stands_above_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = {
        "a": {"P2": random.normal(size=(240, 8)), "P3": random.normal(size=(240, 8))},
        "b": {"P2": random.normal(size=(240, 8)), "P3": random.normal(size=(240, 8)) + np.eye(8)[0] * 2},
    }
    levels = compare_vectors(tmp_path / "run", vectors).metrics["levels"]
    alike, different = (levels[level]["pairs"]["a-vs-b"]["measures"] for level in ("P2", "P3"))
    assert 0.6 < (alike["frechet"]["ratio"] or 0) < 1.6
    assert (different["frechet"]["ratio"] or 0) > 4
    assert interval(alike["kid"])[0] <= 0.003
    assert interval(different["kid"])[0] > 0
    assert alike["two_sample"]["p"] > 0.05
    assert different["two_sample"]["p"] == 0.001
    for name in ("precision", "recall", "density", "coverage"):
        assert alike[name]["value"] == pytest.approx(alike[name]["floor"], abs=0.08)
    assert interval(different["coverage"])[1] < (different["coverage"]["floor"] or 0)
