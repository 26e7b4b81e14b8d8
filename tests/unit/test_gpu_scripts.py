"""The scripts that prove the GPU path run dry on the CPU, so that a day with a GPU is not spent on typing errors."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "stages"),
    [("embed", "ceilings,end_to_end,engine"), ("layout", "memory_layout,whole_job")],
)
def test_stages_run_dry(script: str, stages: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    given = [script, "--device", "cpu", "--tiny", "--only", stages, "--out", tmp_path / "out", "--scratch", tmp_path]
    monkeypatch.setattr(sys, "argv", ["run", *map(str, given)])
    assert importlib.import_module("gpu.run").main() == 0
    for stage in stages.split(","):
        result = json.loads((tmp_path / "out" / f"{stage}.json").read_text(encoding="utf-8"))
        assert result["dry"]
        assert result["parts"]
        assert all("found" in part for part in result["parts"].values())


@pytest.mark.parametrize("script", ["run_embed.sh", "run_layout.sh"])
def test_scripts_say_how_they_are_used(script: str) -> None:
    done = subprocess.run(["bash", BENCHMARKS / "gpu" / script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--wheels FOLDER" in done.stdout
