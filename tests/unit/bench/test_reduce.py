import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gapscope.bench.measures import measures_of
from gapscope.bench.points import made_points
from gapscope_cli.documents import schema_of
from gapscope_cli.main import app


@pytest.mark.slow
def test_every_backend_is_measured_or_says_why_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--rows", "1e3", "--dims", "16", "--backends", "gapscope, cpu; cuML, nn_descent", "--repeats", "1"]
    invocation = CliRunner().invoke(app, ["bench", "reduce", *options, "--out", str(out), "--json"])
    assert invocation.exit_code == 0, invocation.output
    document = json.loads(invocation.stdout)
    jsonschema.validate(document, schema_of("bench reduce"))
    result = json.loads((out / "reduce.json").read_text())
    assert document["result"] == result
    assert result["machine"]["cores"] > 0
    gapscope_cpu, cuml = result["cases"]
    for measure in ("seconds", "peak_gib", "trustworthiness"):
        assert len(gapscope_cpu[measure]) == 1
        assert gapscope_cpu[measure][0] > 0
        assert f"cases / case gapscope, cpu, rows 1000 / {measure}" in measures_of(result)
    if not torch.cuda.is_available():
        assert cuml["not_run"] == "no GPU"
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
    invocation = CliRunner().invoke(app, ["bench", "reduce", "--out", str(tmp_path / "out"), *options])
    assert invocation.exit_code == 2
    assert len(invocation.stderr.splitlines()) == 1
    assert options[0] in invocation.stderr
    assert not (tmp_path / "out").exists()


def test_made_up_embeddings_depend_only_on_the_seed_and_have_a_few_wide_axes() -> None:
    points = made_points(2000, 32, seed=0)
    assert points.shape == (2000, 32)
    np.testing.assert_array_equal(points, made_points(2000, 32, seed=0))
    std = points.std(axis=0)
    assert std[:4].mean() > 2 * std[-4:].mean()
