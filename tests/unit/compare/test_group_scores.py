"""A group counts as one: its p-values against a brute-force implementation, against planted truths, and over seeds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, hypergeom
from vector_run import compare_vectors

from gapscope.compare.fdr import q_values
from gapscope.compare.group_scores import _comparable_lengths, group_medians, group_outside_p, group_under_p
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.neighbors.scaler import fit_scaler
from gapscope.run import Run
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups, read_groups
from gapscope.store.manifests import read_groups_manifest

Points = NDArray[np.float64]
Scores = NDArray[np.float32]

scores = arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 2, width=16))
lengths = st.lists(st.integers(1, 6), min_size=1, max_size=12)


def groups_of(lengths: list[int], seed: int | None = None) -> ImageGroups:
    """Groups of some lengths, their images mixed where a seed is given."""
    values = np.repeat([f"scene {number}" for number in range(len(lengths))], lengths).astype(object)
    if seed is not None:
        values = np.random.default_rng(seed).permutation(values)
    return ImageGroups.of_values(np.arange(len(values)), values)


def none_shared(groups: ImageGroups) -> NDArray[np.int64]:
    return np.full(len(groups), -1)


@settings(max_examples=40)
@given(scores, scores)
def test_groups_of_one_are_outside_as_images_are(query: Scores, reference: Scores) -> None:
    own = ImageGroups.of_values(np.arange(len(query)), np.array([f"{at}" for at in range(len(query))], object))
    for groups in (own, ImageGroups.singles(np.arange(len(query)))):
        p = group_outside_p(
            query, groups, reference, ImageGroups.singles(np.arange(len(reference))), none_shared(groups)
        )
        np.testing.assert_array_equal(p, outside_p(query, reference))


@settings(max_examples=40)
@given(arrays(np.int16, st.integers(1, 30), elements=st.integers(0, 10)), st.integers(10, 40))
def test_groups_of_one_are_under_represented_as_images_are(counts: NDArray[np.int16], references: int) -> None:
    groups = ImageGroups.singles(np.arange(len(counts)))
    p = group_under_p(counts, 10, groups, references, none_shared(groups))
    np.testing.assert_array_equal(p, under_p(counts, 10, len(counts), references))


@settings(max_examples=40)
@given(lengths, st.integers(0, 99))
def test_the_score_of_a_group_is_the_median_of_its_images(sizes: list[int], seed: int) -> None:
    groups = groups_of(sizes, seed)
    values = np.random.default_rng(seed).normal(size=len(groups.rows)).astype(np.float32)
    expected = pd.Series(values.astype(np.float64)).groupby(groups.group).median()
    np.testing.assert_allclose(group_medians(values, groups), expected, rtol=1e-6)


def windows(values: Scores, groups: ImageGroups, size: int) -> list[list[float]]:
    """Per group, the medians of all runs of `size` consecutive images; of all its images where it has fewer."""
    medians = []
    for number in range(len(groups)):
        own = values[groups.group == number].astype(np.float64)
        size_here = min(size, len(own))
        medians.append([float(np.median(own[at : at + size_here])) for at in range(len(own) - size_here + 1)])
    return medians


@settings(max_examples=40)
@given(lengths, st.integers(0, 99), st.integers(1, 7))
def test_a_median_of_some_images_is_that_of_consecutive_ones(sizes: list[int], seed: int, size: int) -> None:
    groups = groups_of(sizes, seed)
    values = np.random.default_rng(seed).normal(size=len(groups.rows)).astype(np.float32)
    for actual, possible in zip(group_medians(values, groups, size), windows(values, groups, size), strict=True):
        assert np.isclose(possible, actual, rtol=1e-6).any()


@settings(max_examples=40)
@given(lengths, lengths, st.integers(0, 99))
def test_a_median_of_so_many_frames_is_held_against_medians_of_as_many(
    query_sizes: list[int], reference_sizes: list[int], seed: int
) -> None:
    query, reference = groups_of(query_sizes, seed), groups_of(reference_sizes, seed + 1)
    random = np.random.default_rng(seed)
    values, others = (random.normal(size=len(own.rows)).astype(np.float32) for own in (query, reference))
    p = group_outside_p(values, query, others, reference, none_shared(query))
    for number, length in enumerate(query.lengths.tolist()):
        own = float(np.median(values[query.group == number].astype(np.float64)))
        possible = windows(others, reference, length)
        fewest, most = (sum(pick(each) >= own for each in possible) for pick in (min, max))
        assert (1 + fewest) / (1 + len(reference)) <= p[number] <= (1 + most) / (1 + len(reference))


def test_frames_that_are_chosen_from_longer_clips_lie_anywhere_in_them() -> None:
    # The images of each reference clip count up from 0, so that a median tells where the frames lie.
    reference = groups_of([20] * 400)
    chosen = group_medians(np.tile(np.arange(20, dtype=np.float32), 400), reference, 3)
    assert set(chosen.tolist()) == set(range(1, 19))


@settings(max_examples=40)
@given(arrays(np.int64, st.integers(1, 60), elements=st.integers(1, 500)))
def test_lengths_are_rounded_down_to_at_most_eight_and_the_shortest_stays(own: NDArray[np.int64]) -> None:
    rounded = _comparable_lengths(own)
    assert (rounded <= np.minimum(own, 64)).all()
    assert len(np.unique(rounded)) <= 8
    assert rounded.min() == min(64, own.min())
    # A longer clip is compared by at least as many frames.
    assert (np.diff(rounded[np.argsort(own, kind="stable")]) >= 0).all()
    if len(np.unique(own)) <= 8:
        np.testing.assert_array_equal(rounded, np.minimum(own, 64))


@settings(max_examples=40)
@given(lengths, st.integers(0, 99))
def test_the_count_of_a_group_is_never_below_the_median_of_its_images(sizes: list[int], seed: int) -> None:
    groups, random = groups_of(sizes, seed), np.random.default_rng(seed)
    counts = random.integers(0, 11, len(groups.rows)).astype(np.int16)
    p = group_under_p(counts, 10, groups, 20, none_shared(groups))
    law = hypergeom(len(groups) + 19, 20, 10)
    upper = [sorted(counts[groups.group == number])[n // 2] for number, n in enumerate(groups.lengths.tolist())]
    np.testing.assert_allclose(p, law.cdf(upper))


def test_a_shared_group_is_held_against_the_others_alone() -> None:
    query, reference = groups_of([3, 3, 3], 0), groups_of([3] * 10, 1)
    random = np.random.default_rng(2)
    values, others = (random.random(len(own.rows)).astype(np.float32) for own in (query, reference))
    shared = query.find_in(reference)
    assert (shared >= 0).all()
    own, medians = (group_medians(*each) for each in ((values, query), (others, reference)))
    p = group_outside_p(values, query, others, reference, shared)
    counts = np.arange(9, dtype=np.int16)
    under = group_under_p(counts, 8, query, 10, shared)
    for number in range(3):
        kept = np.delete(medians, shared[number])
        np.testing.assert_allclose(p[number], (1 + (kept >= own[number]).sum()) / (1 + 9))
        upper = np.median(counts[query.group == number])
        np.testing.assert_allclose(under[number], hypergeom(2 + 9, 9, 8).cdf(upper))


CHANNELS = 12
FRAMES = 4
KIND = 14
"""How many of the query's scenes are of a kind that the reference lacks."""
SCENES, REFERENCE_SCENES, SHARED = 50, 140, 6


