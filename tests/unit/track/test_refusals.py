import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from trackers import Stub
from typer.testing import CliRunner

from gapscope.errors import OptionError, TrackerError
from gapscope.run import Run
from gapscope.track import process, track_run
from gapscope.track.process import check_uri, public_uri
from gapscope_cli.main import app


def clients() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if any("client.py" in word for word in child.cmdline())]


def test_without_mlflow_one_line_names_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlflow" else find(name))
    with pytest.raises(OptionError, match=r'pip install "gapscope\[mlflow\]"'):
        track_run(run, "http://127.0.0.1:1")
    done = CliRunner().invoke(app, ["track", str(run.path), "--to", "http://127.0.0.1:1"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "gapscope[mlflow]" in done.stderr


def test_without_an_address_both_ways_to_give_one_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(OptionError, match="give its address, or set MLFLOW_TRACKING_URI"):
        track_run(run)


def test_a_tag_without_a_value_is_told_as_the_option_is_written(run: Run) -> None:
    done = CliRunner().invoke(app, ["track", str(run.path), "--to", "http://127.0.0.1:1", "--tag", "x"])
    assert (done.exit_code, done.stderr) == (2, "gapscope: --tag x: write a tag as NAME=VALUE\n")


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:hunter22@host/",
        "https://me:hunter22@host:5000/base?token=hunter22#hunter22",
        "https://me:hun/ter22@host/",
        "https://me:hunter22#@host/",
        "postgresql://me:hunter22@host/db",
        "https://hunter22@host",
    ],
)
def test_no_secret_of_an_address_is_shown(uri: str) -> None:
    shown = public_uri(uri)
    assert "hun" not in shown
    assert "ter22" not in shown
    assert "host" in shown


def test_a_password_that_ends_the_address_is_refused_without_being_shown(run: Run) -> None:
    with pytest.raises(OptionError, match="%2F %3F %23") as caught:
        track_run(run, "https://me:hun/ter22@host/")
    assert "ter22" not in str(caught.value)
    check_uri("https://me:hun%2Fter22@host/")


@pytest.mark.usefixtures("client", "hasty")
def test_a_closed_port_is_an_error_in_one_line_and_leaves_no_process(
    run: Run, closed_port: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrackerError) as caught:
        track_run(run, closed_port)
    assert str(caught.value) == f"the tracker {closed_port} cannot be reached: Connection refused"
    assert capfd.readouterr() == ("", "")
    assert clients() == []


@pytest.mark.slow
@pytest.mark.usefixtures("client", "hasty")
def test_a_port_that_says_nothing_is_given_up(run: Run, silent: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrackerError, match="cannot be reached: it does not answer in time"):
        track_run(run, silent)
    assert capfd.readouterr() == ("", "")
    assert clients() == []


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_a_client_that_does_not_come_back_is_ended(run: Run, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ANSWER_SECONDS", 0.5)
    with pytest.raises(TrackerError, match="has not answered for 0 seconds"):
        track_run(run, silent)
    assert clients() == []


@pytest.mark.slow
@pytest.mark.usefixtures("client")
@pytest.mark.timeout(60)
def test_with_the_real_limits_a_silent_port_is_given_up_within_a_minute(run: Run, silent: str) -> None:
    with pytest.raises(TrackerError):
        track_run(run, silent)


@pytest.mark.slow
@pytest.mark.usefixtures("client", "hasty")
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (403, b"no", "answers with HTTP status 403; check MLFLOW_TRACKING_USERNAME"),
        (
            401,
            json.dumps({"error_code": "UNAUTHENTICATED", "message": "no hunter22"}).encode(),
            "answers with HTTP status 401; check",
        ),
        (500, b"oops", "answers with HTTP status 500"),
        (404, b"not here", "answers with HTTP status 404"),
        (200, b"<html>log in", "does not take the run"),
        (200, b"{}", "does not take the run"),
    ],
)
def test_a_tracker_that_refuses_is_an_error_in_one_line_without_secrets(
    run: Run,
    stub: Callable[[int, bytes], Stub],
    capfd: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
    message: str,
) -> None:
    server = stub(status, body)
    with pytest.raises(TrackerError) as caught:
        track_run(run, f"http://me:hunter22@{server.address}")
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"the tracker http://{server.address} ")
    assert "hunter22" not in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")
    # "me:hunter22" in base64.
    assert {*server.authorizations} == {"Basic bWU6aHVudGVyMjI="}


@pytest.mark.usefixtures("client", "hasty")
def test_the_environment_names_the_tracker_and_the_token(
    run: Run, stub: Callable[[int, bytes], Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = stub(403, b"token abcdefgh is not known")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{server.address}")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abcdefgh")
    with pytest.raises(TrackerError, match="403") as caught:
        track_run(run)
    assert "abcdefgh" not in str(caught.value)
    assert {*server.authorizations} == {"Bearer abcdefgh"}


@pytest.mark.usefixtures("client", "hasty")
def test_the_command_ends_in_one_line_and_exit_code_1(run: Run, closed_port: str) -> None:
    done = CliRunner().invoke(app, ["track", str(run.path), "--to", closed_port])
    assert done.exit_code == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("gapscope:"))
    assert line.endswith("cannot be reached: Connection refused")
    assert "Traceback" not in done.output


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_an_address_that_mlflow_takes_no_more_is_told_in_few_words(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match="MLFLOW_ALLOW_FILE_STORE=true"):
        track_run(run, str(tmp_path / "mlruns"))


@pytest.mark.slow
@pytest.mark.usefixtures("client", "hasty")
def test_nobody_but_the_tracker_is_called(
    run: Run, stub: Callable[[int, bytes], Stub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python runs a module of this name when the client's process begins.
    watcher = tmp_path / "watcher"
    watcher.mkdir()
    calls = tmp_path / "calls.txt"
    (watcher / "sitecustomize.py").write_text(
        "import sys\n"
        "def note(event, details):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        f"        with open({str(calls)!r}, 'a') as file:\n"
        "            file.write(f'{event} {details[1] if event == \"socket.connect\" else details[0]}\\n')\n"
        "sys.addaudithook(note)\n"
    )
    monkeypatch.syspath_prepend(watcher)
    # MLflow's client sends nothing from tests and CI anyway.
    for name in ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    server = stub(403, b"no")
    with pytest.raises(TrackerError, match="403"):
        track_run(run, f"http://{server.address}")
    lines = calls.read_text().splitlines()
    assert lines
    host, port = server.address.split(":")
    assert {*lines} <= {f"socket.connect ('{host}', {port})", f"socket.getaddrinfo {host}"}
