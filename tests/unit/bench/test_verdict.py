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


def changed(**values: Any) -> dict[str, Any]:
    new: dict[str, Any] = json.loads(json.dumps(OLD))
    new["decode"]["images_per_second"] |= values.pop("rates", {})
    new["cases"][0] |= values
    return new


def words(new: dict[str, Any]) -> dict[str, str]:
    return {verdict.old.name: verdict.word for verdict in compare_results(OLD, new)}


def test_entries_that_nothing_tells_apart_are_repeats_of_one() -> None:
    found = measures_of(OLD)
    assert found["cases / case large, rows 99 / seconds"].repeats == (5.0, 5.5, 5.2)
    assert not any("machine" in name for name in found)


def test_nothing_is_worse_than_itself() -> None:
    assert set(words(OLD).values()) == {"same", "unsure"}


@pytest.mark.parametrize(
    ("new", "name", "word"),
    [
        ({"rates": {"ours": [80.0, 81, 82]}}, "decode / images_per_second / ours", "worse"),
        ({"rates": {"ours": [120.0, 121, 122]}}, "decode / images_per_second / ours", "better"),
        ({"seconds": [1.5, 1.4, 1.6]}, "cases / case small, rows 10 / seconds", "worse"),
        ({"seconds": [0.5, 0.4, 0.6]}, "cases / case small, rows 10 / seconds", "better"),
        # Surely, but by little.
        ({"rates": {"ours": [98.0, 98, 98]}}, "decode / images_per_second / ours", "same"),
        # By much, but their repeats lie among each other.
        ({"seconds": [1.15, 3.0, 3.1]}, "cases / case small, rows 10 / seconds", "same"),
        ({"peak_gib": 4.0}, "cases / case small, rows 10 / peak_gib", "unsure"),
        ({"trustworthiness": [0.7, 0.71, 0.7]}, "cases / case small, rows 10 / trustworthiness", "worse"),
    ],
)
def test_worse_is_by_much_and_beyond_the_repeats(new: dict[str, Any], name: str, word: str) -> None:
    assert words(changed(**new))[name] == word


def test_noise_alone_is_rarely_worse() -> None:
    random = np.random.default_rng(0)

    def noisy() -> dict[str, Any]:
        return {f"{number}_seconds": list(random.lognormal(0, 0.2, 5)) for number in range(1000)}

    found = [verdict.word for verdict in compare_results(noisy(), noisy())]
    assert 0 < found.count("worse") <= 60
    assert 0 < found.count("better") <= 60


def test_the_command_says_what_is_worse_and_ends_with_4(tmp_path: Path) -> None:
    old, new, slower = (tmp_path / f"{name}.json" for name in ("old", "new", "slower"))
    old.write_text(json.dumps(OLD))
    new.write_text(json.dumps(OLD))
    slower.write_text(json.dumps(changed(seconds=[1.5, 1.4, 1.6]) | {"machine": {"processor": "slide rule"}}))
    runner = CliRunner()
    assert runner.invoke(app, ["bench", "compare", str(old), str(new)]).exit_code == 0
    done = runner.invoke(app, ["bench", "compare", str(old), str(slower)])
    assert done.exit_code == 4
    assert "worse   1.1 -> 1.5 s (+36%), p 0.050: cases / case small" in done.stdout
    assert "not the same machine" in done.stderr
    for wrong in ("none.json", __file__):
        done = runner.invoke(app, ["bench", "compare", str(old), wrong])
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_our_own_results_can_be_compared(file: Path) -> None:
    result = json.loads(file.read_text(encoding="utf-8"))
    assert {verdict.word for verdict in compare_results(result, result)} <= {"same", "unsure"}
