"""Style aside: content that is missing beneath a difference of look, and what may be said of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from vector_run import compare_vectors

from gapscope.compare.outlier_scores import matched_counts
from gapscope.compare.style_aside import way_back_p
from gapscope.compare.style_scaler import trimmed_style_scalers
from gapscope.errors import RunError
from gapscope.run import Run
from gapscope.store.datasets import Pair
from gapscope.store.layouts import remove_results
from gapscope.store.manifests import manifest_path
from gapscope.store.metrics import StyleAsideMetrics
from gapscope.store.scores import read_scores, scores_path
from gapscope.verify import verify

Points = NDArray[np.float64]

KINDS, CHANNELS = 6, 24


def pictures(kinds: NDArray[np.int64], seed: int) -> Points:
    """Vectors of images of some kinds, whose centers are the same for every seed."""
    centers = 1.5 * np.random.default_rng(99).normal(size=(KINDS, CHANNELS))
    return centers[kinds] + np.random.default_rng(seed).normal(size=(len(kinds), CHANNELS))


def look(images: Points) -> Points:
    """Other units and another zero for every dimension: a difference of look, and nothing else."""
    random = np.random.default_rng(7)
    return images * random.uniform(0.4, 2.5, CHANNELS) + random.normal(scale=6, size=CHANNELS)


def two_lights(images: Points) -> Points:
    """A look that is more than mean and spread: a third of the dimensions says on or off, whatever an image shows."""
    random = np.random.default_rng(8)
    lit = images.copy()
    lit[:, -8:] = 1.5 * np.sign(random.normal(size=(len(images), 8))) + 0.2 * images[:, -8:]
    return look(lit)


def bent(images: Points) -> Points:
    """Another such look: a light that falls on some dimensions, brightly on some images."""
    random = np.random.default_rng(8)
    lit: Points = images + 3 * np.abs(random.normal(size=(len(images), 1)) * random.normal(size=(1, CHANNELS)))
    return lit


def kinds(size: int, seed: int, without: int | None = None) -> NDArray[np.int64]:
    numbers = np.random.default_rng(seed).integers(0, KINDS, size)
    return numbers if without is None else np.where(numbers == without, (without + 1) % KINDS, numbers)


def numbers_of(run: Run, level: str = "P5", pair: str = "real-vs-synthetic") -> StyleAsideMetrics:
    return run.metrics["levels"][level]["style_aside"][pair]


REAL = kinds(400, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything differs in look at P5, and one kind is missing besides; at P4 the look alone differs."""
    real = {"P4": pictures(REAL, 2), "P5": pictures(REAL, 3)}
    synthetic = {"P4": look(pictures(kinds(360, 4), 5)), "P5": look(pictures(kinds(360, 4, without=0), 6))}
    return compare_vectors(tmp_path_factory.mktemp("style") / "run", {"real": real, "synthetic": synthetic})


def test_what_is_missing_is_found_beneath_a_look_that_all_images_share(run: Run) -> None:
    as_is = run.metrics["levels"]["P5"]["pairs"]["real-vs-synthetic"]
    assert as_is["outlier_share"] > 0.95
    table = run.outliers("P5", "real", "synthetic", "style-aside")
    listed = table["row"][table["listed"]].to_numpy()
    missing = np.flatnonzero(REAL == 0)
    assert np.isin(missing, listed).mean() > 0.9
    assert np.isin(listed, missing).mean() > 0.85
    assert (REAL[table["row"].to_numpy()[:40]] == 0).all()
    assert numbers_of(run)["outliers"] == len(listed) == table["listed"].sum()


def test_the_headline_says_how_much_is_left_without_the_look(run: Run) -> None:
    head = run.metrics["headlines"]["real-vs-synthetic"]
    assert head.startswith("Nearly everything differs at every level: ")
    assert "with each set's overall look taken out, " in head
    share = f"{numbers_of(run)['outlier_share']:.0%}"
    assert f"taken out, {share} at P5" in head


