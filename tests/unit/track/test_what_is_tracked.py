import json
import math
from pathlib import Path

import pytest
from trackers import make_run

from gapscope.compare.registry import METRICS
from gapscope.errors import OptionError
from gapscope.run import Run
from gapscope.store.metrics import read_metrics
from gapscope.track import numbers
from gapscope.track.artifacts import collect_artifacts
from gapscope.track.numbers import class_names, describe_left_out_classes, run_numbers
from gapscope.track.parameters import IDENTITY, MAX_VALUE, run_identity, run_parameters, run_tags

OF_DATASETS = {"images", "groups", "reference_images", "reference_groups"}
CLASSED = {
    "real": [f"{name}/{at}.png" for name in ("car", "traffic:light", "größe & maß") for at in range(4)],
    "syn": [f"{name}/{at}.png" for name in ("car", "traffic|light") for at in range(4)],
}


def test_every_number_of_the_registry_is_tracked_with_its_interval(run: Run) -> None:
    tracked = run_numbers(run)
    for level, of_level in run.metrics["levels"].items():
        for reading, pairs in (("as-is", of_level["pairs"]), ("style-aside", of_level["style_aside"])):
            for pair, metrics in pairs.items():
                for name in METRICS.keys() - OF_DATASETS:
                    key = f"{pair}/{level}/{reading}/{name}"
                    measure = metrics["measures"].get(name)
                    if measure is not None:
                        ends = (tracked[key], tracked[f"{key}_low"], tracked[f"{key}_high"])
                        assert ends == (measure["value"], measure["low"], measure["high"])
                    elif name in metrics:
                        assert tracked[key] == metrics[name]  # type: ignore[literal-required]
                    else:
                        assert key not in tracked
                assert tracked[f"{pair}/{level}/{reading}/share_outside_low"] == metrics["share_outside_low"]
    assert (tracked["datasets/syn/images"], tracked["datasets/syn/rejected"]) == (9, 1)
    assert (tracked["real-vs-syn/kinds/all"], tracked["real-vs-syn/kinds/absent"]) == (1, 1)
    assert tracked["syn-vs-real/kinds/absent"] == 0


def test_what_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    metrics = read_metrics(run.store)
    changed = metrics["levels"]["P2"]["pairs"]["real-vs-syn"]
    changed["measures"]["kid"]["low"] = None
    changed["measures"]["kid"]["high"] = math.inf
    changed["gap"] = math.nan
    # JSON holds neither, but a measure may come from elsewhere.
    run.__dict__["metrics"] = metrics
    tracked = run_numbers(run)
    assert "real-vs-syn/P2/as-is/kid" in tracked
    assert not {f"real-vs-syn/P2/as-is/{name}" for name in ("kid_low", "kid_high", "gap")} & tracked.keys()
    assert all(map(math.isfinite, tracked.values()))


def test_no_number_has_the_name_of_a_folder_of_numbers(tmp_path: Path) -> None:
    tracked = run_numbers(make_run(tmp_path, images=CLASSED, broken=set(), acting=True))
    folders = {name.rpartition("/")[0] for name in tracked}
    assert not folders & tracked.keys()


def test_the_gap_of_each_class_is_tracked_under_a_name_that_mlflow_takes(tmp_path: Path) -> None:
    run = make_run(tmp_path, images=CLASSED, broken=set(), acting=True)
    tracked = run_numbers(run)
    names = class_names(["car", "traffic:light", "traffic|light", "größe & maß"])
    assert len(set(names.values())) == 4
    for row in run.classes().to_dict("records"):
        if row["class"] == "car":
            key = f"{row['query']}-vs-{row['reference']}/{row['level']}/{row['reading']}/class/car/gap"
            assert tracked[key] == pytest.approx(row["gap"])
    assert any("/class/größe _ maß/gap" in name for name in tracked)
    assert describe_left_out_classes(run) == ""


