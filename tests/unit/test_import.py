"""What is imported, and what is not: torch alone takes seconds."""

import inspect
import json
import logging
import subprocess
import sys

import pytest

import gapscope
import gapscope.sources

HEAVY = ("torch", "pandas", "pyarrow", "zarr", "distributed", "sklearn", "scipy")


def imported(code: str, *arguments: str) -> list[str]:
    """The heavy libraries that a fresh process has imported after `code`."""
    report = f"import json; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    command = [sys.executable, "-c", f"import sys\n{code}\n{report}", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


COMMAND = """
from gapscope_cli.main import app
try:
    app()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("code", ["import gapscope", "import gapscope.settings", "import gapscope_cli.main"])
def test_importing_the_package_imports_nothing_heavy(code: str) -> None:
    assert imported(code) == []


@pytest.mark.parametrize("command", [["--help"], ["compare", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    assert imported(COMMAND, *command) == []


def test_commands_that_only_read_numbers_do_without_torch(small_run: gapscope.Run) -> None:
    path = str(small_run.path)
    assert "torch" not in imported(COMMAND, "verify", path)
    assert "torch" not in imported(COMMAND, "diff", path, path)
    assert "torch" not in imported(COMMAND, "gate", path, "images > 1")
    assert "torch" not in imported(f"import gapscope\ngapscope.open_run({path!r}).layout('P3')")


def test_every_public_name_can_be_had_and_is_listed() -> None:
    assert set(gapscope.__all__) <= set(dir(gapscope))
    for name in gapscope.__all__:
        assert getattr(gapscope, name) is not None
    assert not hasattr(gapscope, "nothing_of_this_name")
    with pytest.raises(AttributeError, match="has no attribute 'nothing_of_this_name'"):
        _ = gapscope.nothing_of_this_name


def test_every_public_function_and_method_has_an_example() -> None:
    functions = {gapscope.sources.open_source}
    for value in (getattr(gapscope, name) for name in gapscope.__all__):
        members = vars(value).values() if inspect.isclass(value) else [value]
        functions |= {member for member in members if inspect.isfunction(member) and member.__name__[0] != "_"}
    assert {gapscope.compare, gapscope.verify, gapscope.Run.layout} < functions
    assert [function.__qualname__ for function in functions if ">>> " not in (inspect.getdoc(function) or "")] == []


@pytest.mark.slow
@pytest.mark.parametrize("first", ["gapscope.compare.fdr", "gapscope.verify.result"])
def test_sub_packages_do_not_hide_the_functions_of_their_name(first: str) -> None:
    code = f"import {first}\nimport gapscope\nassert callable(gapscope.compare) and callable(gapscope.verify)"
    code += "\nfrom gapscope import compare, verify\nassert callable(compare) and callable(verify)"
    imported(code)


def test_a_worker_that_preloads_the_package_imports_what_blocks_need() -> None:
    assert "torch" in imported(
        "import gapscope\ngapscope.dask_setup(None)\nassert 'gapscope.stages.block' in sys.modules"
    )


def test_the_library_is_silent_by_default() -> None:
    code = "import gapscope, logging\nlogging.getLogger('gapscope').warning('a line')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == done.stderr == ""
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("gapscope").handlers)