def test_units_and_zeros_of_the_dimensions_change_nothing_style_aside(run: Run, tmp_path: Path) -> None:
    real, synthetic = pictures(REAL, 3), pictures(kinds(360, 4, without=0), 6)
    plain = compare_vectors(tmp_path / "run", {"real": {"P5": real}, "synthetic": {"P5": synthetic}})
    sides = [each.scores("P5", "real", "synthetic", "style-aside")["score"] for each in (plain, run)]
    # Embeddings are stored in half precision, once at 0 and once at 6 or more.
    np.testing.assert_allclose(sides[0], sides[1], atol=0.02)
    listed = [set(each.outliers("P5", "real", "synthetic", "style-aside")["row"]) for each in (plain, run)]
    assert len(listed[0] ^ listed[1]) <= 0.05 * len(listed[0])


def test_scores_are_averaged_with_the_nearest_of_the_own_dataset(run: Run) -> None:
    scaled = {}
    for name in run.datasets:
        vectors = run.embeddings(name, "P5").astype(np.float64)
        scaler = run.record.scaler["P5"]
        vectors = (vectors - np.array(scaler.mean)) / np.array(scaler.std)
        scaled[name] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    across = np.sort(1 - scaled["real"] @ scaled["synthetic"].T, axis=1)[:, 4]
    within = 1 - scaled["real"] @ scaled["real"].T
    np.fill_diagonal(within, np.inf)
    friends = np.argsort(within, axis=1)[:, :15]
    expected = (across + across[friends].sum(axis=1)) / 16
    scores = run.scores("P5", "real", "synthetic")
    assert scores["row"].tolist() == list(range(400))
    np.testing.assert_allclose(scores["score"], expected, atol=1e-4)
    manifest = run.outliers("P5", "real", "synthetic")
    np.testing.assert_allclose(manifest["distance"], across[manifest["row"]], atol=1e-4)
    np.testing.assert_allclose(manifest["score"], expected[manifest["row"]], atol=1e-4)


def test_where_nearly_everything_is_listed_the_farthest_come_first(run: Run) -> None:
    assert run.outliers("P5", "real", "synthetic")["score"].is_monotonic_decreasing


def test_a_look_that_is_more_than_mean_and_spread_gives_a_suggestion_or_none(tmp_path: Path) -> None:
    real, whole = pictures(REAL, 3), two_lights(pictures(kinds(380, 4), 6))
    nothing = compare_vectors(tmp_path / "whole", {"real": {"P5": real}, "synthetic": {"P5": whole}})
    numbers = numbers_of(nothing)
    assert numbers["basis"] != "calibrated"
    assert numbers["residual"] > 0.05
    assert numbers["outlier_share"] <= 0.03
    table = nothing.outliers("P5", "real", "synthetic", "style-aside")
    if not numbers["outliers"]:
        # Then the ranking is there, and none of it is listed.
        assert len(table) == 400
        assert not table["listed"].any()
        assert (manifest_path(nothing.path, "P5", Pair("real", "synthetic"), "style-aside")).with_suffix(
            ".txt"
        ).read_text() == ""
    part = two_lights(pictures(kinds(380, 4, without=0), 6))
    missing = compare_vectors(tmp_path / "part", {"real": {"P5": real}, "synthetic": {"P5": part}})
    assert numbers_of(missing)["basis"] == "suggested"
    table = missing.outliers("P5", "real", "synthetic", "style-aside")
    assert (REAL[table["row"].to_numpy()[:30]] == 0).mean() > 0.8
    assert set(table["reason"][table["listed"]]) <= {"suggested"}


def test_where_the_tests_list_nearly_everything_they_promise_nothing(tmp_path: Path) -> None:
    vectors = {"real": {"P5": pictures(REAL, 3)}, "synthetic": {"P5": bent(pictures(kinds(380, 4), 6))}}
    run = compare_vectors(tmp_path / "run", vectors)
    for pair in ("real-vs-synthetic", "synthetic-vs-real"):
        assert numbers_of(run, pair=pair)["basis"] != "calibrated"


