"""The proof of the GPU path runs dry on the CPU, so that a quarter of an hour with a GPU is not spent on slips."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from gpu.prove import STEPS, Step
from gpu.stage import Setting

from gapscope.device.cpu import Cpu
from gpu import prove

# Parts that do what a broken card, driver or program does.
ODD = """
import os, time

def fine(setting):
    yield {"one": 1}
    yield {"two": 2, "dry": setting.dry}

def fails(setting):
    yield {"before": 1}
    raise RuntimeError("CUDA error: an illegal memory access\\nCUDA kernel errors might be reported later")

def crashes(setting):
    yield {"before": 1}
    print("words of a driver")
    os.kill(os.getpid(), 11)

def hangs(setting):
    for number in range(10**6):
        yield {"number": number, "process": os.getpid()}
        # Numbers may be far between: it must not need the next one to see that nobody listens any more.
        time.sleep(0.05 if number < 4 else 600)

PARTS = {"fine": fine, "fails": fails, "crashes": crashes, "hangs": hangs}
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more" / "gpu").mkdir(parents=True)
    (tmp_path / "more" / "gpu" / "odd.py").write_text(ODD, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"))


def taken(tmp_path: Path, steps: dict[str, Step], *more: str) -> tuple[int, dict[str, Any]]:
    """Take steps dry; return the exit code and what the file holds."""
    out = tmp_path / "out" / "prove.json"
    code = prove.main(["--device", "cpu", "--dry", "--out", str(out), "--scratch", str(tmp_path), *more], steps)
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return code, content


def run_dry(part: str, scratch: Path) -> None:
    module, _, name = part.partition(": ")
    setting, found = Setting(device=Cpu(), dry=True, images=None, scratch=scratch), dict[str, Any]()
    for more in importlib.import_module(f"gpu.{module}").PARTS[name](setting):
        json.dumps(more, default=str)
        found |= more
    assert found


def test_every_step_is_told_of_and_names_parts_that_are_there() -> None:
    told = (prove.ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert [step for step in STEPS if f"`{step}`" not in told] == []
    named = [part for step in STEPS.values() for part in step.parts]
    assert len(named) == len(set(named))
    for part in named:
        module, _, name = part.partition(": ")
        assert name in importlib.import_module(f"gpu.{module}").PARTS, part


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    ["right_embed: bundled", "fast_embed: 512 pixels, batch 128", "maps: 100 thousand", "whole_job: 20 thousand files"],
)
def test_what_matters_most_runs_dry(part: str, tmp_path: Path) -> None:
    run_dry(part, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_runs_dry(step: str, tmp_path: Path) -> None:
    code, content = taken(tmp_path, STEPS, "--only", step, "--seconds", "800")
    outcomes = {part: what["outcome"] for part, what in content["steps"][step].items()}
    assert outcomes == dict.fromkeys(STEPS[step].parts, "done")
    assert code == 0
    assert all(what["found"] for what in content["steps"][step].values())


@pytest.mark.slow
@pytest.mark.usefixtures("odd")
def test_what_fails_or_is_cut_off_loses_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "_MIN_SECONDS", 1)
    parts = ("odd: crashes", "odd: fails", "odd: fine")
    code, content = taken(tmp_path, {"first": Step(120, parts), "second": Step(6, ("odd: hangs", "odd: nowhere"))})
    assert code == 1
    crashed, failed, fine = (content["steps"]["first"][part] for part in parts)
    assert (crashed["outcome"], crashed["found"]) == ("the process ended: SIGSEGV", {"before": 1})
    assert "words of a driver" in crashed["said"]
    assert failed["outcome"] == "failed: RuntimeError: CUDA error: an illegal memory access"
    assert failed["found"] == {"before": 1}
    assert "might be reported later" in failed["said"]
    assert (fine["outcome"], fine["found"]) == ("done", {"one": 1, "two": 2, "dry": True})
    cut, after = content["steps"]["second"].values()
    assert cut["outcome"] == "not finished in time"
    assert cut["found"]["number"] > 0
    assert after["outcome"] == "no time was left"
    assert content["ended"]
    assert content["dry"]
    assert content["machine"]["versions"]["torch"]


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is an NVIDIA driver here")
def test_without_a_gpu_it_says_so_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prove.main(["--out", str(tmp_path / "prove.json")]) == 2
    assert "no NVIDIA driver" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_steps_are_taken_from_one_to_another_and_as_long_as_there_is_time(tmp_path: Path) -> None:
    _, content = taken(tmp_path, STEPS, "--from", "smoke", "--until", "maps", "--seconds", "0")
    assert list(content["steps"]) == ["smoke", "tests", "maps"]
    outcomes = {part["outcome"] for step in content["steps"].values() for part in step.values()}
    assert outcomes == {"no time was left"}


@pytest.mark.slow
@pytest.mark.usefixtures("odd")
def test_what_was_found_is_there_when_the_proof_itself_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "prove.json"
    given = ["--device", "cpu", "--dry", "--out", str(out)]
    program = f"from gpu.prove import Step, main; main({given!r}, {{'long': Step(300, ('odd: hangs',))}})"
    paths = os.pathsep.join([str(prove.ROOT / "benchmarks"), os.environ["PYTHONPATH"]])
    environment = os.environ | {"PYTHONPATH": paths}
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, env=environment)

    def found() -> dict[str, int]:
        steps = json.loads(out.read_text(encoding="utf-8"))["steps"] if out.exists() else {}
        numbers: dict[str, int] = steps.get("long", {}).get("odd: hangs", {}).get("found", {})
        return numbers

    try:
        while found().get("number", 0) < 3:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert found()["number"] >= 3
    assert not json.loads(out.read_text(encoding="utf-8"))["ended"]
    # What it had begun is gone with it.
    gone = ["tail", f"--pid={found()['process']}", "-s", "0.05", "-f", "/dev/null"]
    assert subprocess.run(gone, timeout=30, check=False).returncode == 0
