"""Copies: how many are too many, that they are outside of nothing that has them, and that clones weigh as one."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from vector_run import compare_vectors

from gapscope.compare.headline import describe_duplicates
from gapscope.compare.outlier_scores import OutlierScores, knn_radius, score_outliers
from gapscope.run import Run
from gapscope.settings import CompareSettings
from gapscope.store.datasets import Pair
from gapscope.store.groups import read_all_groups

Points = NDArray[np.float64]
COPIES = 60


def cloud(size: int, seed: int) -> Points:
    return np.random.default_rng(seed).normal(size=(size, 16))


def scores_of(run: Run, pair: Pair) -> OutlierScores:
    groups = read_all_groups(run.store)
    radius = knn_radius(run.store, "P3", pair.reference, 5, groups[pair.reference])
    both = groups[pair.query], groups[pair.reference]
    return score_outliers(run.store, "P3", pair, radius, both, CompareSettings())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """100 real images and 60 copies of a picture that lies apart from all others, which is in the synthetic set too.

    Two more real images are nearly copies of each other, and one is nearly a copy of a synthetic one.
    """
    real, synthetic = cloud(160, 1), cloud(120, 2)
    real[100:] = synthetic[7] = 8 * np.eye(16)[0]
    real[5], real[6] = real[4] + 0.01, synthetic[9] + 0.01
    vectors = {"real": {"P2": real, "P3": real}, "synthetic": {"P2": synthetic, "P3": synthetic}}
    return compare_vectors(tmp_path_factory.mktemp("clones") / "run", vectors)


def test_of_sixty_copies_fifty_nine_are_too_many_and_all_have_one_on_the_other_side(run: Run) -> None:
    pairs = run.metrics["duplicates"]["pairs"]
    assert pairs == {
        "real-vs-real": {"exact": COPIES - 1, "near": 1},
        "real-vs-synthetic": {"exact": COPIES, "near": 1},
        "synthetic-vs-synthetic": {"exact": 0, "near": 0},
    }
    said = {name: describe_duplicates(run.record, Pair(*name.split("-vs-")), counts) for name, counts in pairs.items()}
    assert said == {
        "real-vs-real": "duplicates real: 59 exact copies and 1 near copy too many",
        "real-vs-synthetic": (
            "duplicates real and synthetic: 60 real images have an exact copy and 1 a near one in synthetic"
        ),
        "synthetic-vs-synthetic": None,
    }
    # Without them no image is there twice.
    assert len((run.path / "manifests" / "duplicates.txt").read_text().splitlines()) == COPIES + 2


def test_copies_of_what_the_reference_has_are_under_represented_at_most(run: Run) -> None:
    for level in run.levels:
        listed = run.outliers(level, "real", "synthetic").set_index("row")
        assert {*listed.loc[listed.index >= 100, "reason"]} <= {"under-represented"}
        assert (listed.loc[listed.index >= 100, "outside_p"] == 1).all()
        assert (listed.loc[listed.index >= 100, "nearest_distance"] == 0).all()
    assert run.metrics["levels"]["P3"]["pairs"]["real-vs-synthetic"]["share_outside"] < 0.2


def test_clones_count_once_and_share_their_q(run: Run) -> None:
    for pair in run.pairs:
        scores = scores_of(run, pair)
        clones = np.arange(len(scores.groups)) >= 100 if pair.query == "real" else np.zeros(120, bool)
        expected = np.where(clones, 100, np.arange(len(scores.groups)))
        assert (scores.first is None) == (not clones.any())
        if scores.first is not None:
            assert scores.first.tolist() == expected.tolist()
        once = np.unique(expected)
        for p, q in ((scores.outside_p, scores.outside_q), (scores.under_p, scores.under_q)):
            np.testing.assert_allclose(q[once], false_discovery_control(p[once]))
            assert len(np.unique(q[clones])) <= 1


def test_clones_cannot_carry_each_other_over_the_threshold(tmp_path: Path) -> None:
    # Forty of 240 with the smallest p-value there is would all be sure; one of 201 is not.
    real, synthetic = cloud(240, 1), cloud(200, 2)
    real[200:] = 30 * np.eye(16)[0]
    run = compare_vectors(tmp_path / "run", {"real": {"P3": real}, "synthetic": {"P3": synthetic}})
    scores = scores_of(run, Pair("real", "synthetic"))
    assert (scores.outside_p[200:] == 1 / 201).all()
    assert (2 * false_discovery_control(scores.outside_p)[200:] <= scores.fdr).all()
    assert not scores.outside[200:].any()
    # Across levels they count once too.
    across = run.outliers_across_levels("real", "synthetic")
    np.testing.assert_allclose(
        across["q"].max(), false_discovery_control(scores.p[:201])[across["row"].clip(upper=200)].max()
    )


def test_a_clip_whose_frames_are_nearly_in_the_reference_is_not_outside(tmp_path: Path) -> None:
    # Two frames of the first clip and one of the second nearly are those of a clip that lies apart from all others.
    scenes = np.repeat(cloud(80, 1), 3, axis=0) + 0.3 * cloud(240, 2)
    others = np.repeat(cloud(80, 3), 3, axis=0) + 0.3 * cloud(240, 4)
    others[:3] = 9 * np.eye(16)[0]
    scenes[:6] = 9 * np.eye(16)[1]
    scenes[[0, 1, 3]] = 9 * np.eye(16)[0] + 0.01
    group = {name: [f"{name} {at // 3}" for at in range(240)] for name in ("drives", "renders")}
    vectors = {"drives": {"P3": scenes}, "renders": {"P3": others}}
    run = compare_vectors(tmp_path / "run", vectors, group=group)
    table = run.group_outliers("P3", "drives", "renders")
    p = dict(zip(table["group"], table["outside_p"], strict=True))
    assert p["drives 0"] == 1
    assert p["drives 1"] < 0.2
