import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gapscope.bench.backend_names import BACKEND_NAMES
from gapscope.bench.backends import BACKENDS
from gapscope_cli.main import app

_MACHINE = {"processor": "slide rule", "cores": 1, "memory_gib": 1, "gpu": None, "time": "1632"}


def _ladder(speed: float) -> dict[str, Any]:
    cases = [
        {"case": name, "rows": rows, "seconds": [rows / speed, 1.1 * rows / speed], "trustworthiness": [0.9, 0.9]}
        for name in ("umap-learn", "gapscope, cuda")
        for rows in (1000, 10_000)
    ]
    return {"machine": _MACHINE, "cases": [*cases, {"case": "cuML, nn_descent", "rows": 1000, "not_run": "no GPU"}]}


def test_results_of_several_machines_are_shown_side_by_side(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.json" for name in ("laptop", "h200", "<b>cluster")]
    for file, speed in zip(files, (10, 1000, 400), strict=True):
        file.write_text(json.dumps(_ladder(speed)))
    out = tmp_path / "out"
    invocation = CliRunner().invoke(app, ["bench", "compare", *map(str, files), "--out", str(out)])
    assert invocation.exit_code == 0, invocation.output
    joined = json.loads((out / "joined.json").read_text())
    medians = {measure["measure"]: list(measure["medians"].values()) for measure in joined["measures"]}
    assert medians["cases / case umap-learn, rows 10000 / seconds"] == pytest.approx([1050, 10.5, 26.25])
    page = (out / "joined.html").read_text()
    assert "<b>10.5</b>" in page
    assert "slide rule" in page
    assert "<b>cluster" not in page
    assert "<script src=" not in page


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "nothing"], ["a", "other"]])
def test_what_cannot_be_joined_is_one_line(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(_ladder(10)))
    (tmp_path / "other.json").write_text(json.dumps({"machine": _MACHINE, "bytes": 7}))
    files = [str(tmp_path / f"{name}.json") for name in names]
    invocation = CliRunner().invoke(app, ["bench", "compare", *files, "--out", str(tmp_path / "out")])
    assert invocation.exit_code == 2
    assert len(invocation.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_help_names_every_backend() -> None:
    assert tuple(BACKENDS) == BACKEND_NAMES
    shown = " ".join(CliRunner().invoke(app, ["bench", "reduce", "--help"]).output.replace("│", " ").split())
    assert all(name in shown for name in BACKEND_NAMES)
