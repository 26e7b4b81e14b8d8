import json
from pathlib import Path

import pytest
from recording_progress import RecordingProgress
from trackers import Tracker, make_run
from typer.testing import CliRunner

import gapscope
from gapscope.report.contact_sheet import contact_sheet
from gapscope.track.numbers import run_numbers
from gapscope.track.parameters import run_parameters
from gapscope_cli.main import app

# The server takes some ten seconds to start.
pytestmark = pytest.mark.slow


def test_everything_comes_back_as_it_is_in_the_run(tracker: Tracker, small_run: gapscope.Run) -> None:
    tracked = gapscope.track_run(small_run, tracker.url, experiment="whole", tags={"version": "7"})
    (run,) = tracker.runs("whole")
    info = run["info"]
    assert tracked.url == f"{tracker.url}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}"
    assert (tracked.replaced, tracked.left_out) == (0, ())
    assert (info["status"], info["run_name"]) == ("FINISHED", small_run.path.name)
    assert run["params"] == run_parameters(small_run)
    assert run["metrics"] == run_numbers(small_run)
    assert run["tags"]["version"] == "7"
    assert run["tags"]["gapscope.run"] == str(small_run.path)
    assert info["start_time"] <= info["end_time"]
    files = tracker.files(run)
    for name in ("metrics.json", "gaps.json", "gaps.csv", "rejects.csv"):
        assert files.pop(name) == (small_run.path / name).read_bytes()
    manifests = {f"manifests/{path.name}": path for path in (small_run.path / "manifests").iterdir()}
    expected = {name: path.read_bytes() for name, path in manifests.items() if not name.endswith(".parquet")}
    assert {name: data for name, data in files.items() if name.startswith("manifests/")} == expected
    assert b"<!doctype html>" in files["page.html"][:100].lower()
    kinds = small_run.gaps_record["kinds"]
    assert len(json.loads(files["kinds/kinds.json"])["data"]) == len(kinds) > 0
    for gap in kinds:
        assert files[f"kinds/{gap['id']}.jpg"] == contact_sheet(small_run.store, gap)
    assert {name.split("/")[0] for name in files} == {"manifests", "kinds", "page.html"}


def test_a_run_tracked_twice_is_one_run_with_one_value_of_each_number(
    tracker: Tracker, small_run: gapscope.Run
) -> None:
    first = gapscope.track_run(small_run, tracker.url, experiment="twice", name="before")
    (before,) = tracker.runs("twice")
    tracker.set_tag(before, "reviewed", "yes")
    second = gapscope.track_run(small_run, tracker.url, experiment="twice", name="after", tags={"version": "8"})
    (run,) = tracker.runs("twice")
    assert second == first
    assert run["info"]["run_name"] == "after"
    assert (run["tags"]["version"], run["tags"]["reviewed"]) == ("8", "yes")
    assert tracker.history(run, "real-vs-synthetic/kinds/all") == [run["metrics"]["real-vs-synthetic/kinds/all"]]
    assert tracker.files(run).keys() == tracker.files(before).keys()


def test_numbers_that_changed_are_the_latest_of_the_same_run(tracker: Tracker, tmp_path: Path) -> None:
    first = gapscope.track_run(make_run(tmp_path / "a"), tracker.url, experiment="changed")
    (tmp_path / "a").rename(tmp_path / "old")
    again = make_run(tmp_path / "a", outliers=3)
    second = gapscope.track_run(again, tracker.url, experiment="changed")
    (run,) = tracker.runs("changed")
    assert second.run_id == first.run_id
    assert run["metrics"] == run_numbers(again)
    assert tracker.history(run, "real-vs-syn/P2/as-is/outliers") == [2, 3]
    assert tracker.files(run)["metrics.json"] == (again.path / "metrics.json").read_bytes()


def test_an_updated_run_takes_the_place_of_the_earlier_one(tracker: Tracker, tmp_path: Path) -> None:
    images = {"real": ["0.png", "1.png", "2.png"], "v1": ["0.png", "1.png", "2.png"]}
    first = gapscope.track_run(make_run(tmp_path / "a", images=images), tracker.url, experiment="updated")
    (before,) = tracker.runs("updated")
    tracker.set_tag(before, "reviewed", "yes")
    (tmp_path / "a").rename(tmp_path / "old")
    updated = make_run(tmp_path / "a", images={"real": images["real"], "v2": images["v1"]})
    second = gapscope.track_run(updated, tracker.url, experiment="updated")
    (run,) = tracker.runs("updated")
    assert second.replaced == 1
    assert run["info"]["run_id"] == second.run_id != first.run_id
    assert run["params"] == run_parameters(updated)
    assert run["metrics"] == run_numbers(updated)
    assert run["tags"]["reviewed"] == "yes"
    (deleted,) = tracker.runs("updated", "DELETED_ONLY")
    assert deleted["info"]["run_id"] == first.run_id