def test_a_level_that_sees_no_content_across_gives_no_list(tmp_path: Path) -> None:
    # At P5 the kinds are the same places in both. At P2 a kind of the one lies where another one of the other does.
    other_kinds = kinds(380, 4)
    swapped = two_lights(pictures((other_kinds + 1) % KINDS, 6))
    vectors = {
        "real": {"P2": pictures(REAL, 3), "P5": pictures(REAL, 13)},
        "synthetic": {"P2": swapped, "P5": pictures(other_kinds, 16)},
    }
    run = compare_vectors(tmp_path / "run", vectors)
    blind = numbers_of(run, "P2")
    assert blind["content"] is not None
    assert blind["content"] < 0.5
    assert (blind["basis"], blind["outliers"]) == ("ranking", 0)
    table = run.outliers("P2", "real", "synthetic", "style-aside")
    assert len(table) == 400
    assert not table["listed"].any()
    assert table["reason"].eq("").all()


def test_one_level_alone_cannot_tell_what_it_sees(tmp_path: Path) -> None:
    vectors = {"real": {"P5": pictures(kinds(60, 1), 2)}, "synthetic": {"P5": pictures(kinds(60, 3), 4)}}
    assert numbers_of(compare_vectors(tmp_path / "run", vectors))["content"] is None


@pytest.mark.parametrize("readings", ["as-is", "style-aside"])
def test_one_reading_alone_writes_its_own_lists(tmp_path: Path, readings: Any) -> None:
    vectors = {"real": {"P5": pictures(kinds(80, 1), 2)}, "synthetic": {"P5": look(pictures(kinds(70, 3), 4))}}
    run = compare_vectors(tmp_path / "run", vectors, readings=readings)
    other = "as-is" if readings == "style-aside" else "style-aside"
    assert scores_path(run.path, "P5", Pair("real", "synthetic"), readings).exists()
    assert not scores_path(run.path, "P5", Pair("real", "synthetic"), other).exists()  # type: ignore[arg-type]
    assert len(run.outliers("P5", "real", "synthetic", readings)) >= 0
    with pytest.raises(RunError, match=f"lists nothing {other}"):
        run.outliers("P5", "real", "synthetic", other)  # type: ignore[arg-type]
    assert bool(run.metrics["levels"]["P5"]["style_aside"]) == (readings == "style-aside")
    assert verify(run.path).sound


def test_scores_that_are_lost_or_cut_are_noticed(tmp_path: Path) -> None:
    vectors = {"real": {"P5": pictures(kinds(80, 1), 2)}, "synthetic": {"P5": pictures(kinds(70, 3), 4)}}
    run = compare_vectors(tmp_path / "run", vectors)
    assert len(read_scores(run.path, "P5", Pair("real", "synthetic"), "style-aside")) == 80
    scores_path(run.path, "P5", Pair("real", "synthetic"), "style-aside").unlink()
    assert not verify(run.path).sound


def test_clips_are_ranked_as_clips(tmp_path: Path) -> None:
    scenes = kinds(120, 1)
    frames = np.repeat(scenes, 4)
    wobble = 0.2 * np.random.default_rng(5).normal(size=(len(frames), CHANNELS))
    real = np.repeat(pictures(scenes, 2), 4, axis=0) + wobble
    synthetic = look(pictures(kinds(130, 3, without=0), 4))
    group = {"real": np.repeat(np.arange(120), 4).tolist()}
    run = compare_vectors(tmp_path / "run", {"real": {"P5": real}, "synthetic": {"P5": synthetic}}, group=group)
    ranking = run.group_outliers("P5", "real", "synthetic", "style-aside")
    first = ranking["group"].astype(int).to_numpy()[:12]
    assert (scenes[first] == 0).mean() > 0.9
    table = run.outliers("P5", "real", "synthetic", "style-aside")
    assert table.groupby("group")["p"].nunique().max() == 1


def test_two_draws_of_one_population_need_no_trimming() -> None:
    trimmed = 0
    for seed in range(20):
        samples = [pictures(kinds(150, seed), 50 + seed), pictures(kinds(150, 100 + seed), 150 + seed)]
        trimmed += trimmed_style_scalers([sample.astype(np.float32) for sample in samples], "cosine") is not None
    assert trimmed <= 4
    few = [pictures(kinds(30, 1), 2).astype(np.float32), two_lights(pictures(kinds(30, 3), 4)).astype(np.float32)]
    assert trimmed_style_scalers(few, "cosine") is None


