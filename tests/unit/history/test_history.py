"""A history of versions: its numbers, the kinds that it follows, what it keeps, and which runs it takes."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from kind_runs import compare_kinds
from recording_progress import RecordingProgress
from s3_sessions import empty_bucket
from typer.testing import CliRunner, Result
from unprivileged import unprivileged

import gapscope
from gapscope import RunError, diff_kinds, diff_runs, open_run
from gapscope.history import find_runs, read, read_history
from gapscope.history.history import KIND_COLUMNS, NUMBER_COLUMNS
from gapscope.history.kept import NAME as KEPT
from gapscope.history.measure import measure_version
from gapscope_cli.main import app

VERSIONS = ("lacking", "filled", "lacking-again")


def rewrite(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((run / "run.json").read_text())
    change(content)
    (run / "run.json").write_text(json.dumps(content))


def begin(run: Path, created: str) -> None:
    rewrite(run, lambda content: content.update(created=created))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions: the second one has cats among the renders, and the third one is the first one again."""
    folder = tmp_path_factory.mktemp("made")
    compare_kinds(folder / "lacking", {"cat": 60, "dog": 20}, {})
    compare_kinds(folder / "filled", {"cat": 60, "dog": 20}, {"cat": 60, "dog": 0, "bird": 25})
    shutil.copytree(folder / "lacking", folder / "lacking-again")
    for day, name in enumerate(VERSIONS, start=1):
        begin(folder / name, f"2026-01-0{day}T00:00:00+00:00")
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "runs")


