"""A web server for images that can run an action just before it serves a given image."""

from collections.abc import Callable
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import Any

from embed_only import NAMES

Action = Callable[[], object] | Callable[[str], object]
"""Takes nothing, or the IP address of the client."""


class ImageServer:
    """Serves a folder of images; runs each registered action once, just before its image is first served."""

    def __init__(self, server: ThreadingHTTPServer, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self._folder, self._actions, self._lock = folder, dict[str, Action](), Lock()

    def before(self, path: str, action: Action) -> None:
        """Register an action to run before `path` is served."""
        self._actions[path] = action

    def write_url_lists(self, folder: Path, host: str = "127.0.0.1") -> dict[str, str]:
        """Write a list of image URLs per dataset into `folder`; return the lists by dataset."""
        lists = {}
        for name in NAMES:
            lists[name] = str(folder / f"{name}.txt")
            names = sorted(path.name for path in (self._folder / name).iterdir())
            url = self.url.replace("127.0.0.1", host)
            Path(lists[name]).write_text("\n".join(f"{url}/{name}/{image}" for image in names))
        return lists

    def run_action(self, path: str, address: str) -> None:
        with self._lock:
            action = self._actions.pop(path.lstrip("/"), None)
        if action is not None:
            action(*[address] if signature(action).parameters else [])


class ImageRequestHandler(SimpleHTTPRequestHandler):
    image_server: ImageServer

    def do_GET(self) -> None:
        self.image_server.run_action(self.path, self.client_address[0])
        # The action may have killed the client.
        with suppress(OSError):
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""
