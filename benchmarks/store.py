"""What a run asks of an object store, by stage and kind of request, and what it leaves there, by part.

A whole comparison runs in this process against moto's S3 on loopback, which counts every request. Four runs tell apart
what is asked per block, per image, and once: few and many blocks, with the run alone on S3 and with the images there,
too. Some minutes on 2 cores.
"""

import argparse
import json
import os
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
from gapscope.bench.machine import machine
from gapscope.progress import Silent, Task

_BUCKET = "runs"
_OPTIONS: dict[str, Any] = {"model": "bundled", "size": 64, "n_epochs": 11, "cluster": "inline"}
_SIDE = 48


class Counting:
    """moto's S3 with a count of requests by stage and kind, and of what it holds."""

    def __init__(self, app: Any) -> None:
        self._app, self._lock = app, threading.Lock()
        self.stage = ""
        self.met: Counter[tuple[str, str]] = Counter()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Count a request and have it answered."""
        asked = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        kind = environ["REQUEST_METHOD"]
        if kind == "GET" and ("list-type" in asked or "prefix" in asked):
            kind = "LIST"
        with self._lock:
            self.met[self.stage, kind] += 1
        answer: Iterable[bytes] = self._app(environ, start)
        return answer


class Stages(Silent):
    """Tells the server which stage is at work."""

    def __init__(self, server: Counting) -> None:
        self._server = server

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Name the stage by its first word; what follows it, until the next, counts with it."""
        self._server.stage = title.split(maxsplit=1)[0]
        with super().task(title, total, unit) as task:
            yield task


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, nargs=2, default=[192, 384], help="of both datasets together")
    options = parser.parse_args()
    few, many = options.images
    with tempfile.TemporaryDirectory() as folder, _serving() as server:
        found = {
            f"{images} images, {'images and run' if remote else 'run'} on S3": _counted(
                Path(folder), server, images, remote=remote
            )
            for images in (few, many)
            for remote in (False, True)
        }
    result = {"machine": machine(), "settings": {**_OPTIONS, "side": _SIDE}, "found": found}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


@contextmanager
def _serving() -> Iterator[Counting]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, *said: Any) -> None:
            """Say nothing of every request."""

    server = Counting(DomainDispatcherApplication(create_backend_app))
    serving = make_server("127.0.0.1", 0, server, threaded=True, request_handler=Quiet)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{serving.server_port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    import fsspec

    fsspec.filesystem("s3").mkdir(f"s3://{_BUCKET}")
    yield server
    serving.shutdown()


def _counted(folder: Path, server: Counting, images: int, *, remote: bool) -> dict[str, Any]:
    import fsspec

    here = folder / f"{images}"
    for seed, name in enumerate(("real", "synthetic")):
        _write_images(here / name, images // 2, seed)
    name = f"{images}-{'all' if remote else 'run'}"
    s3 = fsspec.filesystem("s3")
    sources: dict[str, str] = {kind: str(here / kind) for kind in ("real", "synthetic")}
    if remote:
        sources = {kind: f"s3://{_BUCKET}/{name}/{kind}" for kind in sources}
        for kind, source in sources.items():
            s3.put(f"{here / kind}/", f"{source}/", recursive=True)
    run = f"s3://{_BUCKET}/{name}/run"
    server.met.clear()
    server.stage = "begin"
    made = gapscope.compare(sources, out=run, progress=Stages(server), **_OPTIONS)
    requests: dict[str, dict[str, int]] = {}
    for (stage, kind), count in sorted(server.met.items()):
        requests.setdefault(stage, {})[kind] = count
    objects: dict[str, dict[str, int]] = {}
    for path, facts in s3.find(run, detail=True, refresh=True).items():
        part = objects.setdefault(path.split("/run/", 1)[1].split("/")[0], {"objects": 0, "bytes": 0})
        part["objects"] += 1
        part["bytes"] += facts["size"]
    blocks = sum(-(-images // 2 // made.record.block_rows) for _ in sources)
    return {"images": images, "blocks": blocks, "requests": requests, "objects": objects}


def _write_images(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((_SIDE, _SIDE)).save(folder / f"{number:05d}.jpg")


if __name__ == "__main__":
    main()
