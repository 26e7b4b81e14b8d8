"""`gapscope plan`, which estimates a job, and `gapscope doctor`, which checks this machine."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gapscope
from gapscope.device.cpu import Cpu
from gapscope.plan import estimate as plan_estimate
from gapscope.plan import plan as gapscope_plan
from gapscope.plan.estimate import Plan, estimate
from gapscope.plan.rates import KNOWN_MODELS, Rates, typical_rates
from gapscope.pyramid import MODELS
from gapscope_cli.main import app

MEASURED = Rates(
    start_seconds=5.0,
    listing_seconds=3.0,
    images=100,
    images_per_second=50.0,
    limit="model",
    index_bytes=100.0,
    memory_bytes=10**9,
    rows=1000,
    neighbor_seconds=1e-9,
    layout_seconds=1e-5,
)


def make_plan(images: dict[str, int], workers: int = 1, rates: Rates = MEASURED) -> Plan:
    return Plan(
        images=images,
        stages=estimate(images, {"P3": 100, "P5": 300}, rates, 30, 32, workers),
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
    searches = 2 * 2 * 2 * 0.03
    assert seconds["neighbors"][0] == pytest.approx(4000**2 * 400 * 1e-9 + searches)
    assert seconds["neighbors"][1] == pytest.approx(100 * 4000**2 * 400 * 1e-9 + searches)
    assert 10 < seconds["layout"][1] / seconds["layout"][0] < 13
    by_name = {stage.name: stage for stage in small.stages}
    assert by_name["embedding"].disk_bytes == 4000 * 400 * 2
    assert by_name["neighbors"].disk_bytes == 4000 * 2 * 2 * 30 * 12


def test_a_million_images_and_more_are_searched_and_placed_nearly_in_proportion() -> None:
    first, second = make_plan({"a": 500_000, "b": 500_000}), make_plan({"a": 5_000_000, "b": 5_000_000})
    before, after = ({stage.name: stage for stage in plan.stages} for plan in (first, second))
    assert after["layout"].seconds < 10 * before["layout"].seconds
    # Measured: between the first and the 1.3rd power.
    assert 10 <= after["neighbors"].seconds / before["neighbors"].seconds < 20
    for name in ("neighbors", "layout"):
        assert (after[name].memory_bytes or 0) <= 2 * (before[name].memory_bytes or 0)
    assert "in parts" in after["neighbors"].how
    assert "250,000 landmarks" in after["layout"].how


def test_the_landmarks_of_a_plan_are_those_of_a_job() -> None:
    assert Cpu().max_landmarks == plan_estimate._LANDMARKS


def test_workers_share_embedding_and_the_search_in_parts_and_are_all_paid() -> None:
    one, four = make_plan({"a": 10**6, "b": 10**6}), make_plan({"a": 10**6, "b": 10**6}, workers=4)
    by_name = [{stage.name: stage.seconds for stage in plan.stages} for plan in (one, four)]
    assert by_name[1]["embedding"] == by_name[0]["embedding"] / 4
    assert by_name[1]["neighbors"] == pytest.approx(by_name[0]["neighbors"] / 4, rel=0.01)
    assert by_name[0]["starting"] == 5.0
    assert four.cost == pytest.approx(four.seconds / 3600 * 4 * 3)
    assert replace(one, price_per_hour=None).cost is None
    assert one.slowest.name == "embedding"


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
    for words in (
        "starting",
        "listing",
        "embedding",
        "neighbors",
        "layout",
        "comparison",
        "report",
        "slowest",
        "cost",
        "measured on",
    ):
        assert words in invocation.stdout
    assert list(tmp_path.glob("gapscope-*")) == []


def test_a_short_job_is_estimated_without_torch(two_folders: tuple[Path, Path]) -> None:
    code = (
        "import sys; from gapscope.plan import plan; "
        f"made = plan({{'a': {str(two_folders[0])!r}, 'b': {str(two_folders[1])!r}}}, model='bundled'); "
        "assert made.device == '' and made.seconds > 5, made; assert 'torch' not in sys.modules; "
        "assert made.planning_seconds < made.seconds / 10"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", KNOWN_MODELS)
def test_what_is_known_of_models_is_so(name: str) -> None:
    known, model = KNOWN_MODELS[name], MODELS[name]
    assert known.size == model.size
    assert dict(known.channels) == {level.name: level.channels for level in model.levels}


def test_measuring_ends_where_it_would_take_more_than_its_share(
    two_folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = {"real": two_folders[0], "synthetic": two_folders[1]}
    monkeypatch.setattr("gapscope.plan.job.KNOWN_MODELS", {})
    # No time is left after the first small parts, and none for a map.
    made = gapscope_plan(datasets, model="bundled", size=64, levels=["P5"])
    by_name = {stage.name: stage for stage in made.stages}
    assert "measured on" in by_name["embedding"].how
    assert "estimated" in by_name["layout"].how
    assert made.device
    # All the time of the world: as many images as there are.
    monkeypatch.setattr("gapscope.plan.job._SHARE", 1e9)
    monkeypatch.setattr("gapscope.plan.measure._ROWS", 64)
    made = gapscope_plan(datasets, model="bundled", size=64, levels=["P5"])
    assert "measured on 119 images" in {stage.name: stage for stage in made.stages}["embedding"].how


def test_rates_grow_with_the_cores_and_fall_with_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KNOWN_MODELS["fasterrcnn_resnet50_fpn_v2"]
    rates = {}
    for cores in (2, 8):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        rates[cores] = typical_rates(known, None, 0.0).images_per_second
    assert rates[8] == pytest.approx(4 * rates[2])
    assert typical_rates(known, 256, 0.0).images_per_second > 3 * typical_rates(known, 512, 0.0).images_per_second


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
        invocation = CliRunner().invoke(app, ["doctor", "--cluster", address, "--wait", "0"])
        assert invocation.exit_code == 1
        assert "FAILS  cluster" in invocation.stdout
        assert "no Dask scheduler answers there" in invocation.stdout
    invocation = CliRunner().invoke(app, ["doctor", "--cluster", str(tmp_path / "none.json"), "--wait", "0"])
    assert invocation.exit_code == 2
    assert "no such scheduler file" in invocation.stderr
