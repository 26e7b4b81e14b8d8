"""Every number against an independent implementation, on the same vectors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from prdc import compute_prdc
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from vector_run import compare_vectors

from gapscope.compare.frechet import frechet_distance, gaussian_of, gaussian_of_tiles
from gapscope.compare.kernel import Weighted, kernel_distance
from gapscope.compare.support import coverage_by_chance
from gapscope.compare.two_sample import permutation_p, share_by_chance
from gapscope.run import Run

Vectors = NDArray[np.float64]


def heavy(size: int, channels: int, seed: int, shift: float = 0.0) -> Vectors:
    """Embeddings with tails as heavy as real ones never have."""
    random = np.random.default_rng(seed)
    mixed = random.standard_t(2.5, size=(size, channels)) @ random.normal(size=(channels, channels))
    return np.asarray(mixed + shift)


def on_sphere(run: Run, level: str) -> tuple[Vectors, Vectors]:
    """What the run measures on, made from its embeddings by the formula: standardised, of length 1."""
    raw = [run.embeddings(name, level).astype(np.float64) for name in run.datasets]
    raw = [rows[np.isfinite(rows).all(axis=1)] for rows in raw]
    together = np.concatenate(raw)
    unit = [(rows - together.mean(axis=0)) / together.std(axis=0) for rows in raw]
    first, second = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in unit)
    return first, second


def plain_frechet(query: Vectors, reference: Vectors) -> float:
    """As torch-fidelity and clean-fid have it: with the square root of a matrix."""
    one, other = np.cov(query, rowvar=False), np.cov(reference, rowvar=False)
    apart = np.square(query.mean(axis=0) - reference.mean(axis=0)).sum()
    root = sqrtm((one + 1e-10 * np.eye(len(one))) @ (other + 1e-10 * np.eye(len(one))))
    return float(apart + np.trace(one) + np.trace(other) - 2 * np.trace(root).real)


def plain_kid(query: Vectors, reference: Vectors) -> float:
    scaled = [rows * np.sqrt(query.shape[1]) for rows in (query, reference)]
    within = [polynomial_kernel(rows, degree=3, coef0=1) for rows in scaled]
    off = [(kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in within]
    return float(sum(off) - 2 * polynomial_kernel(*scaled, degree=3, coef0=1).mean())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A shifted pair of different sizes, with rejected images; P3 has more dimensions than images."""
    vectors = {
        "real": {"P2": heavy(260, 12, 0), "P3": heavy(260, 300, 1)},
        "synthetic": {"P2": heavy(190, 12, 2, 0.6), "P3": heavy(190, 300, 3, 0.2)},
    }
    return compare_vectors(tmp_path_factory.mktemp("measures") / "run", vectors, broken={"real": 3, "synthetic": 1})


@pytest.mark.parametrize("level", ["P2", "P3"])
def test_precision_recall_density_and_coverage_are_those_of_prdc(run: Run, level: str) -> None:
    first, second = on_sphere(run, level)
    for query, reference, pair in ((first, second, "real-vs-synthetic"), (second, first, "synthetic-vs-real")):
        expected = compute_prdc(real_features=reference, fake_features=query, nearest_k=5)
        found = run.metrics["levels"][level]["pairs"][pair]["measures"]
        for name, value in expected.items():
            assert found[name]["value"] == pytest.approx(value, abs=1e-4), name
            assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


@pytest.mark.parametrize("level", ["P2", "P3"])
def test_frechet_and_kid_are_those_of_plain_formulas(run: Run, level: str) -> None:
    query, reference = on_sphere(run, level)
    for pair in ("real-vs-synthetic", "synthetic-vs-real"):
        found = run.metrics["levels"][level]["pairs"][pair]["measures"]
        # Fewer images than dimensions: the plain form is off by the ridge that it cannot do without.
        assert found["frechet"]["value"] == pytest.approx(plain_frechet(query, reference), abs=1e-4)
        assert found["kid"]["value"] == pytest.approx(plain_kid(query, reference), abs=1e-4)


def test_density_counts_all_images_in_a_ball_that_holds_more_than_the_graph_keeps(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = {"many": {"P2": random.normal(size=(900, 3))}, "few": {"P2": random.normal(size=(60, 3))}}
    run = compare_vectors(tmp_path / "run", vectors)
    many, few = on_sphere(run, "P2")
    expected = compute_prdc(real_features=few, fake_features=many, nearest_k=5)
    found = run.metrics["levels"]["P2"]["pairs"]["many-vs-few"]["measures"]
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-4), name


