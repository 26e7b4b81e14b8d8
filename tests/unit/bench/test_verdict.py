import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gapscope.bench.measures import measures_of
from gapscope.bench.verdict import compare_results
from gapscope_cli.main import app

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
OLD: dict[str, Any] = {
    "machine": {"processor": "abacus", "cores": 2},
    "decode": {"images_per_second": {"ours": [100.0, 101, 99], "theirs": [50.0, 51, 52]}},
    "cases": [
        {"case": "small", "rows": 10, "seconds": [1.0, 1.1, 1.2], "peak_gib": 2.0, "trustworthiness": [0.9, 0.9, 0.9]},
        {"case": "large", "rows": 99, "seconds": 5.0},
        {"case": "large", "rows": 99, "seconds": 5.5},
        {"case": "large", "rows": 99, "seconds": 5.2},
    ],
}


def changed_result(**values: Any) -> dict[str, Any]:
    new: dict[str, Any] = json.loads(json.dumps(OLD))
    new["decode"]["images_per_second"] |= values.pop("rates", {})
    new["cases"][0] |= values
    return new


def outcomes(new: dict[str, Any]) -> dict[str, str]:
    return {verdict.old.name: verdict.word for verdict in compare_results(OLD, new)}


def test_cases_with_the_same_labels_are_repeats_of_one_case() -> None:
    measures = measures_of(OLD)
    assert measures["cases / case large, rows 99 / seconds"].repeats == (5.0, 5.5, 5.2)
    assert not any("machine" in name for name in measures)


def test_nothing_is_worse_than_itself() -> None:
    assert set(outcomes(OLD).values()) == {"same", "unsure"}


@pytest.mark.parametrize(
    ("new", "name", "outcome"),
    [
        ({"rates": {"ours": [80.0, 81, 82]}}, "decode / images_per_second / ours", "worse"),
        ({"rates": {"ours": [120.0, 121, 122]}}, "decode / images_per_second / ours", "better"),
        ({"seconds": [1.5, 1.4, 1.6]}, "cases / case small, rows 10 / seconds", "worse"),
        ({"seconds": [0.5, 0.4, 0.6]}, "cases / case small, rows 10 / seconds", "better"),
        # Significant, but a small change.
        ({"rates": {"ours": [98.0, 98, 98]}}, "decode / images_per_second / ours", "same"),
        # A large change, but the repeats overlap.
        ({"seconds": [1.15, 3.0, 3.1]}, "cases / case small, rows 10 / seconds", "same"),
        ({"peak_gib": 4.0}, "cases / case small, rows 10 / peak_gib", "unsure"),
        ({"trustworthiness": [0.7, 0.71, 0.7]}, "cases / case small, rows 10 / trustworthiness", "worse"),
    ],
)
def test_worse_means_a_large_change_that_is_significant(new: dict[str, Any], name: str, outcome: str) -> None:
    assert outcomes(changed_result(**new))[name] == outcome


def test_noise_alone_is_rarely_worse() -> None:
    random = np.random.default_rng(0)

    def noisy() -> dict[str, Any]:
        return {f"{number}_seconds": list(random.lognormal(0, 0.2, 5)) for number in range(1000)}

    outcomes = [verdict.word for verdict in compare_results(noisy(), noisy())]
    assert 0 < outcomes.count("worse") <= 60
    assert 0 < outcomes.count("better") <= 60


def test_the_command_prints_what_is_worse_and_exits_with_4(tmp_path: Path) -> None:
    old, new, slower = (tmp_path / f"{name}.json" for name in ("old", "new", "slower"))
    old.write_text(json.dumps(OLD))
    new.write_text(json.dumps(OLD))
    slower.write_text(json.dumps(changed_result(seconds=[1.5, 1.4, 1.6]) | {"machine": {"processor": "slide rule"}}))
    runner = CliRunner()
    assert runner.invoke(app, ["bench", "compare", str(old), str(new)]).exit_code == 0
    invocation = runner.invoke(app, ["bench", "compare", str(old), str(slower)])
    assert invocation.exit_code == 4
    assert "worse   1.1 -> 1.5 s (+36%), p 0.050: cases / case small" in invocation.stdout
    assert "not the same machine" in invocation.stderr
    for wrong in ("none.json", __file__):
        invocation = runner.invoke(app, ["bench", "compare", str(old), wrong])
        assert invocation.exit_code == 2
        assert len(invocation.stderr.splitlines()) == 1


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_our_own_results_can_be_compared(file: Path) -> None:
    result = json.loads(file.read_text(encoding="utf-8"))
    assert {verdict.word for verdict in compare_results(result, result)} <= {"same", "unsure"}
