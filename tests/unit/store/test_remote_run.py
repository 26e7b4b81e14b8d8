"""Runs behind URLs: a real S3 server on this machine that may be told to fail, and memory."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import fsspec
import numpy as np
import pytest
from embed_only import LEVELS, list_and_embed, read_run_arrays
from PIL import Image
from s3_sessions import close_s3_sessions
from typer.testing import CliRunner

import gapscope
from gapscope.progress import Silent
from gapscope.report.serve import ReportServer
from gapscope.stages.neighbors import fit_scalers
from gapscope.store import location
from gapscope.store.location import Location, relative_name
from gapscope.store.lock import run_lock
from gapscope.store.run_store import open_store
from gapscope_cli.main import app

OPTIONS: dict[str, Any] = {"model": "bundled", "levels": ["P3"], "size": 64, "n_epochs": 11, "cluster": "inline"}
Start = Callable[..., Any]


class Server:
    """moto's S3, which answers with errors, late, or not at all, as often as it is told."""

    def __init__(self, app: Any) -> None:
        self._app, self._lock = app, threading.Lock()
        self.troubles: list[str] = []
        self.met: list[str] = []
        self.methods: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        with self._lock:
            trouble = self.troubles.pop() if self.troubles else "none"
            self.met.append(trouble)
            listing = environ["REQUEST_METHOD"] == "GET" and "prefix=" in environ["QUERY_STRING"]
            self.methods["LIST" if listing else environ["REQUEST_METHOD"]] += 1
        if trouble == "late":
            self.released.wait(60)
        if trouble != "none":
            start("500 Internal Server Error" if trouble == "500" else "503 Slow Down", [])
            return [b""]
        answer: Iterable[bytes] = self._app(environ, start)
        return answer

    released = threading.Event()