def test_the_way_back_is_the_measure_of_the_way_there() -> None:
    random = np.random.default_rng(0)
    back = random.gamma(9, size=1000).astype(np.float32)
    # The same shape in other units, and a kind that lies beyond.
    there = np.concatenate([4 * random.gamma(9, size=900) + 5, np.full(100, 200)]).astype(np.float32)
    p = way_back_p(there, back, (0, 0))
    assert (false_discovery_control(p[900:], method="bh") <= 0.1).all()
    assert np.mean(p[:900] <= 0.05) <= 0.06
    # What lies as far on the way back is no outlier.
    both = np.concatenate([back, np.full(110, back.max() * 4)]).astype(np.float32)
    assert (way_back_p(there, both, (0, 0)) > 0.01).all()
    # Averages over many are fewer: less is sure.
    assert way_back_p(there, back, (15, 15))[950] >= p[950]
    assert np.isfinite(way_back_p(np.full(5, np.inf, np.float32), back, (0, 0))).all()


def test_both_ways_count_the_same_share_of_either_dataset() -> None:
    for own, other in ((100, 100), (40, 400), (900, 300), (7, 7000)):
        first, second = matched_counts(5, own, other, 30)
        assert (second, first) == matched_counts(5, other, own, 30)
        assert max(first, second) <= 30
        assert min(first, second) >= 1
    assert matched_counts(5, 1000, 4000, 30) == (5, 20)


def test_a_judge_that_sees_no_content_itself_does_not_silence_the_coarsest_level(tmp_path: Path) -> None:
    # At P2 and P3 a kind of the one lies where another one of the other does; P5 sees both, and no other level says so.
    other_kinds = kinds(380, 4, without=0)
    swapped = [two_lights(pictures((other_kinds + 1) % KINDS, seed)) for seed in (6, 8)]
    vectors = {
        "real": {"P2": pictures(REAL, 3), "P3": pictures(REAL, 7), "P5": pictures(REAL, 13)},
        "synthetic": {"P2": swapped[0], "P3": swapped[1], "P5": two_lights(pictures(other_kinds, 16))},
    }
    run = compare_vectors(tmp_path / "run", vectors)
    assert [numbers_of(run, level)["basis"] for level in ("P2", "P3")] == ["ranking", "ranking"]
    assert numbers_of(run, "P5")["content"] is None
    assert numbers_of(run, "P5")["basis"] == "suggested"
    assert run.metrics["level_rankings"]["real-vs-synthetic"][0] == "P5"


def test_a_version_that_is_updated_is_measured_by_its_own_look(tmp_path: Path) -> None:
    run = compare_vectors(
        tmp_path / "run", {"real": {"P5": pictures(REAL, 3)}, "synthetic": {"P5": look(pictures(REAL, 6))}}
    )
    assert {*run.record.style_scaler["P5"]} == {"real", "synthetic"}
    remove_results(run.store, neighbors=False)
    assert run.record.style_scaler == {}
    assert run.record.scaler


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(120, 120), (60, 240), (240, 60)])
def test_what_is_listed_under_a_guarantee_keeps_its_promise(tmp_path: Path, sizes: tuple[int, int]) -> None:
    # One population in two looks that differ by mean and spread: all that is listed is false.
    listing, uncalibrated, seeds = 0, 0, 40
    for seed in range(seeds):
        own, other = (pictures(kinds(size, 10 * seed + at), 10 * seed + at + 5) for at, size in enumerate(sizes))
        vectors = {"real": {"P5": own}, "synthetic": {"P5": look(other)}}
        run = compare_vectors(tmp_path / f"run {seed}", vectors, readings="style-aside")
        of_pairs = run.metrics["levels"]["P5"]["style_aside"].values()
        listing += any(numbers["basis"] == "calibrated" and numbers["outliers"] for numbers in of_pairs)
        uncalibrated += any(numbers["basis"] != "calibrated" for numbers in of_pairs)
    assert listing <= 0.2 * seeds
    assert uncalibrated <= 0.3 * seeds
