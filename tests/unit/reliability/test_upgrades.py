"""Runs of other releases: those of the same format open, others are refused with the way out."""

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gapscope
from gapscope.progress import Silent
from gapscope.stages.report import rewrite_report
from gapscope.store.run_record import FORMAT, NAME
from gapscope_cli.main import app

SAMPLES = sorted((Path(__file__).parents[2] / "data").glob("run-format-*.zip"))


def unpacked(sample: Path, to: Path) -> Path:
    with zipfile.ZipFile(sample) as archive:
        archive.extractall(to)
    return to


def test_the_present_format_has_a_sample() -> None:
    assert f"run-format-{FORMAT}.zip" in [sample.name for sample in SAMPLES]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_run_of_an_earlier_release_opens_or_is_refused_with_the_way_out(sample: Path, tmp_path: Path) -> None:
    path = unpacked(sample, tmp_path / "run")
    if sample.stem != f"run-format-{FORMAT}":
        with pytest.raises(gapscope.RunError, match=rf"reads format {FORMAT}: look at it with .* another `out`"):
            gapscope.open_run(path)
        return
    run = gapscope.open_run(path)
    assert run.datasets == ("real", "synthetic")
    assert run.metrics["datasets"]["real"] == {
        "listed": 41,
        "read": 40,
        "rejected": 1,
        "groups": 40,
        "group_rule": "none",
        "class_rule": "none",
        "statuses": {"not-an-image": 1},
        "listing": "41 images (.png 40, .jpg 1) in /images/real",
        "value_ranges": [],
        "warnings": [],
    }
    for level in run.levels:
        for pair in run.pairs:
            numbers = run.metrics["levels"][level]["pairs"]["-vs-".join(pair)]
            assert len(run.outliers(level, *pair)) == numbers["outliers"]
        assert len(run.layout(level)) == 52
        assert run.embeddings("real", level).shape[0] == 41
    assert run.outliers_across_levels("real", "synthetic").columns[0] == "rank"
    assert gapscope.verify(path).sound
    # Its images are gone, the pictures that it keeps of them are not.
    page = rewrite_report(path, Silent())
    assert page.is_file()
    assert (page.parent / "tiles").is_dir()
    found = gapscope.verify(path)
    assert (found.sound, found.finished) == (True, True)


@pytest.mark.parametrize(
    ("written_as", "theirs", "way_out"),
    [
        (FORMAT + 1, "9.9.9", "update to 9.9.9 or newer"),
        (FORMAT - 1, "0.0.1", "look at it with 0.0.1, or compare again into another --out"),
        ("three", None, "another version"),
    ],
)
def test_a_run_of_another_format_is_one_line(
    written_as: int | str, theirs: str | None, way_out: str, tmp_path: Path
) -> None:
    path = unpacked(SAMPLES[-1], tmp_path / "run")
    record = json.loads((path / NAME).read_text())
    record |= {"format": written_as, "versions": {} if theirs is None else {"gapscope": theirs}, "new": "unheard of"}
    (path / NAME).write_text(json.dumps(record))
    commands = {
        "report": [str(path)],
        "verify": [str(path)],
        "export": [str(path), "--to", "parquet"],
        "serve": [str(path)],
        "diff": [str(path), str(path)],
    }
    for command, given in commands.items():
        ended = CliRunner().invoke(app, [command, *given])
        assert ended.exit_code == 2, ended.output
        lines = [line for line in ended.stderr.splitlines() if line.startswith("gapscope: ")]
        assert len(lines) == 1
        assert f"this is gapscope {gapscope.__version__}, which reads format {FORMAT}" in lines[0]
        assert way_out in lines[0]
