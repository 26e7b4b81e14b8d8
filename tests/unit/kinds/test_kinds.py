"""Kinds of planted datasets: what is found, whole and pure, of which sort, and how sure."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vector_run
from numpy.typing import NDArray

from gapscope.kinds import grouping
from gapscope.run import Run

CLUSTERS, CHANNELS = 8, 24


def population(random: np.random.Generator, counts: dict[int, int], scale: float = 0.25) -> NDArray[np.float16]:
    """Return embeddings around fixed centers, so many of each."""
    centers = np.random.default_rng(7).normal(size=(CLUSTERS, CHANNELS))
    parts = [centers[kind] + scale * random.normal(size=(count, CHANNELS)) for kind, count in counts.items()]
    return np.concatenate(parts).astype(np.float16)


def labels(counts: dict[int, int]) -> NDArray[np.int64]:
    return np.repeat(list(counts), list(counts.values()))


def compare(
    folder: Path, first: dict[int, int], second: dict[int, int], seed: int = 0, levels: int = 2, **settings: Any
) -> Run:
    random = np.random.default_rng(seed)
    vectors = {
        name: {f"L{level}": population(random, counts) for level in range(levels)}
        for name, counts in (("real", first), ("synthetic", second))
    }
    return vector_run.compare_vectors(folder / f"run-{seed}", vectors, **settings)


EVERY = dict.fromkeys(range(CLUSTERS), 50)
WITHOUT = {kind: count for kind, count in EVERY.items() if kind not in (2, 5)}
HOSTILE = "<img src=x onerror=hit()>"


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two of eight clusters are missing in one dataset; a column names one of them, and has many values elsewhere."""
    column = [HOSTILE if kind == 2 else f"other {row % 40}" for row, kind in enumerate(labels(EVERY))]
    return compare(tmp_path_factory.mktemp("lacking"), EVERY, WITHOUT, metadata={"real": column})


def test_what_the_reference_lacks_is_a_kind_each_whole_and_pure(lacking: Run) -> None:
    run = lacking
    real = [gap for gap in run.gaps_record["kinds"] if gap["query"] == "real"]
    assert len(real) == 2
    found = set()
    for gap in real:
        kinds, counts = np.unique(labels(EVERY)[run.gap_images(gap["id"])["row"]], return_counts=True)
        assert len(kinds) == 1
        assert counts[0] >= 0.95 * EVERY[int(kinds[0])]
        assert (gap["sort"], gap["images"], gap["groups"]) == ("absent", counts[0], counts[0])
        assert gap["share"] == pytest.approx(counts[0] / sum(EVERY.values()))
        assert gap["q"] is not None
        assert gap["q"] < 0.01
        found.add(int(kinds[0]))
    assert found == {2, 5}


def test_a_sample_is_grouped_and_the_others_are_assigned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_GROUPED", 40)
    run = compare(tmp_path, EVERY, WITHOUT, levels=1)
    real = [gap for gap in run.gaps_record["kinds"] if gap["query"] == "real"]
    assert len(real) == 2
    for gap in real:
        kinds, counts = np.unique(labels(EVERY)[run.gap_images(gap["id"])["row"]], return_counts=True)
        assert len(kinds) == 1
        assert counts[0] >= 0.9 * EVERY[int(kinds[0])]


def test_what_only_the_other_dataset_has_is_only_here(tmp_path: Path) -> None:
    run = compare(tmp_path, WITHOUT, EVERY, levels=1)
    assert set(run.gaps[run.gaps["query"] == "synthetic"]["sort"]) == {"only-here"}


def test_the_reference_decides_which_dataset_is_to_be_matched(tmp_path: Path) -> None:
    run = compare(tmp_path, WITHOUT, EVERY, levels=1, reference="synthetic")
    assert set(run.gaps[run.gaps["query"] == "synthetic"]["sort"]) == {"absent"}


def test_what_the_reference_has_too_little_of_is_rare(tmp_path: Path) -> None:
    run = compare(tmp_path, EVERY, {**EVERY, 3: 6})
    real = run.gaps[run.gaps["query"] == "real"]
    assert real["sort"].tolist() == ["rare"]
    assert set(labels(EVERY)[run.gap_images(real["id"].iloc[0])["row"]]) == {3}


def test_alike_datasets_have_no_kind_and_it_is_said_what_would_have_been_seen(tmp_path: Path) -> None:
    run = compare(tmp_path, EVERY, EVERY)
    assert run.gaps.empty
    assert list(run.gaps.columns)[:3] == ["id", "sort", "query"]
    assert run.gaps_record["sentences"]["real-vs-synthetic"] == "nothing of real is listed against synthetic"


