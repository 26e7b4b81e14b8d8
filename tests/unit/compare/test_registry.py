"""The registry of metrics: what a comparison writes, and what the console, `diff` and the documents say of it."""

from dataclasses import replace

import numpy as np
import pytest
from metrics_table import PAGE, metrics_table
from typer.testing import CliRunner
from vector_run import compare_vectors

from gapscope.compare.registry import METRICS, format_share
from gapscope.run import Run
from gapscope_cli.main import app
from gapscope_cli.summary import print_summary


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    random = np.random.default_rng(0)
    vectors = {name: {"P2": random.normal(size=(60, 4))} for name in ("real", "synthetic")}
    return compare_vectors(tmp_path_factory.mktemp("registry") / "run", vectors)


def test_every_number_that_a_comparison_writes_is_described(run: Run) -> None:
    pair = run.metrics["levels"]["P2"]["pairs"]["real-vs-synthetic"]
    ends = {f"{name}_{end}" for name, metric in METRICS.items() if metric.interval for end in ("low", "high")}
    numbers = {name for name, value in pair.items() if isinstance(value, int | float)} - ends
    assert numbers | set(pair["measures"]) == set(METRICS)
    for name, measure in pair["measures"].items():
        assert METRICS[name].measure
        assert measure["low"] is not None, name
        assert measure["floor"] is not None, name
    assert {name for name, metric in METRICS.items() if metric.interval and metric.noise_floor} == set(pair["measures"])


def test_the_documents_show_the_registry() -> None:
    table = metrics_table()
    assert f"{table}\n\n" in PAGE.read_text(encoding="utf-8"), "run python tests/helpers/metrics_table.py"


def test_console_and_diff_show_the_registrys_labels(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("share_outside", "kid"):
        monkeypatch.setitem(METRICS, name, replace(METRICS[name], label=f"<{name}>"))
    print_summary(run)
    assert "<share_outside>" in capsys.readouterr().out
    result = CliRunner().invoke(app, ["diff", str(run.path), str(run.path)])
    assert result.exit_code == 0, result.output
    assert "<share_outside> " in result.stdout
    assert "<kid> " in result.stdout


def test_shares_are_whole_percents_and_what_is_not_quite_none_or_all_says_so() -> None:
    # As in engine/page/test/format.test.ts, which holds what the page writes.
    shares = (0, 0.001, 0.00499, 0.005, 0.00501, 0.125, 0.135, 0.5, 0.9949, 0.995, 0.999, 1)
    assert [format_share(share) for share in shares] == [
        "0%", "<1%", "<1%", "0%", "1%", "12%", "14%", "50%", "99%", ">99%", ">99%", "100%"
    ]  # fmt: skip
