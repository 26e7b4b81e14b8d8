"""`gapscope plan`, which estimates a job, and `gapscope doctor`, which checks this machine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gapscope
from gapscope.plan.estimate import Plan, estimate
from gapscope.plan.measure import Measured
from gapscope_cli.main import app

MEASURED = Measured(
    listing_seconds=3.0,
    images=100,
    images_per_second=50.0,
    limit="model",
    picture_seconds=0.001,
    index_bytes=100.0,
    memory_bytes=10**9,
    rows=1000,
    neighbor_seconds=1e-9,
    layout_seconds=1e-5,
)


def make_plan(images: dict[str, int], workers: int = 1, measured: Measured = MEASURED) -> Plan:
    return Plan(
        images=images,
        stages=estimate(images, {"P3": 100, "P5": 300}, measured, 30, 32, workers),
        device="CPU",
        workers=workers,
        limit="model",
        images_per_second=50.0,
        price_per_hour=3.0,
    )


def test_stages_grow_as_their_work_does() -> None:
    small, large = make_plan({"a": 1000, "b": 3000}), make_plan({"a": 10_000, "b": 30_000})
    seconds = {
        before.name: (before.seconds, after.seconds) for before, after in zip(small.stages, large.stages, strict=True)
    }
    assert seconds["embedding"] == (80.0, 800.0)
    # The distances of all images to all images: 4000 x 4000 pairs, with 400 channels.
    assert seconds["neighbors"][0] == pytest.approx(4000**2 * 400 * 1e-9)
    assert seconds["neighbors"][1] == pytest.approx(100 * seconds["neighbors"][0])
    assert 10 < seconds["layout"][1] / seconds["layout"][0] < 13
    by_name = {stage.name: stage for stage in small.stages}
    assert by_name["embedding"].disk_bytes == 4000 * 400 * 2
    assert by_name["neighbors"].disk_bytes == 4000 * 2 * 2 * 30 * 12


def test_workers_share_embedding_and_are_all_paid() -> None:
    one, four = make_plan({"a": 10**6, "b": 10**6}), make_plan({"a": 10**6, "b": 10**6}, workers=4)
    assert four.stages[1].seconds == one.stages[1].seconds / 4
    assert four.stages[2].seconds == one.stages[2].seconds
    assert four.cost == pytest.approx(four.seconds / 3600 * 4 * 3)
    assert replace(one, price_per_hour=None).cost is None
    assert one.slowest.name == "neighbors"


def test_a_plan_is_printed_and_leaves_nothing(two_folders: tuple[Path, Path], tmp_path: Path) -> None:
    command = ["plan", f"real={two_folders[0]}", f"synthetic={two_folders[1]}", "--model", "bundled", "--size", "64"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path))
        patch.setattr("tempfile.tempdir", None)
        patch.setattr("gapscope.plan.measure._ROWS", 128)
        options = ["--sample", "70", "--gpus", "4", "--price-per-gpu-hour", "2.5", "--levels", "P3,P5"]
        invocation = CliRunner().invoke(app, [*command, *options])
    assert invocation.exit_code == 0, invocation.output
    assert "real 75, synthetic 60" in invocation.stdout
    for words in ("listing", "embedding", "neighbors", "layout", "report", "slowest", "cost", "measured on"):
        assert words in invocation.stdout
    assert "rejected" not in invocation.output
    assert list(tmp_path.glob("gapscope-*")) == []


@pytest.mark.parametrize("option", [["--gpus", "0"], ["--sample", "0"], ["--price-per-gpu-hour", "-1"]])
def test_what_cannot_be_planned_is_one_line(two_folders: tuple[Path, Path], option: list[str]) -> None:
    invocation = CliRunner().invoke(app, ["plan", f"a={two_folders[0]}", "--model", "bundled", *option])
    assert invocation.exit_code == 2
    assert option[0] in invocation.stderr


def test_the_doctor_says_what_works_and_what_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapscope.cluster.launch._CONNECT_SECONDS", 1)
    invocation = CliRunner().invoke(app, ["doctor"])
    assert invocation.exit_code == 0, invocation.output
    for what in ("GPU", "driver", "cuML", "decoders", "decoder process", "weights cached", "device auto"):
        assert f" {what} " in invocation.stdout
    assert f"gapscope          {gapscope.__version__}" in invocation.stdout
    unreachable = tmp_path / "scheduler.json"
    unreachable.write_text(json.dumps({"address": "tcp://127.0.0.1:1"}))
    for address in ("tcp://127.0.0.1:1", str(unreachable)):
        invocation = CliRunner().invoke(app, ["doctor", "--cluster", address])
        assert invocation.exit_code == 1
        assert "FAILS  cluster" in invocation.stdout
        assert "no Dask scheduler answers there" in invocation.stdout
    invocation = CliRunner().invoke(app, ["doctor", "--cluster", str(tmp_path / "none.json")])
    assert invocation.exit_code == 2
    assert "no such scheduler file" in invocation.stderr