def test_the_most_frequent_classes_are_tracked_and_the_rest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "MAX_CLASSES", 1)
    images = {"real": [f"car/{at}.png" for at in range(5)] + ["bus/0.png"], "syn": ["bus/1.png", "car/9.png"]}
    run = make_run(tmp_path, images=images, broken=set(), acting=True)
    classes = {name.split("/")[4] for name in run_numbers(run) if "/class/" in name}
    assert classes == {"car"}
    assert describe_left_out_classes(run).startswith("the gap of the 1 most frequent of 2 classes")


@pytest.mark.parametrize("name", ["..", ".", "", " ", "a/../b", "/", "x" * 300, "🚗", "a\nb", "tab\t"])
def test_no_name_of_a_class_leads_out_of_its_folder_or_is_refused(name: str) -> None:
    (plain,) = class_names([name]).values()
    assert 0 < len(plain) <= 80
    assert plain.strip(".") == plain
    assert "/" not in plain
    assert plain == plain.strip()


def test_classes_with_like_names_stay_apart() -> None:
    names = class_names(["Car", "car", "a/b", "a|b", "a_b-2", "a:b"])
    assert len({name.casefold() for name in names.values()}) == 6


def test_parameters_are_what_defines_the_run_and_fit(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.record.config.group["real"] = f"pattern:{'x' * 1000}"
    parameters = run_parameters(run)
    assert parameters["datasets"] == "real,syn"
    assert parameters["dataset.real"] == str(tmp_path / "images" / "real")
    assert (parameters["model"], parameters["levels"], parameters["size"]) == ("bundled", "P2,P3,P4", "224")
    assert parameters["fdr"] == str(run.record.config.compare.fdr)
    assert parameters["mask"] == "false"
    assert len(parameters["group.real"]) == MAX_VALUE
    assert parameters["group.real"].endswith("…")
    assert all(0 < len(value) <= MAX_VALUE for value in parameters.values())


def test_a_run_keeps_its_identity_while_it_is_updated_and_shares_it_with_no_other(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    before = run_identity(run)
    assert run_tags(run, {})[IDENTITY] == before
    run.record.config.datasets["more"] = "elsewhere"
    assert run_identity(run) == before
    assert run_identity(make_run(tmp_path / "b")) != before
    run.record.created = "2027-01-02T03:04:05+00:00"
    assert run_identity(run) != before


def test_tags_say_what_the_run_is_and_in_words_what_it_found(run: Run) -> None:
    tags = run_tags(run, {"version": "7"})
    assert tags["gapscope.run"] == str(run.path)
    assert tags["gapscope.version"] == "0.1.0"
    assert tags["version"] == "7"
    assert "- what real-vs-syn says" in tags["mlflow.note.content"]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"a[b": "1"}, "name it with"),
        ({"": "1"}, "name it with"),
        ({"gapscope.id": "1"}, "own"),
        ({"a": "x" * 6000}, "5,000"),
    ],
)
def test_a_tag_that_mlflow_refuses_is_told_before_anything_is_sent(
    run: Run, tags: dict[str, str], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        run_tags(run, tags)


def test_a_file_that_is_too_large_is_left_out_by_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with (run.path / "manifests" / "P2.real-vs-syn.csv").open("ab") as file:
        file.truncate(300_000)
    (tmp_path / "scratch").mkdir()
    artifacts, left_out = collect_artifacts(run, tmp_path / "scratch", 0.2)
    assert left_out == ["manifests/P2.real-vs-syn.csv"]
    names = [artifact.name for artifact in artifacts]
    assert "manifests/P2.real-vs-syn.txt" in names
    assert "metrics.json" in names
    # A run without classes has an empty table, and one without thumbnails no pictures.
    assert "classes.csv" not in names
    assert not any(name.endswith(".jpg") for name in names)


def test_the_kinds_are_a_table_in_the_form_of_mlflow(run: Run, tmp_path: Path) -> None:
    artifacts, _ = collect_artifacts(run, tmp_path, 100)
    (path,) = (artifact.path for artifact in artifacts if artifact.name == "kinds/kinds.json")
    table = json.loads(path.read_text(encoding="utf-8"))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [row["id"] for row in rows] == ["K1", "K2"]
    assert [row["title"] for row in rows] == [gap["title"] for gap in run.gaps_record["kinds"]]
