import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gapscope.bench.measures import measures_of
from gapscope.bench.points import made_points
from gapscope_cli.main import app


def test_every_way_is_measured_or_says_why_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--rows", "1e3", "--dims", "16", "--backends", "gapscope, cpu; cuML, nn_descent", "--repeats", "1"]
    done = CliRunner().invoke(app, ["bench", "reduce", *options, "--out", str(out)])
    assert done.exit_code == 0, done.output
    result = json.loads((out / "reduce.json").read_text())
    assert result["machine"]["cores"] > 0
    ours, cuml = result["cases"]
    for measure in ("seconds", "peak_gib", "trustworthiness"):
        assert len(ours[measure]) == 1
        assert ours[measure][0] > 0
        assert f"cases / case gapscope, cpu, rows 1000 / {measure}" in measures_of(result)
    if not torch.cuda.is_available():
        assert cuml["not_run"] == "no GPU"
        assert "no GPU" in done.stdout
    page = (out / "reduce.html").read_text()
    assert "gapscope, cpu" in page
    assert "<script src=" not in page


@pytest.mark.parametrize(
    "options",
    [
        ["--rows", "many"],
        ["--rows", "10"],
        ["--backends", "magic"],
        ["--repeats", "0"],
        ["--points", "nothing.npy"],
    ],
)
def test_wrong_options_are_one_line(options: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "reduce", "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert options[0] in done.stderr
    assert not (tmp_path / "out").exists()


def test_made_up_embeddings_lie_in_groups_and_come_out_the_same() -> None:
    points = made_points(2000, 32, seed=0)
    assert points.shape == (2000, 32)
    np.testing.assert_array_equal(points, made_points(2000, 32, seed=0))
    spread = points.std(axis=0)
    assert spread[:4].mean() > 2 * spread[-4:].mean()