def history(*arguments: object) -> Result:
    done = CliRunner().invoke(app, ["history", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done


def test_numbers_and_kinds_are_those_of_a_diff_with_the_first_version(made: Path) -> None:
    opened = [open_run(made / name) for name in VERSIONS]
    own = read_history(opened)
    for number in (1, 2):
        expected = diff_runs(opened[0], opened[number])
        assert own.changes(0, number).to_dict("records") == expected.to_dict("records")
        kinds = diff_kinds(opened[0], opened[number])
        assert own.kind_changes(0, number)["verdict"].tolist() == kinds["verdict"].tolist()
        assert own.kind_changes(0, number)["groups_after"].tolist() == kinds["groups_after"].tolist()
    assert opened[0].record.scaler != opened[1].record.scaler
    table = own.numbers_table()
    assert table.columns.tolist() == list(NUMBER_COLUMNS)
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_a_kind_that_vanished_and_comes_back_is_the_same_kind(made: Path) -> None:
    table = read_history([open_run(made / name) for name in VERSIONS]).kinds_table()
    assert table.columns.tolist() == list(KIND_COLUMNS)
    events = {
        name: list(zip(own["groups"] > 0, own["event"], strict=True)) for name, own in table.groupby("name", sort=False)
    }
    assert events == {
        "cat": [(True, ""), (False, "vanished"), (True, "came back")],
        "dog": [(True, ""), (True, ""), (True, "")],
        "bird": [(False, ""), (True, "appeared"), (False, "vanished")],
    }
    assert table.groupby("name")["kind"].nunique().max() == 1


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of versions that are measured."""
    names: list[str] = []

    def recorded(run: gapscope.Run, first: gapscope.Run) -> Any:
        names.append(run.path.name)
        return measure_version(run, first)

    monkeypatch.setattr(read, "measure_version", recorded)
    return names


def test_what_was_measured_is_kept_until_its_run_changes(runs: Path, tmp_path: Path, measured: list[str]) -> None:
    kept = tmp_path / KEPT

    def again() -> list[dict[str, Any]]:
        measured.clear()
        table = read_history(find_runs([runs]), kept=kept).numbers_table()
        return table.to_dict("records")  # type: ignore[return-value]

    first = again()
    assert measured == list(VERSIONS)
    assert again() == first
    assert measured == []
    rewrite(runs / "filled", lambda content: content.update(device="another machine"))
    assert again() == first
    assert measured == ["filled"]
    # A number of the file is taken as it is, so that it shows which numbers are kept.
    content = json.loads(kept.read_text())
    content["versions"][1]["numbers"][0]["value"] = 0.125
    kept.write_text(json.dumps(content))
    assert [row["value"] for row in again()].count(0.125) == 1
    assert measured == []
    for damaged in (b"{", b'{"format": 0}', json.dumps({**content, "versions": [{}]}).encode()):
        kept.write_bytes(damaged)
        assert again() == first
        assert measured == list(VERSIONS)
    # By another first version, all numbers are others.
    begin(runs / "lacking", "2026-02-01T00:00:00+00:00")
    again()
    assert measured == ["filled", "lacking-again", "lacking"]


def test_a_run_of_other_settings_is_refused_or_left_out_and_named(runs: Path, tmp_path: Path) -> None:
    rewrite(runs / "filled", lambda content: content["config"]["embed"].update(size=128))
    with pytest.raises(RunError, match=r"lacking embeds with size 64, \S+filled with 128.*`skip_unlike=True`"):
        read_history(find_runs([runs]))
    refused = history(runs, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].endswith("--skip-unlike leaves such runs out")
    done = history(runs, "--out", tmp_path / "out", "--skip-unlike")
    assert done.exit_code == 0, done.stderr
    assert "filled with 128" in done.stdout
    assert done.stdout.splitlines()[0] == "2 versions: lacking to lacking-again"
    assert "filled with 128" in (tmp_path / "out" / "index.html").read_text()


def test_a_folder_gives_its_finished_runs_in_the_order_in_which_they_were_begun(runs: Path, tmp_path: Path) -> None:
    begin(runs / "filled", "2026-01-09T00:00:00+00:00")
    (runs / "latest").symlink_to(runs / "filled")
    (runs / "notes").mkdir()
    (runs / "notes.txt").write_text("none")
    shutil.copytree(runs / "lacking", runs / "stopped", ignore=shutil.ignore_patterns("metrics.json"))
    progress = RecordingProgress()
    found = find_runs([runs / "filled", runs], progress=progress)
    assert [run.path.name for run in found] == ["filled", "lacking", "lacking-again"]
    assert [run.path.name for run in find_runs([runs])] == ["lacking", "lacking-again", "filled"]
    assert progress.notes == [f"left out: {runs / 'stopped'} is not finished"]
    (tmp_path / "empty").mkdir()
    for path, words in ((tmp_path / "empty", "none of the folders in it"), (tmp_path / "none", "no such folder")):
        with pytest.raises(RunError, match=words):
            find_runs([path])


def test_the_command_tells_and_writes_what_happened(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = history(made, "--out", out)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["3 versions: lacking to lacking-again", "", "real images against synthetic:"]
    assert lines[3].split() == ["level", "reading", "number", "lacking", "filled", "lacking-again"]
    assert [line.split(" (")[0].strip() for line in lines if "cat (" in line] == ["vanished   cat", "came back  cat"]
    assert lines[-3:] == [str(out / name) for name in ("index.html", "history.csv", "kinds.csv")]
    assert sorted(path.name for path in out.iterdir()) == ["history.csv", KEPT, "index.html", "kinds.csv"]
    # A history is written over a history, and over nothing else.
    assert history(made, "--out", out).exit_code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    for other in (tmp_path / "mine", made / "filled"):
        assert history(made, "--out", other).exit_code == 2
    assert (tmp_path / "mine" / "index.html").read_text() == "mine"


def test_runs_are_only_read(runs: Path, tmp_path: Path) -> None:
    paths = [runs, *runs.rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with unprivileged():
            assert history(runs, "--out", tmp_path / "out").exit_code == 0
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert {path: path.stat().st_mtime_ns for path in [runs, *runs.rglob("*")]} == before


@pytest.fixture
def bucket() -> Iterator[str]:
    """The URL of an empty bucket of a server that speaks S3."""
    with empty_bucket() as url:
        yield url


@pytest.mark.slow
def test_a_bucket_of_runs_is_read_as_a_folder_is(made: Path, bucket: str, tmp_path: Path) -> None:
    for name in VERSIONS:
        fsspec.filesystem("s3").put(str(made / name), f"{bucket}/runs/{name}", recursive=True)
    local, remote = tmp_path / "local", f"{bucket}/history"
    assert history(made, "--out", local).exit_code == 0
    done = history(f"{bucket}/runs", "--out", remote)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == [f"{remote}/{name}" for name in ("index.html", "history.csv", "kinds.csv")]
    for name in ("index.html", "history.csv", "kinds.csv"):
        assert fsspec.filesystem("s3").cat(f"{remote}/{name}") == (local / name).read_bytes()
