"""Trackers for tests: runs to send there, a stand-in that answers everything alike, and a reader of MLflow's own."""

import json
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import fake_run

from gapscope.run import Run

IMAGES = {"real": [f"{at}.png" for at in range(12)], "syn": [f"{at}.png" for at in range(9)] + ["bad.png"]}


def make_run(folder: Path, **options: Any) -> Run:
    """A run with invented numbers, kinds and classes."""
    given = {"images": IMAGES, "broken": {"bad.png"}, "measured": True, "kinds": True, **options}
    return fake_run.write_fake_run(folder, fake_run.FakeRunSpec(**given))


class Stub(ThreadingHTTPServer):
    """A tracker that answers everything alike, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), StubRequestHandler)
        self.status, self.body = status, body
        self.authorizations = list[str | None]()
        self.address = f"127.0.0.1:{self.server_port}"


class StubRequestHandler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self.server.authorizations.append(self.headers["Authorization"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def log_message(self, *args: object) -> None:
        pass


class Tracker:
    """MLflow's own server, read through its REST interface and not through the client that wrote.

    Attributes:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def runs(self, experiment: str, view: str = "ACTIVE_ONLY") -> list[dict[str, Any]]:
        """The runs of an experiment: `info`, and parameters, numbers and tags by name."""
        found = self.ask(f"api/2.0/mlflow/experiments/get-by-name?{urlencode({'experiment_name': experiment})}")
        ids = [found["experiment"]["experiment_id"]]
        runs = self.ask("api/2.0/mlflow/runs/search", {"experiment_ids": ids, "run_view_type": view}).get("runs", [])
        return [
            {"info": run["info"]}
            | {
                name: {each["key"]: each["value"] for each in run["data"].get(name, [])}
                for name in ("params", "metrics", "tags")
            }
            for run in runs
        ]

    def files(self, run: dict[str, Any], folder: str = "") -> dict[str, bytes]:
        """The files of a run by name."""
        info = run["info"]
        query = urlencode({"run_id": info["run_id"], "path": folder})
        files = dict[str, bytes]()
        for each in self.ask(f"api/2.0/mlflow/artifacts/list?{query}").get("files", []):
            if each["is_dir"]:
                files |= self.files(run, each["path"])
            else:
                path = quote(f"{info['experiment_id']}/{info['run_id']}/artifacts/{each['path']}")
                files[each["path"]] = self._get(f"api/2.0/mlflow-artifacts/artifacts/{path}")
        return files

    def history(self, run: dict[str, Any], number: str) -> list[float]:
        """All values that a number of a run has had."""
        query = urlencode({"run_id": run["info"]["run_id"], "metric_key": number})
        return [each["value"] for each in self.ask(f"api/2.0/mlflow/metrics/get-history?{query}")["metrics"]]

    def set_tag(self, run: dict[str, Any], name: str, value: str) -> None:
        """Set a tag, as a person does on MLflow's pages."""
        self.ask("api/2.0/mlflow/runs/set-tag", {"run_id": run["info"]["run_id"], "key": name, "value": value})

    def ask(self, path: str, body: object = None) -> Any:
        """The answer to a request, which is a POST if it has a body."""
        return json.loads(self._get(path, body))

    def _get(self, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content
