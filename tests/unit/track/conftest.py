import importlib.util
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from threading import Thread

import pytest
from trackers import Stub, Tracker, make_run

from gapscope.run import Run
from gapscope.track import process

HOW = "`make test-tracking` makes an environment that has it"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with invented numbers and kinds, which no test changes."""
    return make_run(tmp_path_factory.mktemp("fake"))


@pytest.fixture
def client() -> None:
    """MLflow's client, without which a test is skipped."""
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip(f"MLflow's client is not installed; {HOW}")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that gives up after a second."""
    monkeypatch.setitem(process._ENVIRONMENT, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setitem(process._ENVIRONMENT, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def closed_port() -> str:
    """The address of a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def stub() -> Iterator[Callable[[int, bytes], Stub]]:
    """Starts trackers that answer everything alike."""
    servers = list[tuple[Stub, Thread]]()

    def start(status: int, body: bytes = b"{}") -> Stub:
        server = Stub(status, body)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def server_command() -> str | None:
    """The server's program, of an environment of its own: the client's package has one of the same name, without it."""
    return os.environ.get("GAPSCOPE_MLFLOW_SERVER")


@pytest.fixture(scope="session")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    """MLflow's own server on loopback, with a database and a folder of its own."""
    program = server_command()
    if program is None or importlib.util.find_spec("mlflow") is None:
        pytest.skip(f"MLflow's server is not installed; {HOW}")
    folder = tmp_path_factory.mktemp("tracker")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command: Sequence[str] = (
        *(program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")),
    )
    hidden = {"PYTHONPATH": "", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log.txt").open("wb") as log:
        # A session of its own, since the server starts processes that outlive it.
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=os.environ | hidden, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/health", server)
        yield Tracker(url)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail(f"MLflow's server does not start (exit code {server.poll()})")
