import io
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

Picture = Callable[[int], bytes]


@pytest.fixture(scope="session")
def picture() -> Picture:
    """The bytes of a small PNG that differs by number."""

    def encoded(number: int) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (8, 6), (number * 20 % 256, number, 7)).save(file, "PNG")
        return file.getvalue()

    return encoded


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """Four images in two folders, and a file that is none."""
    root = tmp_path / "photos"
    for number, name in enumerate(("b.png", "a.png", "deep/c.PNG", "deep/d.jpg")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    (root / "notes.txt").write_text("no image")
    return root


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The URL of a web server that serves the test's folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