def test_two_runs_are_two_and_one_run_may_be_in_two_experiments(tracker: Tracker, tmp_path: Path) -> None:
    for name in ("a", "b"):
        gapscope.track_run(make_run(tmp_path / name), tracker.url, experiment="two", name=name)
    gapscope.track_run(gapscope.open_run(tmp_path / "a" / "run"), tracker.url, experiment="another")
    assert sorted(run["info"]["run_name"] for run in tracker.runs("two")) == ["a", "b"]
    assert len(tracker.runs("another")) == 1


def test_what_people_logged_to_the_run_themselves_stays(tracker: Tracker, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    first = gapscope.track_run(run, tracker.url, experiment="own")
    own = {"run_id": first.run_id, "key": "mAP", "value": 0.5, "timestamp": 1}
    tracker.ask("api/2.0/mlflow/runs/log-metric", own)
    tracker.ask("api/2.0/mlflow/runs/log-parameter", {"run_id": first.run_id, "key": "optimizer.lr", "value": "1"})
    second = gapscope.track_run(run, tracker.url, experiment="own")
    (tracked,) = tracker.runs("own")
    assert second.run_id == first.run_id
    assert (tracked["metrics"]["mAP"], tracked["params"]["optimizer.lr"]) == (0.5, "1")


def test_odd_names_come_back(tracker: Tracker, tmp_path: Path) -> None:
    images = {
        "real-2.0": [f"{name}/{at}.png" for name in ("traffic:light", "größe & maß", "x..") for at in range(4)],
        "syn_1": [f"{name}/{at}.png" for name in ("traffic|light", "größe & maß") for at in range(4)],
    }
    run = make_run(tmp_path / "ä 'b' #1", images=images, broken=set(), acting=True)
    experiment = 'Größe/it\'s "odd" #1?'
    gapscope.track_run(run, tracker.url, experiment=experiment, name="<b>ü</b>", tags={"wo/ü-1 .x": 'π = 3; "q"'})
    (tracked,) = tracker.runs(experiment)
    assert tracked["metrics"] == run_numbers(run)
    assert tracked["params"] == run_parameters(run)
    assert tracked["params"]["dataset.real-2.0"] == str(tmp_path / "ä 'b' #1" / "images" / "real-2.0")
    assert tracked["info"]["run_name"] == "<b>ü</b>"
    assert tracked["tags"]["wo/ü-1 .x"] == 'π = 3; "q"'
    assert tracker.files(tracked)["classes.csv"] == (run.path / "classes.csv").read_bytes()


def test_the_command_prints_the_address_and_says_what_is_left_out(tracker: Tracker, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    command = ["track", str(run.path), "--to", tracker.url, "--experiment", "command", "--tag", "a=b=c"]
    done = CliRunner().invoke(app, [*command, "--max-mb", "0.001"])
    (tracked,) = tracker.runs("command")
    info = tracked["info"]
    assert (done.exit_code, done.stdout) == (
        0,
        f"{tracker.url}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}\n",
    )
    assert "metrics.json is larger than 0.001 MB" in done.stderr
    assert tracked["tags"]["a"] == "b=c"


def test_a_deleted_experiment_is_told(tracker: Tracker, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    gapscope.track_run(run, tracker.url, experiment="gone")
    (tracked,) = tracker.runs("gone")
    tracker.ask("api/2.0/mlflow/experiments/delete", {"experiment_id": tracked["info"]["experiment_id"]})
    with pytest.raises(gapscope.TrackerError, match="the experiment 'gone' is deleted: restore it in MLflow"):
        gapscope.track_run(run, tracker.url, experiment="gone")


def test_progress_counts_the_files_and_is_told_what_is_left_out(tracker: Tracker, tmp_path: Path) -> None:
    progress = RecordingProgress()
    gapscope.track_run(make_run(tmp_path), tracker.url, experiment="progress", max_mb=0.001, progress=progress)
    assert any("is larger than" in note for note in progress.notes)
