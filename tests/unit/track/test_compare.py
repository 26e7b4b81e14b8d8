"""`gapscope compare --track`: a tracker that fails does not lose the job."""

import json
from pathlib import Path

import jsonschema
import pytest
import typer
from trackers import Tracker
from typer.testing import CliRunner

import gapscope
from gapscope.gate import read_rules
from gapscope_cli.documents import schema_of
from gapscope_cli.gating import show_gated
from gapscope_cli.main import app
from gapscope_cli.output import Output, use_output


def compare_again(run: gapscope.Run, folders: tuple[Path, Path], *options: str) -> tuple[int, str, str]:
    datasets = [f"{name}={folder}" for name, folder in zip(run.datasets, folders, strict=True)]
    command = ["compare", *datasets, "--out", str(run.path), "--model", "bundled", "--size", "96"]
    done = CliRunner().invoke(app, [*command, "--cluster", "inline", "--quiet", "--json", *options])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.usefixtures("client", "hasty")
def test_a_tracker_that_cannot_be_reached_is_a_warning_and_the_gate_decides(
    small_run: gapscope.Run, closed_port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = closed_port.replace("//", "//me:hunter22@")
    for rule, code in (("images > 10", 0), ("images > 1000", 1), ("probe > 50%", 3)):
        with use_output(Output(command="compare", as_json=True, is_quiet=True)):
            found = 0
            try:
                show_gated(small_run, read_rules([rule]), address)
            except typer.Exit as end:
                found = end.exit_code
        shown = capsys.readouterr()
        assert found == code
        (line,) = shown.err.splitlines()
        assert line.startswith("gapscope: warning: the run is finished, and not tracked: ")
        assert "hunter22" not in shown.out + shown.err
        assert json.loads(shown.out)["tracked"] is None


def test_what_the_tracker_needs_is_looked_for_before_the_job(
    two_folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    datasets = [f"real={two_folders[0]}", f"synthetic={two_folders[1]}"]
    done = CliRunner().invoke(app, ["compare", *datasets, "--out", str(tmp_path / "run"), "--track", "http://x"])
    assert done.exit_code == 2
    assert "gapscope[mlflow]" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_a_finished_comparison_is_on_the_tracker(
    small_run: gapscope.Run, two_folders: tuple[Path, Path], tracker: Tracker
) -> None:
    code, out, errors = compare_again(small_run, two_folders, "--track", tracker.url)
    assert (code, errors) == (0, "")
    address = json.loads(out)["tracked"]
    assert address.startswith(tracker.url)
    again = json.loads(CliRunner().invoke(app, ["track", str(small_run.path), "--to", tracker.url, "--json"]).stdout)
    jsonschema.validate(again, schema_of("track"))
    assert again["url"] == address
