"""From run to run: what counts as a change, and that both runs are measured by one scaler."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from typer.testing import CliRunner
from vector_run import compare_vectors

from gapscope.compare.interval import Interval
from gapscope.compare.remeasure import Sample, kernel_interval, nearest_groups, remeasure, share_interval
from gapscope.diff.chance import SURE, holm
from gapscope.diff.numbers import SAME, Change, diff_runs, judge, level_verdicts
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler
from gapscope.run import Run
from gapscope.store.groups import ImageGroups
from gapscope_cli.main import app

Points = NDArray[np.float64]


def cloud(size: int, seed: int, shift: float = 0.0) -> Points:
    points: Points = np.random.default_rng(seed).normal(size=(size, 16))
    points[:, 0] += shift
    return points


def numbers_of(run: Run, level: str, pair: str) -> dict[str, Interval]:
    metrics = run.metrics["levels"][level]["pairs"][pair]
    kid = metrics["measures"]["kid"]
    assert kid["low"] is not None
    assert kid["high"] is not None
    return {
        "share_outside": (metrics["share_outside"], metrics["share_outside_low"], metrics["share_outside_high"]),
        "kid": (kid["value"], kid["low"], kid["high"]),
    }


def clips(count: int, seed: int, names: str) -> tuple[Points, list[str]]:
    """Clips of one to six frames, which lie around their scene."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 7, count)
    points = np.repeat(cloud(count, seed + 1), lengths, axis=0)
    return points + 0.2 * random.normal(size=points.shape), [
        f"{names} {at}" for at in np.repeat(np.arange(count), lengths)
    ]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("grouped", [False, True])
def test_by_its_own_scaler_a_run_has_the_numbers_that_it_has(tmp_path: Path, metric: Any, grouped: bool) -> None:
    if grouped:
        real, of_real = clips(70, 1, "scene")
        synthetic, of_synthetic = clips(60, 5, "take")
        # Ten groups are the same scenes in both.
        of_synthetic = [name.replace("take", "scene") if int(name[5:]) < 10 else name for name in of_synthetic]
        group: dict[str, list[str]] | None = {"real": of_real, "synthetic": of_synthetic}
    else:
        real, synthetic, group = cloud(120, 1), cloud(100, 2, shift=1.5), None
        # Forty copies of one image, which the other dataset has too, and nearly.
        real[60:100], synthetic[7], synthetic[8] = real[3], real[3], real[4] + 0.01
    run = compare_vectors(
        tmp_path / "run",
        {"real": {"P3": real}, "synthetic": {"P3": synthetic}},
        metric=metric,
        broken={"real": 2},
        group=group,
    )
    again = remeasure(run.store, "P3", run.pairs, run.record.scaler["P3"], run.record.config.compare.k)
    for pair in run.pairs:
        assert again[pair] == numbers_of(run, "P3", pair.name)


def test_of_many_or_long_groups_a_part_is_compared() -> None:
    groups = ImageGroups.of_values(np.arange(60), np.repeat([f"clip {at}" for at in range(20)], 3).astype(object))
    part = groups.take(np.array([3, 4, 11]))
    assert part.lengths.tolist() == [3, 3, 3]
    assert part.names is not None
    assert groups.names is not None
    for number, whole in enumerate((3, 4, 11)):
        assert part.name(number, None) == groups.name(whole, None)
        assert part.rows[part.group == number].tolist() == groups.rows[groups.group == whole].tolist()
        assert part.representative_rows[number] == groups.representative_rows[whole]


