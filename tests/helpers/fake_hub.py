"""A Hugging Face hub on this machine: it serves a folder as the dataset `me/NAME`."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

_SHA = "0" * 39 + "1"


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        paths = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
        self._answer(paths)

    def _answer(self, paths: list[str] | None = None) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/datasets/me/(\w+)(?:/revision/[\w/]+)?", path):
            self._json({"id": f"me/{match[1]}", "sha": _SHA, "siblings": []}, (self.root / match[1]).is_dir())
        elif match := re.fullmatch(r"/api/datasets/me/(\w+)/tree/\w+(?:/(.*))?", path):
            folder = self.root / match[1] / (match[2] or "")
            deep = "recursive=true" in self.path.lower()
            files = sorted(folder.rglob("*") if deep else folder.glob("*"))
            self._json([self._info(self.root / match[1], file) for file in files], folder.is_dir())
        elif match := re.fullmatch(r"/api/datasets/me/(\w+)/paths-info/\w+", path):
            base = self.root / match[1]
            self._json([self._info(base, base / name) for name in paths or [] if (base / name).exists()], True)
        elif match := re.fullmatch(r"/datasets/me/(\w+)/resolve/\w+/(.+)", path):
            self._file(self.root / match[1] / match[2])
        else:
            self._json({}, False)

    def _info(self, base: Path, file: Path) -> dict[str, object]:
        kind = "directory" if file.is_dir() else "file"
        size = 0 if file.is_dir() else file.stat().st_size
        return {"type": kind, "path": file.relative_to(base).as_posix(), "size": size, "oid": _SHA}

    def _json(self, value: object, found: bool) -> None:
        self._send(200 if found else 404, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, file: Path) -> None:
        if not file.is_file():
            self._json({}, False)
            return
        data, status, headers = file.read_bytes(), 200, {"ETag": '"1"', "X-Repo-Commit": _SHA}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(match[1]), int(match[2] or len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        self._send(status, data, headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def fake_hub(root: Path) -> Iterator[str]:
    """Serve the folders in `root` as datasets of the user `me`, and yield the hub's address."""
    handler = type("Hub", (_Hub,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
