"""What a comparison writes, on planted vectors: two levels, one of which sees what is planted."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner
from vector_run import compare_vectors

from gapscope.compare.headline import headline
from gapscope.diff import diff_runs, level_verdicts
from gapscope.errors import RunError
from gapscope.run import Run
from gapscope.sources import Value
from gapscope.store.datasets import Pair
from gapscope.store.manifests import write_table
from gapscope.store.metrics import LevelMetrics
from gapscope.store.run_record import RunRecord
from gapscope_cli.main import app
from gapscope_cli.summary import print_summary

PLANTED = 50


def cloud(size: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(size, 16))


def planted(size: int, seed: int, count: int = PLANTED) -> NDArray[np.float64]:
    """A cloud whose first images are a kind of their own, far from the others."""
    rows = cloud(size, seed)
    rows[:count] = 6 * np.eye(16)[0] + rows[:count] / 2
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """160 real images, the first 50 of which P3 sees to be of a kind that the synthetic set lacks; P2 sees nothing.

    Two synthetic images are copies of real ones, one of them not quite, and one is there twice.
    """
    real = {"P2": cloud(160, 0), "P3": planted(160, 1)}
    synthetic = {"P2": cloud(140, 2), "P3": cloud(140, 3)}
    for level in ("P2", "P3"):
        synthetic[level][7] = real[level][150]
        synthetic[level][9] = real[level][151] + 0.02
        synthetic[level][30] = synthetic[level][31]
    clusters = {"real": np.array([1] * PLANTED + [0] * (160 - PLANTED)), "synthetic": np.zeros(140, int)}
    metadata: dict[str, list[Value]] = {"real": [f"kind {row % 3}" for row in range(160)]}
    return compare_vectors(
        tmp_path_factory.mktemp("manifests") / "run",
        {"real": real, "synthetic": synthetic},
        clusters=clusters,
        broken={"real": 2},
        metadata=metadata,
    )


def test_a_name_with_a_line_break_is_no_two_lines_of_a_plain_list(tmp_path: Path) -> None:
    uris = ["/images/a.png", "/images/b\n/home/you/thesis.png", "/images/c\rd.png", "/images/e f.png"]
    write_table(tmp_path / "few.parquet", pd.DataFrame({"uri": uris}), pa.schema([("uri", pa.string())]))
    assert (tmp_path / "few.txt").read_bytes() == b"/images/a.png\n/images/e f.png\n"
    for table in (pd.read_parquet(tmp_path / "few.parquet"), pd.read_csv(tmp_path / "few.csv", lineterminator="\n")):
        assert table["uri"].tolist() == uris


def test_the_plain_list_is_the_manifests_uris(run: Run) -> None:
    table = run.outliers("P3", "real", "synthetic")
    assert {f"/real/{row}.png" for row in range(2, 2 + PLANTED)} <= {*table["uri"]}
    lines = (run.path / "manifests" / "P3.real-vs-synthetic.txt").read_text().splitlines()
    assert lines == table["uri"].tolist()
    assert (run.path / "manifests" / "P2.real-vs-synthetic.txt").read_text() == ""
    assert table["meta.kind"].tolist() == [f"kind {(row - 2) % 3}" for row in table["row"]]
    assert table["neighbors"].map(len).eq(5).all()


def test_the_list_over_levels_says_which_levels_and_corrects_for_their_number(run: Run) -> None:
    merged = run.outliers_across_levels("real", "synthetic")
    single = run.outliers("P3", "real", "synthetic").set_index("uri")
    assert {*single.index} <= {*merged["uri"]}
    seen = merged.set_index("uri").loc[single.index]
    assert all("P3" in levels for levels in seen["levels"])
    assert (seen["p"] >= np.minimum(1, 2 * single["p"]) - 1e-12).all() or (seen["level"] != "P3").any()
    assert merged["q"].is_monotonic_increasing
    assert (merged["within_fdr"] == (merged["q"] <= 0.1)).all()
    lines = (run.path / "manifests" / "all.real-vs-synthetic.txt").read_text().splitlines()
    assert lines == merged.loc[merged["within_fdr"], "uri"].tolist()
    assert {f"/real/{row}.png" for row in range(2, 2 + PLANTED)} <= {*lines}
    spelled = pd.read_csv(str(run.path / "manifests" / "all.real-vs-synthetic.csv"))
    assert json.loads(spelled["levels"].iloc[0]) == list(merged["levels"].iloc[0])
    assert run.metrics["across_levels"]["real-vs-synthetic"] == {
        "listed": len(merged),
        "within_fdr": int(merged["within_fdr"].sum()),
    }


def test_duplicates_within_and_across_datasets_are_found(run: Run) -> None:
    found = run.duplicates
    pairs = {(row.match, row.uri, row.copy_uri) for row in found.itertuples()}
    assert pairs == {
        ("exact", "/real/152.png", "/synthetic/7.png"),
        ("near", "/real/153.png", "/synthetic/9.png"),
        ("exact", "/synthetic/30.png", "/synthetic/31.png"),
    }
    assert found["group"].nunique() == 3
    assert run.metrics["duplicates"] == {
        "groups": 3,
        "images": 6,
        "repeats": {"real": 0, "synthetic": 0},
        "pairs": {
            "real-vs-real": {"exact": 0, "near": 0},
            "real-vs-synthetic": {"exact": 1, "near": 1},
            "synthetic-vs-synthetic": {"exact": 1, "near": 0},
        },
    }
    drop = (run.path / "manifests" / "duplicates.txt").read_text().splitlines()
    assert drop == ["/synthetic/7.png", "/synthetic/9.png", "/synthetic/31.png"]


def test_the_cluster_that_one_dataset_lacks_shows_its_typical_images(run: Run) -> None:
    clusters = run.metrics["levels"]["P3"]["clusters"]
    assert clusters["composition"] == [[160 - PLANTED, 140], [PLANTED, 0]]
    (one,) = clusters["one_sided"]
    assert (one["cluster"], one["dataset"], one["images"], one["share"]) == (1, "real", PLANTED, 1.0)
    assert len({*one["typical"]}) == 6
    assert {*one["typical"]} <= {f"/real/{row}.png" for row in range(2, 2 + PLANTED)}


def test_the_share_outside_has_an_interval_and_the_scores_a_histogram(run: Run) -> None:
    numbers = run.metrics["levels"]["P3"]["pairs"]["real-vs-synthetic"]
    assert 0 < numbers["share_outside_low"] <= numbers["share_outside"] <= numbers["share_outside_high"] <= 1
    assert numbers["share_outside_low"] <= PLANTED / 160 <= numbers["share_outside_high"]
    scores = numbers["scores"]
    assert len(scores["edges"]) == len(scores["query"]) + 1 == len(scores["reference"]) + 1
    assert (sum(scores["query"]), sum(scores["reference"])) == (160, 140)


def test_the_summary_says_what_stands_out_and_counts_the_copies(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    head = run.metrics["headlines"]["real-vs-synthetic"]
    numbers = run.metrics["levels"]["P3"]["pairs"]["real-vs-synthetic"]
    assert head.startswith(f"{numbers['outliers']} of 160 real images (")
    assert "at P3" in head
    assert "with each set's overall look taken out" in head
    print_summary(run)
    shown = capsys.readouterr().out
    assert head in shown
    assert "duplicates real and synthetic: 1 real image has an exact copy and 1 a near one in synthetic\n" in shown
    assert "duplicates synthetic: 1 exact copy too many\n" in shown
    # The pictures of this run all have the same colors.
    assert "files alone" not in shown


def test_a_headline_for_nothing_to_see() -> None:
    numbers = {"outliers": 0, "outlier_groups": 0, "images": 1, "groups": 1, "measures": {}}
    levels = cast("dict[str, LevelMetrics]", {"P2": {"pairs": {"a-vs-b": numbers}, "style_aside": {}}})
    record = RunRecord.of_embeddings({"a": 1, "b": 1}, {"P2": 8}, block_rows=1024)
    head = headline(Pair("a", "b"), levels, ["P2"], record)
    assert head == "None of the 1 a image stands out from b at any level"


def test_a_cap_shortens_lists_and_hides_no_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = {"real": {"P3": planted(160, 1)}, "synthetic": {"P3": cloud(140, 3)}}
    whole = compare_vectors(tmp_path / "whole", vectors)
    capped = compare_vectors(tmp_path / "capped", vectors, max_outliers=7)
    rows = [each.outliers("P3", "real", "synthetic") for each in (whole, capped)]
    assert len(rows[0]) > 7
    pd.testing.assert_frame_equal(rows[0].head(7), rows[1])
    assert len(capped.outliers_across_levels("real", "synthetic")) == 7
    assert capped.metrics["levels"] == whole.metrics["levels"]
    assert capped.metrics["across_levels"] == whole.metrics["across_levels"]
    print_summary(capped)
    assert "(the 7 surest of each list)" in capsys.readouterr().out


def test_three_datasets_are_compared_pair_by_pair_or_with_one_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = {"real": {"P2": planted(90, 0)}, "v1": {"P2": cloud(80, 1)}, "v2": {"P2": planted(80, 2)}}
    every = compare_vectors(tmp_path / "every", vectors)
    assert len(every.pairs) == 6
    matrix = every.metrics["levels"]["P2"]["matrix"]
    assert matrix["datasets"] == ["real", "v1", "v2"]
    assert [row[at] for at, row in enumerate(matrix["outlier_share"])] == [None] * 3
    to_v1, to_v2 = matrix["outlier_share"][0][1:]
    assert to_v1 is not None
    assert to_v2 is not None
    assert to_v1 > 0.25 > to_v2
    print_summary(every)
    assert "share of the row's images that the column lacks" in capsys.readouterr().out
    one = compare_vectors(tmp_path / "one", vectors, reference="real")
    assert set(one.pairs) == {("real", "v1"), ("v1", "real"), ("real", "v2"), ("v2", "real")}
    assert not (one.path / "manifests" / "P2.v1-vs-v2.csv").exists()
    pair = one.metrics["levels"]["P2"]["pairs"]["real-vs-v1"]
    assert pair == every.metrics["levels"]["P2"]["pairs"]["real-vs-v1"]


def test_diff_says_which_gaps_closed_and_only_beyond_the_error_bars(run: Run, tmp_path: Path) -> None:
    # The new version has images of the kind that was lacking; at P2 nothing changed but chance.
    better = {"P2": cloud(140, 12), "P3": planted(140, 13, count=44)}
    after = compare_vectors(
        tmp_path / "after", {"real": {"P2": cloud(160, 0), "P3": planted(160, 1)}, "synthetic": better}
    )
    keys = ["level", "query", "reading"]
    verdicts = level_verdicts(diff_runs(run, after)).set_index(keys)["verdict"]
    assert verdicts["P3", "real", "as-is"] == "closing"
    assert verdicts["P2", "real", "as-is"] == "no change"
    back = level_verdicts(diff_runs(after, run)).set_index(keys)["verdict"]
    assert back["P3", "real", "as-is"] == "widening"
    assert {*level_verdicts(diff_runs(run, run))["verdict"]} == {"no change"}

    done = CliRunner().invoke(app, ["diff", str(run.path), str(after.path), "--csv", str(tmp_path / "all.csv")])
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("  P")]
    assert ["P3", "as-is", "closing"] in [line[:3] for line in lines]
    # At P3 scalers were trimmed in one run alone, so that style aside cannot be compared there.
    table = pd.read_csv(tmp_path / "all.csv")
    assert table.groupby(["reading", "level"]).size().to_dict() == {
        ("as-is", "P2"): 4,
        ("as-is", "P3"): 4,
        ("style-aside", "P2"): 4,
    }
    other = compare_vectors(tmp_path / "other", {"x": {"P2": cloud(20, 0)}, "y": {"P2": cloud(20, 1)}})
    with pytest.raises(RunError, match="same name in both runs"):
        diff_runs(run, other)
    assert CliRunner().invoke(app, ["diff", str(run.path), str(tmp_path)]).exit_code == 2


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (2, 40), (17, 1)])
def test_a_handful_of_images_has_the_numbers_that_it_can_have(tmp_path: Path, sizes: tuple[int, int]) -> None:
    vectors = {name: {"P2": cloud(size, at)} for at, (name, size) in enumerate(zip("ab", sizes, strict=True))}
    run = compare_vectors(tmp_path / "run", vectors)
    for query, reference in run.pairs:
        numbers = run.metrics["levels"]["P2"]["pairs"][f"{query}-vs-{reference}"]
        assert numbers["outliers"] == len(run.outliers("P2", query, reference)) == 0
        assert ("frechet" in numbers["measures"]) == (min(sizes) > 1)
        assert 0 < numbers["measures"]["two_sample"]["p"] <= 1
        assert 0 <= numbers["measures"]["precision"]["value"] <= 1


def test_equal_images_are_all_duplicates_and_no_outliers(tmp_path: Path) -> None:
    same = np.ones((12, 4))
    run = compare_vectors(tmp_path / "run", {"a": {"P2": same}, "b": {"P2": same}})
    assert all(run.outliers("P2", *pair).empty for pair in run.pairs)
    assert run.metrics["duplicates"]["groups"] == 1
    assert run.metrics["duplicates"]["images"] == 24
    assert len((run.path / "manifests" / "duplicates.txt").read_text().splitlines()) == 23
