"""The report over HTTP on this machine, with the images themselves, read from their sources on demand."""

import io
import ipaddress
import secrets
import socket
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

from gapscope.decode.children import thumbnail_apart
from gapscope.errors import OptionError, RunError, SourceError
from gapscope.rejects import Rejected
from gapscope.run import Run
from gapscope.sources import Entry, Source

IMAGES = "images"
"""Under this name a page that is served finds the images: IMAGES/number of the dataset/row."""

LARGEST_SIDE = 4096
"""Longest side in pixels of an image that is encoded anew, since browsers do not read its format."""

_BY_SUFFIX = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".jpg": "image/jpeg",
}
_BY_FIRST_BYTES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_POLICY = "frame-ancestors 'none'"
_IMAGE_POLICY = "default-src 'none'; sandbox"


class ReportServer(ThreadingHTTPServer):
    """Serves one run's report under an address that holds a secret; call `serve_forever` and `shutdown`.

    Files come from a list of the report's folder that is made when the server starts, and images are asked for by
    numbers, so that no path from a request ever reaches the file system. Requests for another host's name are refused,
    so that a web page elsewhere cannot reach the server by pointing its own name here (DNS rebinding).
    """

    daemon_threads = True

    def __init__(self, run: Run, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Open the port.

        Args:
            run: a finished run with a report.
            host: name or address to listen at.
            port: port to listen at; 0 for any that is free.

        Raises:
            RunError: the run has no report.
            OptionError: the host or port cannot be had.
        """
        if not run.report.exists():
            raise RunError(f"{run.path} has no report: write it with `gapscope report {run.path}`")
        self.run = run
        self.token = secrets.token_urlsafe(18)
        folder = run.report.parent
        self.files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        }
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise OptionError(f"--host {host} --port {port}: {reason}; choose another, or port 0 for any") from error
        self._own_names = {host.lower(), socket.gethostname().lower(), "localhost"}

    @property
    def url(self) -> str:
        """Where the page is, secret included."""
        host, port = self.server_address[:2]
        shown = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://{'127.0.0.1' if shown == '0.0.0.0' else shown}:{port}/{self.token}/"  # noqa: S104

    def knows(self, host: str) -> bool:
        """Tell whether a request's Host header names this machine. An address does: only names can be pointed at it."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._own_names
        return True

    def image(self, dataset: int, row: int) -> tuple[str, bytes]:
        """Return the media type and bytes of an image.

        Raises:
            Rejected: there is no such image, or it cannot be read any more.
        """
        if not 0 <= dataset < len(self.run.datasets):
            raise Rejected("missing", "there is no such dataset")
        name = self.run.datasets[dataset]
        if not 0 <= row < self.run.record.datasets[name]["listed"]:
            raise Rejected("missing", "there is no such row")
        try:
            entry = self.run.entries(name, np.array([row]))[0]
        # A damaged table makes Arrow raise nearly anything, and other images can still be shown.
        except Exception as error:
            raise Rejected("unreadable", f"the run is damaged; see `gapscope verify {self.run.path}`") from error
        source = self._sources.get(name)
        if source is None or entry.status != "ok":
            raise Rejected("missing", "the image cannot be read")
        data = source.read(entry)
        kind = _media_type(data)
        return (kind, data) if kind and entry.box is None else ("image/jpeg", self._encoded(data, entry))

    def _encoded(self, data: bytes, entry: Entry) -> bytes:
        side = min(LARGEST_SIDE, self._longest(entry))
        pixels = thumbnail_apart(data, side, self.run.frame.max_pixels, entry.box)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=92)
        return file.getvalue()

    def _longest(self, entry: Entry) -> int:
        return LARGEST_SIDE if entry.box is None else max(1, round(max(entry.box[2:])))

    @cached_property
    def _sources(self) -> dict[str, Source]:
        found = {}
        for name in self.run.datasets:
            try:
                found[name] = self.run.source(name)
            except SourceError:
                # Images that have moved away are answered one by one; the others are shown.
                continue
        return found


def _media_type(data: bytes) -> str | None:
    """Return the type of what every browser shows, by its first bytes; never what could hold a script."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for first, kind in _BY_FIRST_BYTES.items() if data.startswith(first)), None)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server_version = "gapscope"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        """Log nothing: addresses hold the secret."""

    def _answer(self, *, body: bool) -> None:
        server = cast("ReportServer", self.server)
        token, _, rest = unquote(self.path.partition("?")[0], errors="replace").lstrip("/").partition("/")
        if not server.knows(self.headers.get("Host", "")):
            self._say(HTTPStatus.FORBIDDEN, "This server answers to this machine's own names only.", body=body)
        elif not secrets.compare_digest(token.encode(), server.token.encode()):
            self._say(HTTPStatus.FORBIDDEN, "Use the whole address that `gapscope serve` printed.", body=body)
        elif rest.startswith(f"{IMAGES}/"):
            self._send_image(server, rest, body=body)
        else:
            self._send_file(server, rest or "index.html", body=body)

    def _send_image(self, server: ReportServer, rest: str, *, body: bool) -> None:
        _, *numbers = rest.split("/")
        if len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
            self._say(HTTPStatus.NOT_FOUND, "There is no such image.", body=body)
            return
        try:
            kind, data = server.image(int(numbers[0]), int(numbers[1]))
        except Rejected as rejected:
            self._say(HTTPStatus.NOT_FOUND, f"{rejected.status}: {rejected.error}", body=body)
            return
        self._send(HTTPStatus.OK, kind, _IMAGE_POLICY, data, body=body)

    def _send_file(self, server: ReportServer, name: str, *, body: bool) -> None:
        path = server.files.get(name)
        try:
            data = None if path is None else path.read_bytes()
        except OSError:
            data = None
        if path is None or data is None:
            self._say(HTTPStatus.NOT_FOUND, "There is no such file in the report.", body=body)
            return
        if name == "index.html":
            data = data.replace(
                b"<meta name=", f'<meta name="gapscope-images" content="{IMAGES}">\n<meta name='.encode(), 1
            )
        kind = _BY_SUFFIX.get(path.suffix, "application/octet-stream")
        self._send(HTTPStatus.OK, kind, _PAGE_POLICY, data, body=body)

    def _say(self, status: HTTPStatus, words: str, *, body: bool) -> None:
        self._send(status, "text/plain; charset=utf-8", _IMAGE_POLICY, f"{words}\n".encode(errors="replace"), body=body)

    def _send(self, status: HTTPStatus, kind: str, policy: str, data: bytes, *, body: bool) -> None:
        try:
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            # The browser has moved on.
            self.close_connection = True
