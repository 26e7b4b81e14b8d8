"""Requests that a run sends to an object store, by stage and method, and the objects that it stores, by part.

A whole comparison runs in this process against moto's S3 on loopback, which counts every request. Four runs separate
the requests per block, per image, and per run: with few and with many blocks, with only the run on S3 and with the
images there as well. Takes some minutes on 2 cores.
"""

import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from PIL import Image

import gapscope
from gapscope.progress import Silent, Task

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

_BUCKET = "runs"
_OPTIONS: dict[str, Any] = {"model": "bundled", "size": 64, "n_epochs": 11, "cluster": "inline"}
_SIDE = 48


class CountingServer:
    """moto's S3 as a WSGI application that counts requests by stage and method."""

    def __init__(self, app: Any) -> None:
        self._app, self._lock = app, threading.Lock()
        self.stage = ""
        self.counts: Counter[tuple[str, str]] = Counter()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Count a request, and let moto answer it."""
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        method = environ["REQUEST_METHOD"]
        if method == "GET" and ("list-type" in query or "prefix" in query):
            method = "LIST"
        with self._lock:
            self.counts[self.stage, method] += 1
        response: Iterable[bytes] = self._app(environ, start)
        return response


class StageProgress(Silent):
    """Progress that names the current stage to the server."""

    def __init__(self, server: CountingServer) -> None:
        self._server = server

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Set the stage to the first word of `title`; it counts all requests until the next stage."""
        self._server.stage = title.split(maxsplit=1)[0]
        with super().task(title, total, unit) as task:
            yield task


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--images", type=int, nargs=2, default=[192, 384], help="two sizes, each of both datasets together"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _s3_server() as server:
        results = {
            f"{images} images, {'images and run' if remote else 'run'} on S3": _count_requests(
                Path(folder), server, images, remote=remote
            )
            for images in options.images
            for remote in (False, True)
        }
    write_result(options.out, {"settings": {**_OPTIONS, "side": _SIDE}, "found": results})
    print(json.dumps(results, indent=2))


@contextmanager
def _s3_server() -> Iterator[CountingServer]:
    """Serve S3 on loopback, and point the environment's credentials and endpoint to it."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class QuietHandler(WSGIRequestHandler):
        def log_request(self, *arguments: Any) -> None:
            """Log nothing."""

    server = CountingServer(DomainDispatcherApplication(create_backend_app))
    http_server = make_server("127.0.0.1", 0, server, threaded=True, request_handler=QuietHandler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{http_server.server_port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    import fsspec

    fsspec.filesystem("s3").mkdir(f"s3://{_BUCKET}")
    yield server
    http_server.shutdown()


def _count_requests(folder: Path, server: CountingServer, images: int, *, remote: bool) -> dict[str, Any]:
    import fsspec

    local = folder / f"{images}"
    for seed, name in enumerate(("real", "synthetic")):
        _write_images(local / name, images // 2, seed)
    name = f"{images}-{'all' if remote else 'run'}"
    s3 = fsspec.filesystem("s3")
    sources: dict[str, str] = {dataset: str(local / dataset) for dataset in ("real", "synthetic")}
    if remote:
        sources = {dataset: f"s3://{_BUCKET}/{name}/{dataset}" for dataset in sources}
        for dataset, source in sources.items():
            s3.put(f"{local / dataset}/", f"{source}/", recursive=True)
    run_url = f"s3://{_BUCKET}/{name}/run"
    server.counts.clear()
    server.stage = "begin"
    run = gapscope.compare(sources, out=run_url, progress=StageProgress(server), **_OPTIONS)
    requests: dict[str, dict[str, int]] = {}
    for (stage, method), count in sorted(server.counts.items()):
        requests.setdefault(stage, {})[method] = count
    objects: dict[str, dict[str, int]] = {}
    for path, info in s3.find(run_url, detail=True, refresh=True).items():
        part = objects.setdefault(path.split("/run/", 1)[1].split("/")[0], {"objects": 0, "bytes": 0})
        part["objects"] += 1
        part["bytes"] += info["size"]
    blocks = sum(-(-images // 2 // run.record.block_rows) for _ in sources)
    return {"images": images, "blocks": blocks, "requests": requests, "objects": objects}


def _write_images(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((_SIDE, _SIDE)).save(folder / f"{number:05d}.jpg")


if __name__ == "__main__":
    main()
