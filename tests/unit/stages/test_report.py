import base64
import json
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest

import gapscope
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
    assert {"index.html", "page.css", "page.js", "start.js", "data/facts.js", "data/level-2.js"} <= set(
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


def page_data(page: Location, name: str) -> Any:
    text = (page.parent / "data" / f"{name}.js").read_text()
    return json.loads(json.loads(text[text.index("JSON.parse(") + len("JSON.parse(") : text.rindex("));")]))


def test_the_page_knows_levels_that_list_an_image_and_words_and_units(tmp_path: Path) -> None:
    page = write_report(small_run(tmp_path, measured=True).store, Silent())
    images = page_data(page, "images")
    dataset = np.frombuffer(base64.b64decode(images["dataset"]), "<u2").tolist()
    row = np.frombuffer(base64.b64decode(images["row"]), "<u4").tolist()
    listed = {reading: np.frombuffer(base64.b64decode(bits), "<u4") for reading, bits in images["listed"].items()}
    # As it is, every level lists the first two images; style aside, the last level only ranks.
    last = {0: 11, 1: 8}
    for image, (of, at) in enumerate(zip(dataset, row, strict=True)):
        assert listed["as-is"][image] == (0b111 if at < 2 else 0)
        assert listed["style-aside"][image] == (0b011 if at == last[of] else 0)
    facts = page_data(page, "facts")
    assert (facts["created"], facts["version"]) == (fake_run.CREATED, gapscope.__version__)
    assert (facts["paths"], facts["like"]) == (True, False)
    assert {"noise-floor", "kid", "level"} < {word["id"] for word in facts["words"]}
    assert facts["confounders"][0]["rows"][1] == ["image size", 0.51, "0.64", "0.512", "megapixels"]