def scenes(random: np.random.Generator, lengths: list[int], spread: float = 0.5, size: int = CHANNELS) -> Points:
    """Frames scene by scene: each scene has a place of its own, and its frames are spread around that."""
    places = random.normal(size=(len(lengths), size))
    return np.asarray(np.repeat(places, lengths, axis=0) + spread * random.normal(size=(sum(lengths), size)))


@dataclass(frozen=True)
class Planted:
    """A run, and the scene of each image by dataset."""

    run: Run
    scene: dict[str, list[str]]


@pytest.fixture(scope="module", params=["cosine", pytest.param("euclidean", marks=pytest.mark.slow)])
def planted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """50 real scenes of 4 frames against 140 synthetic ones of 1 to 4; 6 are in both, and the synthetic lack a kind."""
    random = np.random.default_rng(0)
    sizes = random.integers(1, FRAMES + 1, REFERENCE_SCENES).tolist()
    real, synthetic = scenes(random, [FRAMES] * SCENES), scenes(random, sizes)
    real[: KIND * FRAMES] = real[: KIND * FRAMES] / 2 + 7 * np.eye(CHANNELS)[0]
    scene = {
        "real": np.repeat([f"real {number}" for number in range(SCENES)], FRAMES),
        "synthetic": np.repeat([f"synthetic {number}" for number in range(REFERENCE_SCENES)], sizes),
    }
    # The last scenes of the real set were filmed for the synthetic one too.
    for number in range(SHARED):
        both = scene["synthetic"] == f"synthetic {number}"
        own = scene["real"] == f"real {SCENES - 1 - number}"
        synthetic[both] = real[own][: both.sum()] + 0.1
        scene["real"][own] = scene["synthetic"][both] = f"both {number}"
    # Frames need not follow each other.
    order = random.permutation(len(synthetic))
    vectors = {"real": {"P5": real}, "synthetic": {"P5": synthetic[order]}}
    values = {"real": scene["real"].tolist(), "synthetic": scene["synthetic"][order].tolist()}
    folder = tmp_path_factory.mktemp(request.param) / "run"
    run = compare_vectors(folder, vectors, group=values, broken={"real": 2}, metric=request.param)
    return Planted(run, values)