def test_frechet_distance_of_tiles_is_that_of_all_rows_also_with_dimensions_that_never_change() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 8)) / 3)
    rows[:, 5] = 0.25
    other = torch.from_numpy(np.random.default_rng(1).normal(size=(300, 8)) / 3)
    whole = frechet_distance(gaussian_of(rows), gaussian_of(other))
    tiled = frechet_distance(gaussian_of_tiles(rows.split(64)), gaussian_of(other))
    assert tiled == pytest.approx(whole, abs=1e-6)
    assert whole == pytest.approx(plain_frechet(rows.numpy(), other.numpy()), abs=1e-4)
    assert frechet_distance(gaussian_of(rows), gaussian_of(rows)) < 1e-6


def test_kernel_distance_weighs_as_if_rows_were_repeated() -> None:
    random = np.random.default_rng(0)
    rows, other = (random.normal(size=(size, 6)) for size in (1100, 40))
    rows, other = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, other))
    kept = random.random(len(rows)) < 0.5
    found = kernel_distance(
        Weighted(
            rows=torch.from_numpy(rows), weights=torch.from_numpy(np.stack([np.ones(1100), kept], axis=1).astype(float))
        ),
        Weighted(rows=torch.from_numpy(other), weights=torch.ones((40, 2), dtype=torch.float64)),
    )
    assert found.tolist() == pytest.approx([plain_kid(rows, other), plain_kid(rows[kept], other)], abs=1e-9)


def test_what_is_expected_by_chance_is_what_halves_of_one_dataset_have() -> None:
    random = np.random.default_rng(0)
    shares, covered = [], []
    for _ in range(40):
        points = random.standard_t(3, size=(90, 4))
        one, other = points[:60], points[60:]
        covered.append(compute_prdc(real_features=other, fake_features=one, nearest_k=5)["coverage"])
        apart = np.square(points[:, None] - points).sum(axis=2)
        np.fill_diagonal(apart, np.inf)
        near = np.argsort(apart, axis=1)[:, :5]
        shares.append(((near < 60) == (np.arange(90) < 60)[:, None]).mean())
    assert np.mean(covered) == pytest.approx(coverage_by_chance(5, 60, 30), abs=0.01)
    assert np.mean(shares) == pytest.approx(share_by_chance(60, 30), abs=0.01)


def test_permutation_p_is_uniform_where_nothing_differs_and_small_where_something_does() -> None:
    found = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        points = random.normal(size=(90, 3))
        apart = np.square(points[:, None] - points).sum(axis=2)
        np.fill_diagonal(apart, np.inf)
        near = np.argsort(apart, axis=1)[:, :5]
        found.append(permutation_p(np.arange(90), near, (60, 30), random))
        if seed == 0:
            points[:60] += 1.5
            apart = np.square(points[:, None] - points).sum(axis=2)
            np.fill_diagonal(apart, np.inf)
            assert permutation_p(np.arange(90), np.argsort(apart, axis=1)[:, :5], (60, 30), random) == 0.001
    assert np.mean(np.array(found) <= 0.1) <= 0.2
    assert 0.35 <= np.mean(found) <= 0.65


def test_floors_are_what_halves_give_and_the_gap_stands_above_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = {
        "a": {"P2": random.normal(size=(240, 8)), "P3": random.normal(size=(240, 8))},
        "b": {"P2": random.normal(size=(240, 8)), "P3": random.normal(size=(240, 8)) + np.eye(8)[0] * 2},
    }
    levels = compare_vectors(tmp_path / "run", vectors).metrics["levels"]
    alike, apart = (levels[level]["pairs"]["a-vs-b"]["measures"] for level in ("P2", "P3"))
    assert 0.6 < alike["frechet"]["ratio"] < 1.6
    assert apart["frechet"]["ratio"] > 4
    assert alike["kid"]["low"] <= 0.003
    assert apart["kid"]["low"] > 0
    assert alike["two_sample"]["p"] > 0.05
    assert apart["two_sample"]["p"] == 0.001
    for name in ("precision", "recall", "density", "coverage"):
        assert alike[name]["value"] == pytest.approx(alike[name]["floor"], abs=0.08)
    assert apart["coverage"]["high"] < apart["coverage"]["floor"]
