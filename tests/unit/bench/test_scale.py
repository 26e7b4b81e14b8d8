import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gapscope.bench.mixture import fit_mixture
from gapscope.bench.scale_page import write_scale_page
from gapscope_cli.main import app


@pytest.mark.slow
def test_every_stage_of_every_size_is_measured_and_how_it_grows(tmp_path: Path) -> None:
    points = tmp_path / "points.npy"
    np.save(points, np.random.default_rng(0).normal(size=(600, 12)).astype(np.float32))
    options = ["--rows", "2e3,1e3", "--dims", "8", "--points", str(points), "--landmarks", "300", "--cluster", "inline"]
    invocation = CliRunner().invoke(app, ["bench", "scale", *options, "--out", str(tmp_path / "out")])
    assert invocation.exit_code == 0, invocation.output
    result = json.loads((tmp_path / "out" / "scale.json").read_text())
    assert result["rows"] == [1000, 2000]
    assert {"neighbors", "layout", "outliers", "kinds", "all"} <= set(result["exponent"])
    for case in result["cases"]:
        assert case["recall_within"] == case["recall_between"] == 1
        assert 0.5 < case["trustworthiness"] <= 1
        assert case["command_gib"] > 0.1
        stages = case["stages"]
        assert sum(stage["seconds"] for stage in stages.values()) < case["seconds"]
        assert f"{stages['layout']['seconds']:,.1f} s" in invocation.stdout
    # Nothing but the results is left.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scale.html", "scale.json"]
    page = (tmp_path / "out" / "scale.html").read_text()
    assert "neighbors style aside" in page
    assert "<script src=" not in page


def test_a_size_that_fails_is_told_and_costs_no_other(tmp_path: Path) -> None:
    machine = {"processor": "any", "cores": 1, "memory_gib": 1, "gpu": None, "time": "today"}
    settings = {"embeddings": "made up", "dims": 8, "device": "cpu", "cluster": "local", "landmarks": 5}
    cases = [{"rows": 1000, "failed": "not finished after <1> s"}]
    write_scale_page(
        tmp_path / "scale.html", {"machine": machine, "settings": settings, "exponent": {}, "rows": [], "cases": cases}
    )
    assert "not finished after &lt;1&gt; s" in (tmp_path / "scale.html").read_text()


def test_made_up_embeddings_have_the_mean_and_covariance_of_real_ones(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    real = random.normal(size=(4000, 6)) @ random.normal(size=(6, 6)) + random.integers(0, 2, (4000, 1)) * 4
    mixture = fit_mixture(real, 6)
    mixture.write(tmp_path / "made.npy", 30_000, seed=1)
    made = np.load(tmp_path / "made.npy").astype(np.float64)
    standardized = (real - real.mean(axis=0)) / real.std(axis=0)
    expected = np.sort(np.linalg.eigvalsh(np.cov(standardized.T)))
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(np.cov(made.T))), expected, rtol=0.1, atol=0.05)
    assert np.abs(made.mean(axis=0)).max() < 0.1
    other = mixture.without_some(seed=5)
    assert np.count_nonzero(other.shares) == len(mixture.shares) - 1


@pytest.mark.parametrize(
    "options", [["--rows", "many"], ["--rows", "10"], ["--dims", "2"], ["--points", "nothing.npy"]]
)
def test_wrong_options_are_one_line(options: list[str], tmp_path: Path) -> None:
    invocation = CliRunner().invoke(app, ["bench", "scale", "--out", str(tmp_path / "out"), *options])
    assert invocation.exit_code == 2
    assert len(invocation.stderr.splitlines()) == 1
    assert options[0] in invocation.stderr
    assert not (tmp_path / "out").exists()
