"""The same images, settings and machine make the same bytes in all that a run holds and in all that is made of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from quick_compare import DatasetFolders, quick_compare, read_run_files
from threadpoolctl import threadpool_limits

import gapscope
from gapscope.export import IMAGE_EXPORTS, RUN_EXPORTS, export_run
from gapscope.report.single_file import write_single_file
from gapscope.store.location import Location, relative_name


@pytest.fixture(scope="module")
def second_run(folders: DatasetFolders, tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    """The comparison once more, in another place."""
    return quick_compare(folders, tmp_path_factory.mktemp("again") / "run")


def files(folder: Location) -> dict[str, bytes]:
    return {relative_name(path, folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_elsewhere(second_run: gapscope.Run, undisturbed: dict[str, bytes]) -> None:
    assert read_run_files(second_run.path) == undisturbed


# YOLO takes no images without annotations.
@pytest.mark.parametrize("kind", sorted({*IMAGE_EXPORTS, *RUN_EXPORTS} - {"yolo"}))
def test_exports(second_run: gapscope.Run, finished: Path, tmp_path: Path, kind: str) -> None:
    first = export_run(gapscope.open_run(finished), kind, tmp_path / "one")
    second = export_run(second_run, kind, tmp_path / "other")
    assert files(first) == files(second)
    assert files(first)


@pytest.mark.slow
def test_one_thread_gives_what_two_give(two_folders: tuple[Path, Path], tmp_path: Path) -> None:
    sources = dict(zip(("real", "synthetic"), two_folders, strict=True))
    found = []
    for threads in (2, 1):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with threadpool_limits(threads):
                run = gapscope.compare(
                    sources, out=tmp_path / str(threads) / "run", model="bundled", size=64, cluster="inline"
                )
        finally:
            torch.set_num_threads(before)
        found.append([(run.path / name).read_bytes() for name in ("metrics.json", "gaps.json", "classes.csv")])
    assert found[0] == found[1]


def test_the_page_in_one_file(finished: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_single_file(finished / "report", tmp_path / f"{name}.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


@pytest.mark.slow
def test_an_update(folders: DatasetFolders, finished: Path, tmp_path: Path) -> None:
    moved = {name: str(shutil.copytree(folder, tmp_path / "images" / name)) for name, folder in folders.items()}
    runs = [tmp_path / "one", tmp_path / "other"]
    for run in runs:
        quick_compare(moved, run)
    random = np.random.default_rng(6)
    for number in range(3):
        Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(
            tmp_path / "images" / "synthetic" / f"new-{number}.png"
        )
    (tmp_path / "images" / "real" / "03.png").unlink()
    first, second = (quick_compare(moved, run, update=True) for run in runs)
    assert first.metrics["datasets"]["synthetic"]["read"] == 15
    assert read_run_files(first.path) == read_run_files(second.path)
    checked = gapscope.verify(first.path)
    assert (checked.faults, checked.finished) == ([], True)
