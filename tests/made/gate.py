"""A web server for images that can be told at which of them something is to happen."""

from collections.abc import Callable
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import Any

from embed_only import NAMES

Action = Callable[[], object] | Callable[[str], object]
"""May be given the address of whoever asks."""


class Gate:
    """A web server for the images that does something at a certain one, once, before it answers."""

    def __init__(self, server: ThreadingHTTPServer, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self._folder, self._actions, self._lock = folder, dict[str, Action](), Lock()

    def at(self, path: str, action: Action) -> None:
        self._actions[path] = action

    def datasets(self, to: Path, host: str = "127.0.0.1") -> dict[str, str]:
        """Lists of the images' URLs, written into a folder."""
        lists = {}
        for name in NAMES:
            lists[name] = str(to / f"{name}.txt")
            names = sorted(path.name for path in (self._folder / name).iterdir())
            url = self.url.replace("127.0.0.1", host)
            Path(lists[name]).write_text("\n".join(f"{url}/{name}/{each}" for each in names))
        return lists

    def passed(self, path: str, address: str) -> None:
        with self._lock:
            action = self._actions.pop(path.lstrip("/"), None)
        if action is not None:
            action(*[address] if signature(action).parameters else [])


class Handler(SimpleHTTPRequestHandler):
    gate: Gate

    def do_GET(self) -> None:
        self.gate.passed(self.path, self.client_address[0])
        # Whoever asked may be dead by now.
        with suppress(OSError):
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