@pytest.fixture(scope="module")
def s3() -> Iterator[Server]:
    """A server with an empty bucket."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = Server(DomainDispatcherApplication(create_backend_app))
    serving = make_server("127.0.0.1", 0, server, threaded=True)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{serving.server_port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").clear_instance_cache()
        fsspec.filesystem("s3").makedirs("bucket", exist_ok=True)
        yield server
        close_s3_sessions()
    server.released.set()
    serving.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    by_name, random = {}, np.random.default_rng(4)
    for name in ("real", "synthetic"):
        folder = tmp_path_factory.mktemp(name)
        for number in range(36 if name == "real" else 12):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((40, 30)).save(folder / f"{number:02d}.png")
        (folder / "broken.jpg").write_bytes(b"no image")
        by_name[name] = str(folder)
    return by_name


def content(run: Location) -> dict[str, bytes]:
    """What a run's files hold, but for times."""
    with_times = ("run.json", "log.txt", "facts.js", "SHA256SUMS")
    files = [path for path in run.rglob("*") if path.is_file() and path.name not in with_times]
    return {relative_name(path, run): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def local_run(folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    return gapscope.compare(folders, out=tmp_path_factory.mktemp("here") / "run", **OPTIONS)


@pytest.mark.slow
def test_a_block_asks_for_little_but_its_data(s3: Server, tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (192, 8, 8, 3), dtype=np.uint8)
    counts, blocks = [], []
    for images in (64, 192):
        folder = tmp_path / str(images)
        folder.mkdir()
        for number in range(images):
            Image.fromarray(pixels[number]).save(folder / f"{number:03d}.png")
        url = f"s3://bucket/requests-{images}"
        s3.methods.clear()
        list_and_embed(url, {"real": str(folder)}, "inline")
        run = open_store(location.resolve_location(url))
        fit_scalers(run)
        counts.append(s3.methods.copy())
        blocks.append(run.record.blocks("real"))
    more = blocks[1] - blocks[0]
    assert more == 4
    assert (counts[1]["HEAD"] + counts[1]["LIST"] - counts[0]["HEAD"] - counts[0]["LIST"]) / more <= 10
    # A shard per level and a flag, and hardly more: nothing is written twice.
    assert (counts[1]["PUT"] - counts[0]["PUT"]) / more <= len(LEVELS) + 3


@pytest.mark.parametrize("url", [pytest.param("s3://bucket/some/run", marks=pytest.mark.slow), "memory://run-of-test"])
def test_a_run_behind_a_url_holds_what_a_folder_holds(
    s3: Server, folders: dict[str, str], local_run: gapscope.Run, tmp_path: Path, url: str
) -> None:
    run = gapscope.compare(folders, out=url, **OPTIONS)
    assert content(run.path) == content(local_run.path)
    opened = gapscope.open_run(url)
    assert opened.metrics == local_run.metrics
    assert opened.outliers("P3", "real", "synthetic").equals(local_run.outliers("P3", "real", "synthetic"))
    page = opened.report.read_bytes()
    opened.report.unlink()
    result = CliRunner().invoke(app, ["report", url])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"{url}/report/index.html"
    assert opened.report.read_bytes() == page
    for kind in ("parquet", "projector"):
        result = CliRunner().invoke(app, ["export", url, "--to", kind, "--out", str(tmp_path / kind)])
        assert result.exit_code == 0, result.output
    checked = gapscope.verify(url)
    assert (checked.faults, checked.finished) == ([], True)
    # The same call finds nothing to do.
    asked = len(s3.met)
    gapscope.compare(folders, out=url, **OPTIONS)
    assert content(run.path) == content(local_run.path)
    assert (len(s3.met) > asked) == url.startswith("s3")
    with pytest.raises(gapscope.RunError, match=r"embed\.size was 64, now 96"):
        gapscope.compare(folders, out=url, **OPTIONS | {"size": 96})


def test_a_run_in_a_store_is_worked_on_by_one(s3: Server) -> None:
    del s3
    run = location.resolve_location("s3://bucket/locked")
    with (
        run_lock(run, "gapscope compare", Silent()),
        pytest.raises(gapscope.RunError, match="in use by gapscope compare"),
        run_lock(run, "gapscope report", Silent()),
    ):
        pass
    with run_lock(run, "gapscope report", Silent()):
        assert (run / "lock.json").exists()
    assert not (run / "lock.json").exists()


@pytest.mark.slow
def test_a_run_and_images_behind_urls_are_served(s3: Server, folders: dict[str, str]) -> None:
    del s3
    fsspec.filesystem("s3").put(folders["real"], "bucket/real", recursive=True)
    run = gapscope.compare(folders | {"real": "s3://bucket/real"}, out="s3://bucket/served", **OPTIONS)
    with ReportServer(run.store) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = server.url
        for row in run.layout("P3").query("dataset == 'real'")["row"].iloc[[0, -1]]:
            (name,) = run.index("real").query("row == @row")["uri"].str.rsplit("/", n=1).str[-1]
            with urlopen(f"{base}images/0/{row}") as answer:
                assert answer.read() == (Path(folders["real"]) / name).read_bytes()
        with urlopen(f"{base}page.js") as answer:
            assert answer.read() == (run.report.parent / "page.js").read_bytes()
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_store_that_fails_for_a_while_is_waited_for(
    s3: Server, folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = {"mode": "standard", "max_attempts": 10}
    options = {"config_kwargs": {"retries": retries, "read_timeout": 0.3}}
    monkeypatch.setitem(location._OPTIONS, "s3", options)
    s3.met.clear()
    s3.troubles += ["none", "503", "none", "500", "none", "none", "late", "none", "500", "500"] * 2
    list_and_embed("s3://bucket/flaky", folders, "inline")
    assert s3.troubles == []
    assert {"500", "503", "late"} <= set(s3.met)
    list_and_embed(tmp_path / "run", folders, "inline")
    steady, flaky = read_run_arrays(tmp_path / "run"), read_run_arrays("s3://bucket/flaky")
    for name, values in steady.items():
        np.testing.assert_array_equal(flaky[name], values, err_msg=name)


@pytest.mark.slow
def test_a_store_that_stays_down_ends_in_one_line_and_the_run_goes_on_later(
    s3: Server, folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"config_kwargs": {"retries": {"mode": "standard", "max_attempts": 1}}}
    monkeypatch.setitem(location._OPTIONS, "s3", options)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    read, broken = gapscope.sources.Folder.read, threading.Event()

    def breaks(self: Any, entry: Any) -> bytes:
        if entry.uri.endswith("real0/34.png") or (entry.uri.endswith("34.png") and not broken.is_set()):
            broken.set()
            s3.troubles += ["500"] * 1000
        return read(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(gapscope.sources.Folder, "read", breaks)
        with pytest.raises(gapscope.ClusterError, match=r"a worker cannot read or write the run .*same command goes"):
            list_and_embed("s3://bucket/down", folders, "inline")
    s3.troubles.clear()
    list_and_embed("s3://bucket/down", folders, "inline")
    list_and_embed(tmp_path / "run", folders, "inline")
    steady, down = read_run_arrays(tmp_path / "run"), read_run_arrays("s3://bucket/down")
    for name, values in steady.items():
        np.testing.assert_array_equal(down[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://me:secret@bucket/run", "password"),
        ("nothing://bucket/run", "nothing://bucket/run"),
        ("s3://no-such-bucket/run", "cannot be written"),
        ("s3://bucket/nowhere", "is not a gapscope run"),
    ],
)
def test_what_cannot_be_a_run_is_one_line(s3: Server, folders: dict[str, str], url: str, words: str) -> None:
    del s3
    command = ["report", url]
    if "nowhere" not in url:
        command = ["compare", *(f"{name}={folder}" for name, folder in folders.items()), "--out", url]
        command += ["--model", "bundled"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("gapscope: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "secret" not in result.output
