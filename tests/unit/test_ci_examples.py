"""examples/ci: the steps of the workflows run command by command on a test repository."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from actions_runner import Runner, read_yaml
from typer.main import get_command

from gapscope.demo import make_demo_data
from gapscope.gate import read_rules
from gapscope_cli.main import app

CI = Path(__file__).parents[2] / "examples" / "ci"
WORKFLOWS = ("pull-request.yml", "nightly.yml")
ACTION = read_yaml(CI / "action.yml")
# Small pictures and one level: what a gate says of them is what the test is about.
SMALL = {"GAPSCOPE_SIZE": "96", "GAPSCOPE_LEVELS": "P4", "GAPSCOPE_CLUSTER": "inline", "GAPSCOPE_THUMBNAILS": "drawn"}


def scripts() -> Iterator[tuple[str, str]]:
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        yield f"action.yml, {step['name']}", step["run"]
    for name in WORKFLOWS:
        for job in read_yaml(CI / name)["jobs"].values():
            for step in job["steps"]:
                if "run" in step:
                    yield f"{name}, {step['name']}", step["run"]


def test_scripts_take_values_from_the_environment_and_call_commands_and_options_that_exist() -> None:
    commands: Any = get_command(app)
    called = set()
    for where, script in scripts():
        # What stands in an expression would be part of the script: a branch's name could hold commands.
        assert "${{" not in script, where
        for line in re.findall(r"gapscope [a-z].*", script):
            words = shlex.split(line.split(" || ")[0].split(";")[0])
            command = commands.commands[words[1]]
            called.add(words[1])
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, where
    assert called == {"compare", "gate", "diff", "history", "config"}


def test_environment_variables_are_of_options_and_inputs_exist() -> None:
    commands: Any = get_command(app)
    known = {
        variable
        for command in commands.commands.values()
        for variable in (
            *(each.envvar for each in command.params if getattr(each, "envvar", None)),
            *getattr(command, "_of_lines", {}).values(),
        )
    }
    steps = [*ACTION["runs"]["steps"], *(read_yaml(CI / "nightly.yml")["jobs"].values())]
    for step in steps:
        names = {name for name in step.get("env", {}) if name.startswith("GAPSCOPE_")}
        assert names <= known
    mentioned = set(re.findall(r"inputs\.([a-z-]+)", (CI / "action.yml").read_text(encoding="utf-8")))
    assert mentioned == ACTION["inputs"].keys()


def test_the_rules_of_the_example_are_rules_and_the_image_is_the_workflows() -> None:
    assert read_rules([CI / "gate.toml"]).rules
    recipe = (CI / "Dockerfile").read_text(encoding="utf-8")
    (image,) = re.findall(r"-t (ghcr\.io/\S+)", recipe)
    for name in WORKFLOWS:
        assert {job.get("container", image) for job in read_yaml(CI / name)["jobs"].values()} == {image}
    assert "ARG BASE=gapscope:cpu\nFROM ${BASE}" in recipe


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the demo's photographs as real images, and three versions of renders.

    The worse ones are the demo's own, the better ones other photographs of the same, and the undecided ones are few of
    these.
    """
    folder = tmp_path_factory.mktemp("repository")
    data = make_demo_data(tmp_path_factory.mktemp("demo"))
    others = make_demo_data(tmp_path_factory.mktemp("others"), seed=1)
    for version, files in {"real": data.photographs, "better": others.photographs, "worse": data.rendered}.items():
        shutil.copytree(files, folder / "versions" / version)
    photographs = sorted(path for path in others.photographs.rglob("*") if path.is_file())
    for file in np.random.default_rng(0).choice(np.array(photographs), 30, replace=False).tolist():
        target = folder / "versions" / "undecided" / file.relative_to(others.photographs)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    shutil.copy(CI / "gate.toml", folder)
    # A render of this repository takes the version that is checked out.
    (folder / "render.sh").write_text('#!/bin/sh\nrm -rf "$1" && cp -r "versions/$(cat version)" "$1"\n')
    (folder / "render.sh").chmod(0o755)
    return folder


def runner_of(repository: Path, files: Path, version: str) -> Runner:
    for name in ("gapscope-run", "gapscope-pictures"):
        shutil.rmtree(repository / name, ignore_errors=True)
    (repository / "version").write_text(version)
    files.mkdir()
    variables = {"GAPSCOPE_REAL": "versions/real", "GAPSCOPE_CACHE": "cache", "GAPSCOPE_RUNS": "runs"}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return Runner(folder=repository, files=files, variables=variables, environment=SMALL | {"PATH": path})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_better_worse_and_undecided_versions_end_with_0_1_and_3(repository: Path, tmp_path: Path) -> None:
    job = read_yaml(CI / "pull-request.yml")["jobs"]["gap"]
    nightly = read_yaml(CI / "nightly.yml")["jobs"]["gap"]

    # The night before leaves the main branch's run, which pull requests are held against, and the history.
    night = runner_of(repository, tmp_path / "night", "better")
    assert night.run_job(nightly, ACTION) == 0, night.said
    assert (repository / "history" / "index.html").is_file()

    for version, code, verdict in (("better", 0, "holds"), ("worse", 1, "fails"), ("undecided", 3, "undecided")):
        runner = runner_of(repository, tmp_path / version, version)
        # A rule that cannot be told is a warning unless the workflow says otherwise.
        strict = {**job, "steps": [_with(step, undecided="fail") for step in job["steps"]]}
        assert runner.run_job(strict, ACTION) == code, runner.said
        assert runner.outputs["gate"] == {"verdict": verdict, "exit-code": str(code)}
        summary = runner.summary.read_text(encoding="utf-8")
        assert "gapscope:" in summary.splitlines()[0]
        assert "main to gapscope-run" in summary
        assert (repository / "gapscope-diff.html").is_file()
        pictures = re.findall(r"!\[.*?\]\((.*?)\)", summary)
        assert bool(pictures) == (version == "worse")
        assert all(Path("/", picture).is_file() or (repository / picture).is_file() for picture in pictures)

    lenient = runner_of(repository, tmp_path / "lenient", "undecided")
    assert lenient.run_job(job, ACTION) == 0, lenient.said
    assert "::warning title=gapscope::" in lenient.said


def _with(step: dict[str, Any], **inputs: str) -> dict[str, Any]:
    return {**step, "with": {**step["with"], **inputs}} if str(step.get("uses", "")).startswith("./") else step


@pytest.mark.slow
def test_a_rule_that_is_none_ends_the_job_before_anything_is_computed(repository: Path, tmp_path: Path) -> None:
    job = read_yaml(CI / "pull-request.yml")["jobs"]["gap"]
    runner = runner_of(repository, tmp_path / "wrong", "better")
    (repository / "wrong.toml").write_text('rules = ["real-vs-synthetic P4 shar < 5%"]\n')
    wrong = {**job, "steps": [_with(step, rules="wrong.toml") for step in job["steps"]]}
    assert runner.run_job(wrong, ACTION) == 2
    assert "did you mean 'share'?" in runner.said
    assert not (repository / "gapscope-run").exists()
