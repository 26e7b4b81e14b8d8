from pathlib import Path
from typing import Any

import fake_run
import pytest

from gapscope.progress import Silent
from gapscope.run import Run
from gapscope.stages import report
from gapscope.stages.report import write_report
from gapscope.store.location import Location, relative_name


def small_run(folder: Path, **options: Any) -> Run:
    images = {"real": [f"{at}.png" for at in range(12)], "syn": [f"{at}.png" for at in range(9)] + ["bad.png"]}
    return fake_run.write_fake_run(folder, fake_run.FakeRunSpec(**{"images": images, "broken": {"bad.png"}, **options}))


def contents(folder: Location) -> dict[str, bytes]:
    return {relative_name(path, folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_page_lies_in_the_run(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    page = write_report(run.store, Silent())
    assert page == run.report
    assert {"index.html", "page.css", "page.js", "plotly.min.js", "data/facts.js", "data/level-2.js"} <= set(
        contents(page.parent)
    )


def test_the_same_run_makes_the_same_bytes(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    first = contents(write_report(run.store, Silent()).parent)
    assert contents(write_report(run.store, Silent()).parent) == first


def test_a_new_report_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    folder = write_report(run.store, Silent()).parent
    (folder / "left over.txt").write_text("old")
    (run.path / ".report.1.partial").mkdir()
    write_report(run.store, Silent())
    assert not (folder / "left over.txt").exists()
    assert [path.name for path in run.path.iterdir() if "report" in path.name] == ["report"]


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_run(tmp_path)
    first = contents(write_report(run.store, Silent()).parent)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(report, "write_page", fail)
    with pytest.raises(OSError, match="full"):
        write_report(run.store, Silent())
    assert contents(run.report.parent) == first
    assert [path.name for path in run.path.iterdir() if "report" in path.name] == ["report"]


@pytest.mark.parametrize(
    "options",
    [
        {"outliers": 0},
        {"levels": ("P5",)},
        {"images": {"a": ["1.png", "2.png", "3.png"], "b": ["1.png", "2.png", "3.png"]}},
        {"images": {"a": ["1.png", "2.png"], "b": ["bad.png"]}},
        {"images": {"a": ["bad.png"], "b": ["bad.png"]}},
        pytest.param({"images": {f"set{number}": ["1.png", "2.png"] for number in range(8)}}, marks=pytest.mark.slow),
        {"k": 1},
    ],
)
def test_odd_runs_have_a_report_too(tmp_path: Path, options: dict[str, object]) -> None:
    assert write_report(small_run(tmp_path, **options).store, Silent()).exists()


def test_images_that_moved_away_leave_a_report_without_pictures(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    (tmp_path / "images" / "real").rename(tmp_path / "images" / "elsewhere")
    assert write_report(run.store, Silent()).exists()