def measured_vectors(run: Run) -> dict[str, Points]:
    """Embeddings as distances are measured between them, each scene weighing alike in the scaler."""
    raw, weight = {}, {}
    for name in run.datasets:
        rows = run.embeddings(name, "P5").astype(np.float64)
        raw[name] = rows[np.isfinite(rows).all(axis=1)]
        groups = read_groups(run.store, name)
        weight[name] = 1 / groups.lengths[groups.group]
    together, weights = np.concatenate([*raw.values()]), np.concatenate([*weight.values()])
    mean = np.average(together, axis=0, weights=weights)
    std = np.sqrt(np.average((together - mean) ** 2, axis=0, weights=weights))
    vectors = {name: (rows - mean) / std for name, rows in raw.items()}
    if run.record.config.neighbors.metric == "euclidean":
        return vectors
    return {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in vectors.items()}


def distance(run: Run, one: Points, other: Points) -> Points:
    squares: Points = np.square(one[:, None] - other).sum(axis=2)
    return np.sqrt(squares) if run.record.config.neighbors.metric == "euclidean" else squares / 2


def brute_force(planted: Planted, query: str, reference: str) -> pd.DataFrame:
    """Both tests of every scene, one at a time, with the images that stand for the others."""
    run, vectors = planted.run, measured_vectors(planted.run)
    scene = {name: np.array(values) for name, values in planted.scene.items()}
    stands = {name: read_groups(run.store, name).representative for name in run.datasets}
    m, r = (len(stands[name]) for name in (query, reference))
    any_shared = bool(set(scene[query]) & set(scene[reference]))
    k, k_local = min(5, r - 1), min(30, m + r - 1 - any_shared)

    def to_scenes(image: Points, own: str, other: str) -> Points:
        """Distances of one image to each scene of a dataset, without its own."""
        keep = scene[other][stands[other]] != own
        distances: Points = distance(run, image[None], vectors[other][stands[other]][keep])[0]
        return distances

    def kth(name: str, row: int, other: str) -> float:
        return float(np.sort(to_scenes(vectors[name][row], scene[name][row], other))[k - 1])

    score = np.array([kth(query, row, reference) for row in range(len(scene[query]))])
    reference_score = np.array([kth(reference, row, reference) for row in range(len(scene[reference]))])
    found = []
    for name in dict.fromkeys(scene[query]):
        frames = np.flatnonzero(scene[query] == name)
        own = np.median(score[frames])
        others = [other for other in dict.fromkeys(scene[reference]) if other != name]
        medians = [np.median(reference_score[scene[reference] == other]) for other in others]
        counts = []
        for row in frames:
            near = to_scenes(vectors[query][row], name, query)
            far = to_scenes(vectors[query][row], name, reference)
            nearest = np.argsort(np.concatenate([far, near]), kind="stable")[:k_local]
            counts.append(int((nearest < len(far)).sum()))
        found.append(
            {
                "group": name,
                "images": len(frames),
                "distance": own,
                "outside_p": (1 + sum(median >= own for median in medians)) / (1 + len(medians)),
                "under_p": hypergeom(m - 1 + len(others), len(others), k_local).cdf(sorted(counts)[len(counts) // 2]),
            }
        )
    table = pd.DataFrame(found).set_index("group")
    for name in ("outside", "under"):
        table[f"{name}_q"] = false_discovery_control(table[f"{name}_p"], method="bh")
    table["p"] = np.minimum(1, 2 * table[["outside_p", "under_p"]].min(axis=1))
    table["q"] = np.minimum(1, 2 * table[["outside_q", "under_q"]].min(axis=1))
    return table


def groups_table(run: Run, query: str, reference: str) -> pd.DataFrame:
    table: pd.DataFrame = read_groups_manifest(run.path, "P5", Pair(query, reference)).to_pandas()
    return table


def test_every_scene_has_the_p_values_of_a_brute_force_implementation(planted: Planted) -> None:
    # All real scenes have four frames, and the synthetic ones no more: nothing is drawn at random.
    expected = brute_force(planted, "real", "synthetic")
    actual = groups_table(planted.run, "real", "synthetic").set_index("group")
    assert len(actual) == SCENES
    columns = ["images", "distance", "outside_p", "under_p", "outside_q", "under_q", "p", "q"]
    pd.testing.assert_frame_equal(
        actual.loc[expected.index, columns], expected[columns], check_dtype=False, rtol=1e-4, atol=1e-5
    )
    listed = planted.run.outliers("P5", "real", "synthetic")
    assert {*listed["group"]} == {*expected.index[expected["q"] <= 0.1]}
    np.testing.assert_allclose(listed["q"], expected.loc[listed["group"], "q"], rtol=1e-4)


def test_the_other_way_round_counts_of_neighbors_are_those_of_brute_force_too(planted: Planted) -> None:
    expected = brute_force(planted, "synthetic", "real")
    actual = groups_table(planted.run, "synthetic", "real").set_index("group").loc[expected.index]
    np.testing.assert_allclose(actual["under_p"], expected["under_p"], rtol=1e-4)
    # Of each real scene's four frames as many are compared as the synthetic scene has, some of them drawn at random.
    whole = actual["images"] == FRAMES
    np.testing.assert_allclose(actual["outside_p"][whole], expected["outside_p"][whole], rtol=1e-4)


def test_a_kind_of_scene_that_the_reference_lacks_is_listed_whole(planted: Planted) -> None:
    table = planted.run.outliers("P5", "real", "synthetic")
    kind = [f"real {number}" for number in range(KIND)]
    assert set(kind) <= set(table["group"])
    # Few others are: a tenth of the list may be false.
    assert table["group"].nunique() <= KIND + 3
    assert not set(table["group"]) & {f"both {number}" for number in range(SHARED)}
    for name, frames in table.groupby("group"):
        assert len(frames) == FRAMES
        assert frames[["p", "q", "outside_p", "outside_q", "under_p", "under_q", "reason"]].nunique().eq(1).all()
        # They follow each other, the farthest first.
        assert frames["rank"].max() - frames["rank"].min() == FRAMES - 1
        assert frames["score"].is_monotonic_decreasing
        rows = 2 + np.flatnonzero(np.array(planted.scene["real"]) == name)
        assert {*frames["row"]} == {*rows.tolist()}


def test_the_table_of_groups_agrees_with_the_list_of_images_and_with_the_counts(planted: Planted) -> None:
    run = planted.run
    images, groups = run.outliers("P5", "real", "synthetic"), groups_table(run, "real", "synthetic")
    listed = groups[groups["listed"]]
    assert listed["group"].tolist() == list(dict.fromkeys(images["group"]))
    assert (groups["listed"] == (groups["q"] <= 0.1)).all()
    assert groups["rank"].tolist() == list(range(1, SCENES + 1))
    assert groups["q"].is_monotonic_increasing
    by_name = groups.set_index("group")
    for name in ("p", "q", "outside_p", "under_q", "reason"):
        assert images[name].tolist() == by_name.loc[images["group"], name].tolist()
    assert not by_name.loc[~by_name["listed"].astype(bool), "reason"].any()
    # The image that stands for a scene is one of its own.
    scene = ["", "", *planted.scene["real"]]
    assert [scene[row] for row in groups["row"]] == groups["group"].tolist()
    assert groups["uri"].tolist() == [f"/real/{row}.png" for row in groups["row"]]
    names = (run.path / "manifests" / "P5.real-vs-synthetic.groups.txt").read_text().splitlines()
    assert names == listed["group"].tolist()
    metrics = run.metrics["levels"]["P5"]["pairs"]["real-vs-synthetic"]
    assert (metrics["images"], metrics["groups"]) == (FRAMES * SCENES, SCENES)
    assert (metrics["outliers"], metrics["outlier_groups"]) == (len(images), len(listed))
    assert (metrics["reference_images"], metrics["reference_groups"]) == (
        len(planted.scene["synthetic"]),
        REFERENCE_SCENES,
    )
    assert metrics["reference_neighbors_expected"] == pytest.approx(REFERENCE_SCENES / (SCENES + REFERENCE_SCENES - 1))


def test_the_list_over_levels_holds_whole_scenes_too(planted: Planted) -> None:
    run = planted.run
    merged, single = run.outliers_across_levels("real", "synthetic"), run.outliers("P5", "real", "synthetic")
    # There is one level, so that nothing has to be corrected for.
    assert merged["uri"].nunique() == len(merged) == len(single)
    by_uri = merged.set_index("uri").loc[single["uri"]]
    assert by_uri["group"].tolist() == single["group"].tolist()
    assert by_uri["p"].tolist() == single["p"].tolist()
    assert merged.groupby("group")["q"].nunique().eq(1).all()


def test_an_images_neighbors_are_of_different_scenes_and_not_of_its_own(planted: Planted) -> None:
    table = planted.run.outliers("P5", "real", "synthetic")
    scene = planted.scene["synthetic"]
    for own, uris in zip(table["group"], table["neighbors"], strict=True):
        found = [scene[int(uri.rpartition("/")[2].removesuffix(".png"))] for uri in uris]
        assert len(found) == len(set(found)) == 5
        assert own not in found


def test_scenes_in_both_datasets_are_recorded(planted: Planted) -> None:
    run = planted.run
    assert run.record.shared_groups == {"real-vs-synthetic": SHARED, "synthetic-vs-real": SHARED}
    assert set(run.record.grouped_pairs) == {
        "real-vs-real",
        "real-vs-synthetic",
        "synthetic-vs-real",
        "synthetic-vs-synthetic",
    }


def test_a_dataset_that_is_one_scene_is_compared_and_its_frames_are_listed_together_or_not_at_all(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    vectors = {"real": {"P5": 9 + scenes(random, [40])}, "synthetic": {"P5": scenes(random, [1] * 60)}}
    run = compare_vectors(tmp_path / "run", vectors, group={"real": ["only"] * 40})
    # It is one test, and the scene lies farther away than any of 60 others.
    listed = run.outliers("P5", "real", "synthetic")
    assert len(listed) == 40
    np.testing.assert_allclose(listed["q"], 2 / 61)
    # Against a single scene nothing can be told.
    assert len(run.outliers("P5", "synthetic", "real")) == 0
    back = run.metrics["levels"]["P5"]["pairs"]["synthetic-vs-real"]
    assert (back["share_outside_low"], back["share_outside_high"]) == (0, 1)
    assert {each["p"] for each in back["ranking"]} == {1.0}
    message = run.metrics["limits"]["synthetic-vs-real"]["message"]
    assert message is not None
    assert message.startswith("60 synthetic images against 40 real images in 1 group are too few to list anything")


def p_values_of(random: np.random.Generator, query: list[int], reference: list[int]) -> tuple[Any, Any]:
    """Both p-values of every scene of a query that is a random part of all scenes, by the project's own functions."""
    groups = groups_of(query), groups_of(reference)
    points = [scenes(random, own, size=8) for own in (query, reference)]
    mean, std = fit_scaler([each.astype(np.float32) for each in points], [1 / own.lengths[own.group] for own in groups])
    raw = [(each - mean) / std for each in points]
    vectors = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in raw]

    def nearest(one: int, other: int) -> NDArray[np.float32]:
        distances = 1 - vectors[one] @ vectors[other][groups[other].representative].T
        if one == other:
            distances[np.arange(len(distances)), groups[one].group] = np.inf
        return np.sort(distances, axis=1)[:, :30].astype(np.float32)

    counts, k_local = count_reference_neighbors(nearest(0, 0), nearest(0, 1), 30)
    shared = none_shared(groups[0])
    outside = group_outside_p(nearest(0, 1)[:, 4], groups[0], nearest(1, 1)[:, 4], groups[1], shared)
    return outside, group_under_p(counts.astype(np.int16), k_local, groups[0], len(groups[1]), shared)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "reference"),
    [
        ([30] * 60, [1] * 60),
        ([1] * 60, [30] * 60),
        ([10] * 60, [60] * 60),
        ([60] * 60, [10] * 60),
        ([1, 2, 5, 30] * 15, [8] * 60),
    ],
    ids=["30 v 1", "1 v 30", "10 v 60", "60 v 10", "mixed v 8"],
)
def test_where_scenes_are_split_at_random_little_is_listed_whatever_their_lengths(
    query: list[int], reference: list[int]
) -> None:
    any_listed, outside, under = 0, [], []
    seeds = 200
    for seed in range(seeds):
        p = p_values_of(np.random.default_rng(seed), query, reference)
        q = 2 * np.minimum(*(q_values(one) for one in p))
        any_listed += bool((q <= 0.1).any())
        outside.append((p[0] <= 0.1).mean())
        under.append((p[1] <= 0.1).mean())
    # Everything listed is false here: the share of seeds that list anything is the false discovery rate, 10% at most.
    assert any_listed / seeds <= 0.1
    assert np.mean(outside) <= 0.1 + 2.5 * np.std(outside) / np.sqrt(seeds)
    # A median of several counts can be small up to twice as often as one count.
    assert np.mean(under) <= 0.1 + 2.5 * np.std(under) / np.sqrt(seeds)


@pytest.mark.slow
def test_a_kind_of_scene_that_is_missing_is_found_over_many_seeds_whatever_the_lengths(tmp_path: Path) -> None:
    found, false = 0, 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        sizes = [random.integers(1, 30, 60).tolist(), random.integers(1, 6, 200).tolist()]
        real, synthetic = (scenes(random, own) for own in sizes)
        values = [
            np.repeat([f"{name} {at}" for at in range(len(own))], own) for name, own in zip("rs", sizes, strict=True)
        ]
        kind = np.isin(values[0], [f"r {at}" for at in range(12)])
        real[kind] = real[kind] / 2 + 7 * np.eye(CHANNELS)[0]
        run = compare_vectors(
            tmp_path / str(seed),
            {"real": {"P5": real}, "synthetic": {"P5": synthetic}},
            group={"real": values[0].tolist(), "synthetic": values[1].tolist()},
        )
        listed = set(run.outliers("P5", "real", "synthetic")["group"])
        found += len(listed & {f"r {at}" for at in range(12)})
        false += len(listed - {f"r {at}" for at in range(12)})
    assert found >= 0.95 * 6 * 12
    assert false <= 0.15 * found
