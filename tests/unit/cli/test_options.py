"""The command line, the library and the README say what the settings say."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
from options_table import README, options_table
from typer.main import get_command
from typer.testing import CliRunner

from gapscope.errors import OptionError, WeightsError
from gapscope.plan import plan
from gapscope.pyramid import Model
from gapscope.settings import OPTIONS, Option, PlanSettings, ReportSettings, options_of
from gapscope.stages.pipeline import compare
from gapscope_cli.errors import as_command_line
from gapscope_cli.main import app

PLAN = options_of(PlanSettings)


def command_options(name: str) -> dict[str, Any]:
    """The options of a command as its help shows them, by Python's name."""
    commands: Any = get_command(app)
    return {each.name: each for each in commands.commands[name].params if each.name not in ("datasets", "run", "help")}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("compare", OPTIONS),
        ("report", options_of(ReportSettings)),
        ("plan", {name: OPTIONS[name] for name in ("model", "levels", "size", "fit", "precision", "device")} | PLAN),
    ],
)
def test_commands_have_the_defaults_and_help_of_the_settings(command: str, options: dict[str, Option]) -> None:
    shown = command_options(command)
    assert set(options) <= set(shown)
    for name, option in options.items():
        parameter = shown[name]
        assert parameter.opts == ["--" + name.replace("_", "-")]
        assert parameter.help == option.help
        # What a config file may hold instead is missed by the command itself.
        assert not parameter.required
        if option.default is not MISSING:
            default = ",".join(option.default) if isinstance(option.default, tuple) else option.default
            # An option that may be given several times has a list.
            assert (parameter.default or default) in (default, [default])


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.choices])
def test_a_wrong_choice_is_one_line_with_the_choices_of_the_settings(name: str) -> None:
    dashed = "--" + name.replace("_", "-")
    done = CliRunner().invoke(app, ["compare", "a=x", "b=y", "--out", "r", dashed, "other"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("gapscope: ")
    assert dashed in line
    assert ", ".join(map(repr, OPTIONS[name].choices)) in line


def test_compare_has_no_option_that_the_settings_lack() -> None:
    of_the_command = {"config", "fail_if", "earlier", "track", "json", "quiet", "log_format"}
    assert set(command_options("compare")) == set(OPTIONS) | of_the_command


@pytest.mark.parametrize(("function", "own"), [(compare, {}), (plan, PLAN)])
def test_the_library_has_the_defaults_and_types_of_the_settings(function: Any, own: dict[str, Option]) -> None:
    parameters = dict(inspect.signature(function).parameters)
    assert parameters.pop("datasets").default is inspect.Parameter.empty
    assert parameters.pop("progress").default is None
    if function is compare:
        assert set(parameters) == set(OPTIONS)
    for name, parameter in parameters.items():
        option = (OPTIONS | own)[name]
        assert parameter.kind is parameter.KEYWORD_ONLY
        required = parameter.default is inspect.Parameter.empty
        assert (MISSING if required else parameter.default) == option.default
        # Lists are taken as well, where the settings keep a tuple, and a model that a program made.
        wider = (
            {"speedups": Sequence[str], "model": str | Model} if function is compare else {"speedups": Sequence[str]}
        )
        assert parameter.annotation == wider.get(name, option.type)


@pytest.mark.parametrize(("function", "own"), [(compare, {}), (plan, PLAN)])
def test_docstrings_have_the_help_of_the_settings(function: Any, own: dict[str, Option]) -> None:
    words = " ".join(inspect.getdoc(function).split())  # type: ignore[union-attr]
    for name, option in (OPTIONS | own).items():
        if name in inspect.signature(function).parameters:
            assert f" {name}: {option.help} " in words


def test_the_readme_has_the_options_of_the_settings() -> None:
    assert options_table() + "\n\n" in README.read_text(encoding="utf-8"), "run python tests/helpers/options_table.py"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OptionError("must be 1 or more", argument="max_points", value=0), "--max-points 0: must be 1 or more"),
        (OptionError("no COCO file", argument="objects", value=True), "--objects: no COCO file"),
        (OptionError("name one of P2", argument="levels", value=()), "--levels '': name one of P2"),
        (OptionError("choose", argument="model", value="a b"), "--model 'a b': choose"),
        (WeightsError("cannot be read", argument="weights", value=Path("/w.pth")), "--weights /w.pth: cannot be read"),
        (WeightsError("take `model='bundled'` or `weights`"), "take --model bundled or --weights"),
        (OptionError("add `update=True`; see `gapscope verify run`"), "add --update; see `gapscope verify run`"),
    ],
)
def test_errors_name_options_in_place_of_arguments(error: OptionError, line: str) -> None:
    assert as_command_line(error) == line


def test_a_missing_or_malformed_value_is_one_line() -> None:
    for arguments, words in ((["a=x", "b=y"], "--out"), (["a=x", "b=y", "--out", "r", "--k", "many"], "'--k'")):
        done = CliRunner().invoke(app, ["compare", *arguments])
        assert done.exit_code == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("gapscope: ")
        assert words in line
        assert "compare --help" in line or words == "--out"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gapscope comp", {"compare"}),
        ("gapscope compare --thumb", {"--thumbnails"}),
        ("gapscope compare --fit ", {"crop", "stretch", "pad"}),
        ("gapscope export RUN --to p", {"parquet", "projector"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(words: str, expected: set[str]) -> None:
    environment = {"_GAPSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys; sys.argv = ['gapscope']; from gapscope_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(done.stdout.split()) == expected


def test_no_help_has_brackets_that_a_terminal_takes_for_markup() -> None:
    commands: Any = get_command(app)
    every = [*commands.commands.values(), *commands.commands["bench"].commands.values()]
    texts = [
        text for command in every for text in (command.help, *(getattr(each, "help", "") for each in command.params))
    ]
    assert [text for text in texts if re.search(r"\[[a-z/@#]", text or "")] == []
