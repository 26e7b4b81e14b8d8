"""MLflow's client in a process of its own: bounded in time, silent, and without a trace in this process.

MLflow's client takes what it is told from environment variables, retries for minutes, writes to stderr and reports its
use to its makers. In a process of its own, all of that can be set for gapscope alone.
"""

import importlib.util
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from gapscope.errors import OptionError, TrackerError, one_line
from gapscope.progress import plain_line

ANSWER_SECONDS = 30.0
"""How long the tracker may take for one step that sends no file."""

_IMPORT_SECONDS = 120.0
_FILE_SECONDS, _BYTES_PER_SECOND = 150.0, 1e5
"""How long one file may take: a start, in which silence is MLflow's own to notice, and a slow line."""

_ENVIRONMENT = {
    # Three tries of eight seconds, with a pause of a second or two between them.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    # gapscope talks to nobody but the tracker.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "DATABRICKS_TOKEN", "AWS_SECRET_ACCESS_KEY")
_SHORTEST_SECRET = 4
"""A shorter one is part of words, so that hiding it would tell it."""

_USER = re.compile(r"://[^/\s'\"]*@")
_REFUSED = (401, 403)


def check_installed() -> None:
    """Check that MLflow's client is there.

    Raises:
        OptionError: it is not installed.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise OptionError('tracking needs MLflow\'s client, which is not installed; pip install "gapscope[mlflow]"')


def public_uri(uri: str) -> str:
    """Return a tracker's address without user, password and query, even if these are not written as they should be.

    Example:
        >>> public_uri("https://me:secret@mlflow.example:5000/base/?token=x")
        'https://mlflow.example:5000/base/'
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri.partition("?")[0]
    return f"{scheme}://{rest.rpartition('@')[2]}".partition("?")[0].partition("#")[0]


def check_uri(uri: str) -> None:
    """Check that a tracker's address can be told from the user and the password in it.

    Raises:
        OptionError: it cannot, or it is no address.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise OptionError(f"the tracker's address {public_uri(uri)}: {one_line(error)}") from None
    if parts.netloc and "@" in uri and "@" not in parts.netloc:
        raise OptionError(
            f"the tracker's address {public_uri(uri)}: write the characters / ? # of a password as %2F %3F %23"
        )


def call_client(uri: str, request: dict[str, Any], sent: Callable[[str], None]) -> dict[str, Any]:
    """Carry out a request, and return what the client says at its end.

    Args:
        uri: the tracker's address.
        request: what `gapscope.track.client` reads, but for the address.
        sent: is called with the name of each file that has been sent.

    Raises:
        TrackerError: the tracker cannot be reached, refuses, or does not answer in time.
    """
    tracker = f"the tracker {public_uri(uri)}"
    address, environment = _credentials(uri)
    secrets = [*environment.values(), *(os.environ.get(name, "") for name in _SECRETS), urlsplit(uri).password or ""]
    secrets = [secret for secret in {*secrets, *map(unquote, secrets)} if len(secret) >= _SHORTEST_SECRET]
    sizes = {file["name"]: os.path.getsize(file["path"]) for file in request["files"]}
    waiting = iter(sizes.values())
    limit = _IMPORT_SECONDS
    with _running(environment | {"MLFLOW_TRACKING_URI": address}) as (process, answers):
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({**request, "uri": address}).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
        sending = False
        while True:
            try:
                line = answers.get(timeout=limit)
            except queue.Empty:
                raise TrackerError(f"{tracker} has not answered for {limit:.0f} seconds") from None
            if line is None:
                raise TrackerError(f"MLflow's client has ended without a word (exit code {process.wait()})")
            answer: dict[str, Any] = json.loads(line)
            if "error" in answer:
                raise _error(tracker, answer, secrets)
            if "run_id" in answer:
                return answer
            if "file" in answer:
                sent(answer["file"])
            sending = sending or answer.get("step") == "sending"
            limit = _FILE_SECONDS + next(waiting, 0) / _BYTES_PER_SECOND if sending else ANSWER_SECONDS


def _credentials(uri: str) -> tuple[str, dict[str, str]]:
    """Return an address without user and password, and the variables that give them to MLflow's client.

    MLflow's client puts the whole address into its messages. The address of a database keeps them.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.username is None:
        return uri, {}
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    given = {"USERNAME": parts.username, "PASSWORD": parts.password or ""}
    return address, {f"MLFLOW_TRACKING_{name}": unquote(value) for name, value in given.items()}


@contextmanager
def _running(environment: dict[str, str]) -> "Iterator[tuple[subprocess.Popen[bytes], queue.Queue[bytes | None]]]":
    """Run the program while the context is open; its lines come in the queue, and None when it has ended."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-W", "ignore", str(Path(__file__).with_name("client.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
    )
    assert process.stdout is not None
    answers: queue.Queue[bytes | None] = queue.Queue()
    reader = threading.Thread(target=_read_lines, args=(process.stdout, answers), daemon=True)
    reader.start()
    try:
        yield process, answers
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdin is not None
        for pipe in (process.stdin, process.stdout):
            pipe.close()


def _read_lines(pipe: IO[bytes], answers: "queue.Queue[bytes | None]") -> None:
    for line in pipe:
        answers.put(line)
    answers.put(None)


def _error(tracker: str, answer: dict[str, Any], secrets: list[str]) -> TrackerError:
    text = _USER.sub("://", str(answer["error"]))
    for secret in secrets:
        text = text.replace(secret, "***")
    text = plain_line(one_line(ValueError(text)))
    if answer.get("unreachable"):
        return TrackerError(f"{tracker} cannot be reached: {text}")
    status = answer.get("status")
    if status is None:
        return TrackerError(f"{tracker} does not take the run: {text}")
    advice = "; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    return TrackerError(f"{tracker} answers with HTTP status {status}{advice if status in _REFUSED else ''}")