@pytest.fixture(scope="module")
def with_and_without_a_third(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same two datasets, and with them a third one far away, which the scaler is then mostly about."""
    folder = tmp_path_factory.mktemp("diff")
    vectors = {"real": {"P3": cloud(150, 1), "P4": cloud(150, 2)}, "synthetic": {}}
    vectors["synthetic"] = {"P3": cloud(150, 3, shift=1.2), "P4": cloud(150, 4)}
    third = {"P3": 8 * cloud(150, 5, shift=6), "P4": 8 * cloud(150, 6, shift=-6)}
    return compare_vectors(folder / "two", vectors), compare_vectors(folder / "three", vectors | {"third": third})


def test_a_third_dataset_changes_nothing_between_the_other_two(with_and_without_a_third: tuple[Run, Run]) -> None:
    two, three = with_and_without_a_third
    # By its own scaler the second run has other numbers for the same images.
    own = [numbers_of(run, "P3", "real-vs-synthetic")["share_outside"][0] for run in (two, three)]
    assert abs(own[0] - own[1]) > 0.1
    for before, after in ((two, three), (three, two)):
        changes = diff_runs(before, after)
        assert set(changes["query"]) | set(changes["reference"]) == {"real", "synthetic"}
        assert {*changes["verdict"]} == {SAME}
        as_is = changes[changes["reading"] == "as-is"]
        np.testing.assert_allclose(as_is["after"], as_is["before"], rtol=1e-6, atol=1e-6)


def test_what_only_one_run_has_is_left_out_and_named(with_and_without_a_third: tuple[Run, Run]) -> None:
    paths = [str(run.path) for run in with_and_without_a_third]
    for arguments in (paths, paths[::-1]):
        done = CliRunner().invoke(app, ["diff", *arguments])
        assert done.exit_code == 0, done.output
        said = [line for line in done.stdout.splitlines() if "third" in line]
        assert said == [f"left out: third (only in {paths[1]})"]
        assert len([line for line in done.stdout.splitlines() if line.startswith("  P")]) == 8
    assert "left out" not in CliRunner().invoke(app, ["diff", paths[0], paths[0]]).stdout


def test_with_style_aside_each_run_has_its_own_numbers(with_and_without_a_third: tuple[Run, Run]) -> None:
    two, three = (Run(run.store) for run in with_and_without_a_third)
    for run, kid in ((two, 0.5), (three, 0.1)):
        level: Any = run.metrics["levels"]["P3"]
        own = {key: level["pairs"][key] for key in ("real-vs-synthetic", "synthetic-vs-real")}
        measure = {"value": kid, "low": kid - 0.05, "high": kid + 0.05, "floor": None, "ratio": None}
        run.metrics["levels"]["P4"]["style_aside"] = {}
        level["style_aside"] = {
            name: {**pair, "share_outside": 0.2, "share_outside_low": 0.1, "share_outside_high": 0.3}
            | {"measures": {"kid": measure}, "trimmed": False}
            for name, pair in own.items()
        }
    changes = diff_runs(two, three)
    aside = changes[changes["reading"] == "style-aside"]
    assert set(aside["level"]) == {"P3"}
    assert aside["number"].tolist() == ["share_outside", "kid"] * 2
    assert aside["before"].tolist() == [0.2, 0.5] * 2
    assert aside["after"].tolist() == [0.2, 0.1] * 2
    verdicts = level_verdicts(changes)
    assert verdicts[["level", "reading", "verdict"]].values.tolist() == 2 * [
        ["P3", "as-is", SAME],
        ["P3", "style-aside", "closing"],
    ] + 2 * [["P4", "as-is", SAME]]


def test_holms_correction_is_that_of_the_paper() -> None:
    assert holm({}) == {}
    assert holm({1: 0.02, 2: 0.02, 3: 0.9, 4: 0.001}) == pytest.approx({4: 0.004, 1: 0.06, 2: 0.06, 3: 0.9})
    # The kernel distance counts once for a pair and the pair reversed; the share does not.
    sides = [("a", "b"), ("b", "a")]
    before, after = (0.5, 0.4, 0.6), (0.4, 0.3, 0.5)
    kid, share = (
        judge([Change("P3", *side, "as-is", number, before, after) for side in sides])["p"]
        for number in ("kid", "share_outside")
    )
    assert share[0] == pytest.approx(2 * kid[0])
    assert kid[0] == kid[1]


def measured(
    first: Points, second: Points, scaler: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> dict[tuple[str, str], dict[str, Interval]]:
    """Numbers per ordered pair, as runs measure them."""
    samples = {}
    for name, points in (("paintings", first), ("photos", second)):
        array = zarr.create_array({}, data=points.astype(np.float16))
        view = EmbeddingView(array, np.arange(len(points)), *scaler)
        samples[name] = Sample.of(view, ImageGroups.singles(view.rows))
    within = {name: nearest_groups(sample, sample, 5, same=True) for name, sample in samples.items()}
    kid = kernel_interval(samples["paintings"], samples["photos"])
    assert kid is not None
    return {
        (query, reference): {
            "share_outside": share_interval(samples[query], samples[reference], (within[query], within[reference]), 5),
            "kid": kid,
        }
        for query, reference in (("paintings", "photos"), ("photos", "paintings"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_two_draws_of_the_same_dataset_seldom_have_any_verdict(shift: float) -> None:
    def draw_of(random: np.random.Generator) -> Callable[[float], Points]:
        mixing = random.normal(size=(12, 12))
        return lambda moved: random.normal(size=(150, 12)) @ mixing + moved

    diffs, any_verdict, any_alone = 100, 0, 0
    for seed in range(diffs):
        changes = []
        for level in range(4):
            draw = draw_of(np.random.default_rng([seed, level]))
            photos, paintings, others = draw(0.0), draw(shift), draw(shift)
            scaler = fit_scaler([part.astype(np.float32) for part in (paintings, photos)])
            before, after = (measured(version, photos, scaler) for version in (paintings, others))
            changes += [
                Change(f"P{level}", pair[0], pair[1], "as-is", number, before[pair][number], after[pair][number])
                for pair in before
                for number in before[pair]
            ]
        table = judge(changes)
        any_verdict += bool((table["verdict"] != SAME).any())
        any_alone += any((judge([change])["p"] <= SURE).any() for change in changes)
    assert any_verdict <= 0.08 * diffs, f"{any_verdict} of {diffs}; {any_alone} without the correction"
