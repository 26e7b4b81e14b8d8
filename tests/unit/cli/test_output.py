"""What a program gets: one JSON document per command that fits its schema, silence, and a log of JSON lines."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

import gapscope
from gapscope_cli.documents import DOCUMENTS, schema_of
from gapscope_cli.main import app

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00")


def invoke(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


def document(command: str, result: Result) -> dict[str, Any]:
    """Return the one document on stdout, which fits the command's schema."""
    content: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(content, schema_of(command))
    return content


def test_every_command_has_a_document_and_its_schema_is_kept_in_docs() -> None:
    commands: Any = get_command(app)
    bench = commands.commands["bench"].commands
    names = {name for name in commands.commands if name not in ("bench", "schema")} | {
        f"bench {name}" for name in bench
    }
    assert names == DOCUMENTS.keys()
    files = {f"{name.replace(' ', '-')}.json": schema_of(name) for name in DOCUMENTS}
    assert {path.name for path in SCHEMAS.glob("*.json")} == files.keys(), "run python tests/helpers/schema_files.py"
    for name, schema in files.items():
        assert json.loads((SCHEMAS / name).read_text(encoding="utf-8")) == schema, "run tests/helpers/schema_files.py"
        # Closed schemas would refuse the fields that a later version adds.
        jsonschema.Draft202012Validator.check_schema(schema)
        assert json.loads(invoke("schema", name.removesuffix(".json").replace("bench-", "bench ")).stdout) == schema


