"""Datasets small enough for many runs, a web server that triggers faults at chosen requests, and Dask processes."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from dask_processes import DaskProcesses
from embed_only import NAMES, Arrays, list_and_embed, read_run_arrays
from image_server import ImageRequestHandler, ImageServer
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def _unblocked_ctrl_c() -> None:
    # A shell starts background jobs with SIGINT ignored, and every process that the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of images per dataset; one image in each is broken."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(5)
    for name, count in zip(NAMES, (100, 60), strict=True):
        (folder / name).mkdir()
        for number in range(count):
            pixels = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((48, 36)).save(folder / name / f"{number:03d}.png")
        (folder / name / "007.png").write_bytes(b"not an image")
    return folder


@pytest.fixture(scope="session")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    """The embeddings and index that every run must end with."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    list_and_embed(run, {name: str(pictures / name) for name in NAMES}, "inline")
    return read_run_arrays(run)


@pytest.fixture
def image_server(pictures: Path) -> Iterator[ImageServer]:
    handler = type("BoundHandler", (ImageRequestHandler,), {})
    with ThreadingHTTPServer(("", 0), partial(handler, directory=str(pictures))) as server:
        handler.image_server = ImageServer(server, pictures)  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield handler.image_server  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[DaskProcesses]:
    with ExitStack() as stack:
        yield DaskProcesses(stack, tmp_path)


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler with one worker, which tests may kill, since its nanny brings it back, or join with others."""
    with ExitStack() as stack:
        processes = DaskProcesses(stack, tmp_path_factory.mktemp("crew"))
        processes.start_scheduler()
        processes.start_worker("first")
        yield processes


Same = Callable[[Path], None]


@pytest.fixture
def same(undisturbed: Arrays) -> Same:
    """Check that a run has every row, no half-written block, and the bytes of the undisturbed run."""

    def check(run: Path) -> None:
        arrays = read_run_arrays(run)
        assert arrays.keys() == undisturbed.keys()
        for name, values in undisturbed.items():
            np.testing.assert_array_equal(arrays[name], values, err_msg=name)
        assert [path for path in run.rglob("*") if path.name.endswith((".partial", ".blocks"))] == []

    return check