def test_images_that_are_like_no_other_are_listed_and_form_no_kind(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    alone = 4 * np.random.default_rng(1).normal(size=(30, CHANNELS))
    both = population(random, EVERY), population(random, EVERY)
    vectors = {"real": np.concatenate([both[0], alone.astype(np.float16)]), "synthetic": both[1]}
    run = vector_run.compare_vectors(tmp_path / "run", {name: {"L0": own, "L1": own} for name, own in vectors.items()})
    assert len(run.outliers("L0", "real", "synthetic")) >= 20
    assert run.gaps[run.gaps["query"] == "real"].empty
    assert "form a kind" in run.gaps_record["sentences"]["real-vs-synthetic"]


def test_where_nearly_everything_differs_as_it_is_one_line_says_so_and_kinds_come_from_style_aside(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    shift = np.random.default_rng(3).normal(size=CHANNELS)
    real, synthetic = population(random, EVERY), population(random, WITHOUT) * 1.3 + 3 * shift
    vectors = {"real": real, "synthetic": synthetic.astype(np.float16)}
    run = vector_run.compare_vectors(tmp_path / "run", {name: {"L0": own, "L1": own} for name, own in vectors.items()})
    record = run.gaps_record
    assert [(look["query"], look["levels"]) for look in record["looks"]] == [
        ("real", ["L0", "L1"]),
        ("synthetic", ["L0", "L1"]),
    ]
    assert "look of the whole set" in record["looks"][0]["sentence"]
    real_kinds = [gap for gap in record["kinds"] if gap["query"] == "real"]
    assert all(gap["readings"] == ["style-aside"] for gap in real_kinds)
    missing = [set(labels(EVERY)[run.gap_images(gap["id"])["row"]]) for gap in real_kinds]
    assert {2} in missing
    assert {5} in missing


def test_a_suggestion_has_no_q(lacking: Run) -> None:
    run = lacking
    for gap in run.gaps_record["kinds"]:
        calibrated = [
            level
            for level in run.levels
            if gap["readings"] != ["style-aside"]
            or run.metrics["levels"][level]["style_aside"][f"{gap['query']}-vs-{gap['reference']}"]["basis"]
            == "calibrated"
        ]
        assert (gap["q"] is None) == (not calibrated)


def test_groups_count_and_not_their_images(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    group = {name: [str(row // 3) for row in range(300)] for name in ("real", "synthetic")}
    many, few = dict.fromkeys(range(5), 20), {**dict.fromkeys(range(4), 25)}
    vectors = {
        name: {
            f"L{level}": np.repeat(population(random, counts), 3, axis=0)
            + (0.05 * random.normal(size=(300, CHANNELS))).astype(np.float16)
            for level in range(2)
        }
        for name, counts in (("real", many), ("synthetic", few))
    }
    run = vector_run.compare_vectors(tmp_path / "run", vectors, group=group)
    gap = next(gap for gap in run.gaps_record["kinds"] if gap["query"] == "real")
    assert (gap["images"], gap["groups"], gap["share"]) == (60, 20, 0.2)
    rows = [picture["row"] // 3 for picture in gap["pictures"]]
    assert len(set(rows)) == len(rows)


def test_the_table_the_json_the_manifests_and_python_agree(lacking: Run) -> None:
    run = lacking
    with (run.path / "gaps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((run.path / "gaps.json").read_text())["kinds"]
    assert [row["id"] for row in rows] == [gap["id"] for gap in record] == run.gaps["id"].tolist()
    first = rows[0]
    assert {row["sort"] for row in rows} <= {"absent", "rare", "only-here"}
    assert first["levels"].split(";") == record[0]["levels"]
    assert first["examples"].split(";") == [picture["uri"] for picture in record[0]["pictures"]]
    assert len(first["counterparts"].split(";")) == len(first["examples"].split(";"))
    assert float(first["q"]) == pytest.approx(record[0]["q"], rel=0.01)
    for gap in record:
        members = set(run.gap_images(gap["id"])["uri"])
        assert len(members) == gap["images"]
        assert {picture["uri"] for picture in gap["pictures"]} <= members
        level = gap["levels"][0]
        manifest = run.outliers(level, gap["query"], gap["reference"], gap["readings"][0])
        assert set(manifest["uri"][manifest["kind"] == gap["id"]]) <= members
        assert (manifest["kind"] == gap["id"]).any()
    everywhere = run.outliers_across_levels("real", "synthetic")
    assert set(everywhere["kind"]) >= {gap["id"] for gap in record if gap["query"] == "real"}


def test_a_kind_is_named_by_the_column_that_it_has_more_of_and_not_by_what_all_have(lacking: Run) -> None:
    named = {
        int(labels(EVERY)[lacking.gap_images(gap["id"])["row"].iloc[0]]): (gap["name"], gap["name_source"])
        for gap in lacking.gaps_record["kinds"]
    }
    assert named == {2: (HOSTILE, "column kind"), 5: ("", "")}


def test_near_copies_are_no_two_examples(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    copied = np.repeat(population(random, {2: 5}), 10, axis=0)
    rest = population(random, WITHOUT)
    vectors = {"real": np.concatenate([copied, rest]), "synthetic": population(random, WITHOUT)}
    run = vector_run.compare_vectors(tmp_path / "run", {name: {"L0": own, "L1": own} for name, own in vectors.items()})
    for gap in run.gaps_record["kinds"]:
        if gap["query"] == "real":
            rows = [picture["row"] // 10 for picture in gap["pictures"] if picture["row"] < 50]
            assert len(set(rows)) == len(rows)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_of_sixty_draws_of_one_population_nine_in_ten_have_no_kind(tmp_path: Path) -> None:
    counts = dict.fromkeys(range(CLUSTERS), 25)
    with_kinds = sum(not compare(tmp_path, counts, counts, seed, levels=1).gaps.empty for seed in range(60))
    assert with_kinds <= 6