def test_a_finished_run_is_a_document_with_the_numbers_of_metrics_json(
    two_folders: tuple[Path, Path], small_run: gapscope.Run
) -> None:
    datasets = [f"{name}={folder}" for name, folder in zip(small_run.datasets, two_folders, strict=True)]
    options = ["--out", small_run.path, "--model", "bundled", "--size", "96", "--cluster", "inline"]
    result = invoke("compare", *datasets, *options, "--json", "--fail-if", "any kind")
    found = document("compare", result)
    assert found["run"] == str(small_run.path)
    assert found["gate"]["exit_code"] == result.exit_code
    assert [dataset["rejected"] for dataset in found["datasets"]] == [3, 0]
    for pair in found["pairs"]:
        for numbers in pair["levels"]:
            own: Any = small_run.metrics["levels"][numbers["level"]]
            by_pair = own["pairs" if numbers["reading"] == "as-is" else "style_aside"]
            kept = by_pair[f"{pair['query']}-vs-{pair['reference']}"]
            assert numbers["share"]["value"] == kept["share_outside"]
    assert [kind["id"] for kind in found["kinds"]] == small_run.gaps["id"].tolist()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("gate", ["{run}", "P3 as-is share < 100%", "any kind"]),
        ("diff", ["{run}", "{run}", "--fail-if", "nothing wider"]),
        ("history", ["{run}", "--out", "{tmp}/history"]),
        ("models", []),
        ("config", ["{run}"]),
        ("report", ["{run}", "--single-file", "{tmp}/page.html"]),
        ("export", ["{run}", "--to", "parquet", "--out", "{tmp}/tables"]),
        ("verify", ["{run}"]),
        ("plan", ["a={real}", "b={real}", "--model", "bundled", "--size", "64"]),
        ("doctor", []),
        ("bench compare", ["{result}", "{result}"]),
        ("bench compare", ["{result}", "{other}", "--out", "{tmp}/joined"]),
    ],
)
def test_a_command_prints_one_document_and_nothing_else(
    command: str, arguments: list[str], small_run: gapscope.Run, two_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    result_file = tmp_path / "result.json"
    machine = {"processor": "a", "cores": 2, "memory_gib": 4, "gpu": None, "time": "2026-01-01"}
    result_file.write_text(json.dumps({"machine": machine, "case": {"seconds": [1.0, 1.1, 1.2]}}))
    other = tmp_path / "other.json"
    other.write_text(result_file.read_text())
    places = {"other": other, "run": small_run.path, "tmp": tmp_path, "real": two_folders[0], "result": result_file}
    result = invoke(*command.split(), *(argument.format(**places) for argument in arguments), "--json")
    assert result.exit_code in (0, 1, 3), result.output
    assert document(command, result)["format"].endswith("/1")


def test_an_error_is_a_document_too_and_a_line_on_stderr(tmp_path: Path) -> None:
    for arguments in (["gate", tmp_path, "any kind"], ["compare", "a=x", "b=y", "--out", "r", "--k", "many"]):
        result = invoke(*arguments, "--json")
        assert result.exit_code == 2
        found = json.loads(result.stdout)
        assert found["format"] == "gapscope.error/1"
        assert found["error"]["exit_code"] == 2
        assert result.stderr == f"gapscope: {found['error']['message']}\n"


def test_a_log_of_json_has_a_time_and_an_event_per_line_and_a_quiet_command_says_nothing(
    two_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    run, datasets = tmp_path / "run", [f"real={two_folders[0]}", f"synthetic={two_folders[1]}"]
    options = [
        "--model",
        "bundled",
        "--size",
        "64",
        "--levels",
        "P5",
        "--cluster",
        "inline",
        "--log-format",
        "json",
        "--json",
    ]
    logged = invoke("compare", *datasets, "--out", run, *options)
    assert logged.exit_code == 0
    document("compare", logged)
    records = [json.loads(line) for line in logged.stderr.splitlines()]
    assert all(_DATE.fullmatch(record["time"]) for record in records)
    assert {record["event"] for record in records} == {"note", "done"}
    (embedding,) = (record for record in records if record.get("task") == "embedding")
    assert (embedding["done"], embedding["total"], embedding["rejected"]) == (135, 135, 3)
    assert "real: 75 listed = 72 read + 3 rejected" in [record.get("message") for record in records]

    updated = document("update", invoke("update", run, "--cluster", "inline", "--json"))
    assert [dataset["listed"] for dataset in updated["datasets"]] == [75, 60]
    assert document("resume", invoke("resume", run, "--cluster", "inline", "--json"))["run"] == str(run)
    quiet = invoke("report", run, "--quiet")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    wrong = invoke("report", run / "nowhere", "--quiet", "--log-format", "json")
    assert json.loads(wrong.stderr)["event"] == "error"


def test_options_stand_in_the_environment_and_the_command_counts_first(small_run: gapscope.Run, tmp_path: Path) -> None:
    out = str(tmp_path / "compare.toml")
    assert invoke("config", small_run.path, env={"GAPSCOPE_CONFIG_OUT": out}).exit_code == 0
    assert "bundled" in Path(out).read_text()
    # Of a run's folder that one command makes, another one knows nothing.
    assert "datasets" in invoke("config", small_run.path, env={"GAPSCOPE_OUT": str(tmp_path / "no")}).stdout
    assert not (tmp_path / "no").exists()

    datasets = ["real=/nowhere", "synthetic=/nowhere"]
    run = {"GAPSCOPE_OUT": str(tmp_path / "run")}
    wrong = invoke("compare", *datasets, env={"GAPSCOPE_MODEL": "vgg"} | run)
    assert "--model vgg: choose one of" in wrong.stderr or "/nowhere" in wrong.stderr
    wrong = invoke("compare", *datasets, env={"GAPSCOPE_SIZE": "many"} | run)
    assert wrong.exit_code == 2
    assert "(from GAPSCOPE_SIZE)" in wrong.stderr
    given = invoke("compare", *datasets, "--size", "few", env={"GAPSCOPE_SIZE": "many"} | run)
    assert "GAPSCOPE_SIZE" not in given.stderr
    # An option that may be given several times has a line for each; rules have blanks inside.
    rules = {"GAPSCOPE_FAIL_IF": "share > 5%\nshar > 5%\n"} | run
    assert "rule 'shar > 5%'" in invoke("compare", *datasets, env=rules).stderr
    assert "rule 'any thing'" in invoke("compare", *datasets, "--fail-if", "any thing", env=rules).stderr


def test_every_option_of_every_command_has_a_variable_and_none_writes_where_another_does() -> None:
    commands: Any = get_command(app)
    groups = {"": commands.commands, "bench": commands.commands["bench"].commands}
    outs = {}
    for group, members in groups.items():
        for name, command in members.items():
            if name == "bench":
                continue
            options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
            variables = {each.opts[0]: each.envvar or command._of_lines[each.opts[0]] for each in options}
            assert all(variable.startswith("GAPSCOPE_") for variable in variables.values())
            if "--out" in variables:
                outs[f"{group} {name}"] = variables["--out"]
    assert len(set(outs.values())) == len(outs)


def test_the_environment_counts_before_a_config_file(two_folders: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "compare.toml"
    sources = "\n".join(f'{name} = "{folder}"' for name, folder in zip("ab", two_folders, strict=True))
    file.write_text(f'out = "run"\nmodel = "bundled"\nsize = 100\n[datasets]\n{sources}\n')
    assert "--size 100" in invoke("compare", "--config", file).stderr
    assert "--size 99" in invoke("compare", "--config", file, env={"GAPSCOPE_SIZE": "99"}).stderr


def test_serve_says_where_it_listens_as_a_document(small_run: gapscope.Run) -> None:
    command = [sys.executable, "-m", "gapscope_cli", "serve", str(small_run.path), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as server:
        assert server.stdout is not None
        lines: list[bytes] = []
        while not lines or lines[-1] != b"}\n":
            lines.append(server.stdout.readline())
            assert lines[-1]
        server.terminate()
    found = json.loads(b"".join(lines))
    jsonschema.validate(found, schema_of("serve"))
    assert found["url"].startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_the_demo_prints_its_run(tmp_path: Path) -> None:
    assert document("demo", invoke("demo", "--out", tmp_path / "demo", "--json", "--quiet"))["kinds"]
