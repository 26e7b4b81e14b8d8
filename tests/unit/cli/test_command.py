import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unprivileged import unprivileged

import gapscope
from gapscope.settings import LayoutSettings
from gapscope_cli.main import app

Folders = tuple[Path, Path]


def arguments_of(folders: Folders, out: Path) -> list[str]:
    return ["compare", f"real={folders[0]}", f"synthetic={folders[1]}", "--out", str(out), "--model", "bundled"]


def test_models_are_listed() -> None:
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert "fasterrcnn_resnet50_fpn_v2" in result.stdout
    assert "timm:NAME" in result.stdout


def test_the_main_job_from_the_command_line(two_folders: Folders, small_run: gapscope.Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gapscope_cli", *arguments_of(two_folders, tmp_path / "run"), "--size", "96"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    # Piped, so plain lines: what happened on stderr, what was found on stdout.
    assert "real: 75 listed = 72 read + 3 rejected" in result.stderr
    assert re.search(r"embedding done in .*135 of 135 images.*3 rejected", result.stderr)
    # The library's logger has the same lines, and the command does not print them a second time.
    assert result.stderr.count("real: 75 listed") == 1
    assert "\x1b" not in result.stderr + result.stdout
    assert result.stdout.splitlines()[-1].split() == ["report", str(tmp_path / "run" / "report" / "index.html")]
    run = gapscope.open_run(tmp_path / "run")
    assert run.metrics == small_run.metrics
    for level in run.levels:
        assert run.embeddings("real", level).tobytes() == small_run.embeddings("real", level).tobytes()
        assert run.layout(level).equals(small_run.layout(level))


def test_all_options_reach_the_run(two_folders: Folders, tmp_path: Path) -> None:
    weights = gapscope.MODELS["bundled"].weights()
    options = f"--weights {weights} --levels P5,P3 --size 64 --fit pad --precision bfloat16 --device cpu"
    options += " --cluster inline --k 3 --fdr 0.2 --seed 7"
    options += " --metric euclidean --n-neighbors 40 --min-dist 0.3 --n-epochs 20 --landmarks 120"
    options += " --cluster inline --k 3 --fdr 0.2 --seed 7 --reference real --max-outliers 4"
    result = CliRunner().invoke(app, [*arguments_of(two_folders, tmp_path / "run"), *options.split()])
    assert result.exit_code == 0, result.output
    run = gapscope.open_run(tmp_path / "run")
    assert run.levels == ("P3", "P5")
    pair = "real-vs-synthetic"
    config = run.record.config
    assert (config.embed.size, config.embed.fit, config.embed.precision) == (64, "pad", "bfloat16")
    assert config.layout == LayoutSettings(n_neighbors=40, min_dist=0.3, n_epochs=20, landmarks=120, seed=7)
    assert config.neighbors.metric == "euclidean"
    assert run.metrics["levels"]["P5"]["layout"]["umap_images"] <= 120
    assert (config.compare.k, config.compare.fdr) == (3, 0.2)
    assert (config.compare.reference, config.compare.max_outliers) == ("real", 4)
    assert len(run.outliers("P5", "real", "synthetic")) == 4 < run.metrics["levels"]["P5"]["pairs"][pair]["outliers"]
    assert len(run.outliers("P5", "real", "synthetic")["neighbors"].iloc[0]) == 3


def test_report_is_written_again(small_run: gapscope.Run) -> None:
    page = small_run.report.read_bytes()
    small_run.report.unlink()
    result = CliRunner().invoke(app, ["report", str(small_run.path)])
    assert result.exit_code == 0
    assert small_run.report.read_bytes() == page


WRONG = {
    "one dataset": (["compare", "real={real}"], "two or more datasets"),
    "no name": (["compare", "{real}", "b={synthetic}"], "NAME=SOURCE"),
    "a name given twice": (["compare", "real={real}", "real={synthetic}"], "'real' is given twice"),
    "a name that cannot be one": (["compare", "a/b={real}", "b={synthetic}"], "dataset name 'a/b'"),
    "no such folder": (["compare", "a={real}", "b={synthetic}/nowhere"], "dataset b: there is no folder"),
    "an empty folder": (["compare", "a={real}", "b={empty}"], "dataset b: no file"),
    "a level the model lacks": (["compare", "a={real}", "b={synthetic}", "--levels", "P3,P9"], "--levels P9"),
    "no level": (["compare", "a={real}", "b={synthetic}", "--levels", ","], "--levels"),
    "no such model": (["compare", "a={real}", "b={synthetic}", "--model", "vgg"], "--model vgg: choose one of"),
    "no such weights": (["compare", "a={real}", "b={synthetic}", "--weights", "{empty}/w.pth"], "w.pth"),
    "a wrong size": (["compare", "a={real}", "b={synthetic}", "--size", "100"], "--size 100"),
    "a reference that is none": (["compare", "a={real}", "b={synthetic}", "--reference", "c"], "--reference c"),
    "a wrong fit": (
        ["compare", "a={real}", "b={synthetic}", "--fit", "bend"],
        "'--fit': 'bend' is not one of",
    ),
    "a wrong precision": (
        ["compare", "a={real}", "b={synthetic}", "--precision", "int8"],
        "'--precision': 'int8' is not",
    ),
    "no such device": (["compare", "a={real}", "b={synthetic}", "--device", "tpu"], "'--device': 'tpu' is not one of"),
    "no such cluster": (
        ["compare", "a={real}", "b={synthetic}", "--cluster", "slurm"],
        "--cluster slurm: choose",
    ),
    "an output that is no run": (["compare", "a={real}", "b={synthetic}", "--out", "{real}/.."], "not a gapscope run"),
    "a report of no run": (["report", "{empty}"], "not a gapscope run"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_users_mistake_is_one_clear_line_and_exit_code_2(case: str, two_folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    arguments, words = WRONG[case]
    folders = {"real": two_folders[0], "synthetic": two_folders[1], "empty": tmp_path / "empty"}
    command = [argument.format(**folders) for argument in arguments]
    if command[0] == "compare":
        command += [] if "--out" in command else ["--out", str(tmp_path / "run")]
        command += [] if "--model" in command else ["--model", "bundled"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("gapscope: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


def test_a_different_run_is_refused_with_the_difference(
    two_folders: Folders, small_run: gapscope.Run, tmp_path: Path
) -> None:
    result = CliRunner().invoke(
        app, [*arguments_of(two_folders, Path(str(small_run.path))), "--size", "64", "--seed", "1"]
    )
    assert result.exit_code == 2
    assert "embed.size was 96, now 64" in result.stderr
    assert "layout.seed was 0, now 1" in result.stderr


@pytest.mark.parametrize("exists", [True, False])
def test_an_output_that_cannot_be_written_is_one_line(two_folders: Folders, tmp_path: Path, exists: bool) -> None:
    run = tmp_path / "run"
    if exists:
        run.mkdir()
    (run if exists else tmp_path).chmod(0o500)
    with unprivileged():
        result = CliRunner().invoke(app, arguments_of(two_folders, run))
    (run if exists else tmp_path).chmod(0o700)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("gapscope: ")]
    assert f"{run} cannot be written: Permission denied" in line
    assert not list(tmp_path.rglob("*.*"))


def test_help_and_version_read_well() -> None:
    for arguments in (["--help"], ["compare", "--help"], ["report", "--help"], ["demo", "--help"], []):
        result = CliRunner().invoke(app, arguments)
        assert "Usage" in result.output
    everything = CliRunner().invoke(app, ["compare", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for option in (
        "out",
        "model",
        "weights",
        "levels",
        "size",
        "fit",
        "precision",
        "device",
        "cluster",
        "k",
        "fdr",
        "seed",
    ):
        assert f"--{option} " in everything
    assert CliRunner().invoke(app, ["--version"]).output == f"gapscope {gapscope.__version__}\n"
