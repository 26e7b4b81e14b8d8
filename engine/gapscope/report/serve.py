"""The report over HTTP on this machine, with the images themselves, read from their sources on demand."""

import html
import io
import ipaddress
import re
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

from gapscope.decode.children import thumbnail_in_subprocess
from gapscope.errors import OptionError, RunError, SourceError, one_line
from gapscope.report.page import own_files
from gapscope.report.script import is_script
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.store.index import read_entries
from gapscope.store.location import Location
from gapscope.store.run_store import RunStore

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
_NUMBER = re.compile(r"[0-9]{1,15}")
_IMAGE_POLICY = "default-src 'none'; sandbox"
_POLICY = re.compile('<meta http-equiv="Content-Security-Policy" content="([^"]*)">')

CONNECTIONS = 64
"""Connections that are answered at a time; more wait in the system's queue."""

REQUEST_SECONDS = 10.0
"""Time that a client has for its whole request; slower ones are cut off, so that they cannot keep others out."""


class ReportServer(ThreadingHTTPServer):
    """Serves one run's report under an address that holds a secret; call `serve_forever` and `shutdown`.

    Files come from a list of the report's folder that is made when the server starts, and images are asked for by
    numbers, so that no path from a request ever reaches the file system. Requests for another host's name are refused,
    so that a web page elsewhere cannot reach the server by pointing its own name here (DNS rebinding). A run may come
    from somebody else, so the page and its scripts must be gapscope's own, and data must be nothing but data.
    """

    daemon_threads = True
    # The system cuts it to what it allows.
    request_queue_size = 4096

    def __init__(self, run: RunStore, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Open the port.

        Args:
            run: a finished run with a report.
            host: name or address to listen at.
            port: port to listen at; 0 for any that is free.

        Raises:
            RunError: the run has no report, or not one that this gapscope wrote.
            OptionError: the host or port cannot be had.
        """
        self.run = run
        self.token = secrets.token_urlsafe(18)
        self._page = own_files()
        self._files = _files_of(run, self._page)
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._deadlines: dict[socket.socket, float] = {}
        policy = _POLICY.search(self._page["index.html"])
        assert policy is not None
        self.page_policy = f"{html.unescape(policy[1])}; frame-ancestors 'none'"
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise OptionError(
                f"cannot listen there at {host}: {reason}; choose another, or 0 for any", argument="port", value=port
            ) from error
        self._own_names = {host.lower(), socket.gethostname().lower(), "localhost"}

    @property
    def url(self) -> str:
        """Where the page is, secret included."""
        host, port = self.server_address[:2]
        shown = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://{'127.0.0.1' if shown == '0.0.0.0' else shown}:{port}/{self.token}/"  # noqa: S104

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, once one of a bounded number is free."""
        while not self._free.acquire(timeout=0.5):
            self.service_actions()
        self._deadlines[request] = time.monotonic() + REQUEST_SECONDS
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            # The system has no thread left for us.
            self.request_received(request)
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.request_received(request)
            self._free.release()

    def service_actions(self) -> None:
        """Cut off clients that take too long for their request; called now and then."""
        now = time.monotonic()
        for request in [late for late, deadline in list(self._deadlines.items()) if deadline < now]:
            self.request_received(request)
            # It may be gone already.
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def request_received(self, request: socket.socket) -> None:
        """Note that a client's request has been received, whole."""
        self._deadlines.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away, or speaks nonsense, is no concern of the terminal's."""

    def file(self, name: str) -> bytes | None:
        """Return a file of the report; None where there is none, or it is not what a report holds."""
        if name in self._page:
            return self._page[name].encode()
        path = self._files.get(name)
        try:
            data = None if path is None else path.read_bytes()
        except OSError:
            return None
        return data if data is None or not name.endswith(".js") or is_script(data) else None

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
            Rejected: there is no such image, it cannot be read any more, or the run is damaged.
        """
        try:
            return self._image(dataset, row)
        except Rejected:
            raise
        # The index may be anything, for the run may be a stranger's.
        except Exception as error:
            raise Rejected("unreadable", f"the run does not say where it is: {one_line(error)}") from error

    def _image(self, dataset: int, row: int) -> tuple[str, bytes]:
        if not 0 <= dataset < len(self.run.datasets):
            raise Rejected("missing", "there is no such dataset")
        name = self.run.datasets[dataset]
        if not 0 <= row < self.run.record.datasets[name].listed:
            raise Rejected("missing", "there is no such row")
        try:
            entry = read_entries(self.run, name, np.array([row]))[0]
        # A damaged table makes Arrow raise nearly anything, and other images can still be shown.
        except Exception as error:
            raise Rejected("unreadable", f"the run is damaged; see `gapscope verify {self.run.path}`") from error
        source = self._sources.get(name)
        if source is None or entry.status != "ok":
            raise Rejected("missing", "the image cannot be read")
        data = source.read(entry)
        kind = _media_type(data)
        return (kind, data) if kind and entry.box is None else ("image/jpeg", self._encoded(data, name, entry))

    def _encoded(self, data: bytes, dataset: str, entry: Entry) -> bytes:
        side = min(LARGEST_SIDE, self._longest(entry))
        pixels = thumbnail_in_subprocess(data, side, self.run.record.preprocess(dataset), entry.box)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=92)
        return file.getvalue()

    def _longest(self, entry: Entry) -> int:
        return LARGEST_SIDE if entry.box is None else max(1, round(max(entry.box.width, entry.box.height)))

    @cached_property
    def _sources(self) -> dict[str, Source]:
        sources = {}
        for name in self.run.datasets:
            try:
                sources[name] = self.run.open_source(name)
            except SourceError:
                # Images that have moved away are answered one by one; the others are shown.
                continue
        return sources


def _files_of(run: RunStore, page: Mapping[str, str]) -> dict[str, Location]:
    """Return the data and pictures of a run's report by name; `page` has what the page and its scripts should be.

    Raises:
        RunError: there is no report, or its page or scripts are not those that this gapscope writes.
    """
    folder = run.path / "report"
    again = f"write it with `gapscope report {run.path}`"
    if not (folder / "index.html").exists():
        raise RunError(f"{run.path} has no report: {again}")
    for name, text in page.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != text.encode():
            raise RunError(f"{path} is not what this version of gapscope writes, and is not shown: {again}")
    paths = [path for part in ("data", "tiles") for path in (folder / part).glob("*")]
    return {
        f"{path.parent.name}/{path.name}": path
        for path in paths
        if path.suffix in (".js", ".jpg") and path.is_file() and not path.is_symlink()
    }


def _media_type(data: bytes) -> str | None:
    """Return the type of what every browser shows, by its first bytes; never what could hold a script."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for first, kind in _BY_FIRST_BYTES.items() if data.startswith(first)), None)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD requests."""

    server_version = "gapscope"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Say what is wrong with a request in one line, with the same headers as everything else."""
        self.close_connection = True
        self._say(HTTPStatus(code), message or HTTPStatus(code).phrase, body=self.command != "HEAD")

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        """Log nothing: addresses hold the secret."""

    def _answer(self, *, body: bool) -> None:
        server = cast("ReportServer", self.server)
        server.request_received(self.connection)
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
        if len(numbers) != 2 or not all(_NUMBER.fullmatch(number) for number in numbers):
            self._say(HTTPStatus.NOT_FOUND, "There is no such image.", body=body)
            return
        try:
            kind, data = server.image(int(numbers[0]), int(numbers[1]))
        except Rejected as rejected:
            self._say(HTTPStatus.NOT_FOUND, f"{rejected.status}: {rejected.error}", body=body)
            return
        self._send(HTTPStatus.OK, kind, _IMAGE_POLICY, data, body=body)

    def _send_file(self, server: ReportServer, name: str, *, body: bool) -> None:
        data = server.file(name)
        if data is None:
            self._say(HTTPStatus.NOT_FOUND, "There is no such file in the report.", body=body)
            return
        if name == "index.html":
            data = data.replace(
                b"<meta name=", f'<meta name="gapscope-images" content="{IMAGES}">\n<meta name='.encode(), 1
            )
        kind = _BY_SUFFIX[name[name.rindex(".") :]]
        self._send(HTTPStatus.OK, kind, server.page_policy, data, body=body)

    def _say(self, status: HTTPStatus, words: str, *, body: bool) -> None:
        self._send(status, "text/plain; charset=utf-8", _IMAGE_POLICY, f"{words}\n".encode(errors="replace"), body=body)

    def _send(self, status: HTTPStatus, kind: str, policy: str, data: bytes, *, body: bool) -> None:
        # Who speaks a version without headers would be given none, and they are what protects the answer.
        self.request_version = "HTTP/1.0"
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
