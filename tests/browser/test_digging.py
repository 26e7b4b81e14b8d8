"""Finding, selecting, and the forms that the page can take: measured, served, in one file."""

import csv
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from gapscope.report.serve import ReportServer
from gapscope.report.single_file import write_single_file
from gapscope.store.run_store import open_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Visit = Callable[..., "Page"]
Color = Callable[[int, int], tuple[int, int, int]]

_RINGS = "document.getElementById('map')._fullData.slice(2).map((trace) => trace.x.length)"


@pytest.fixture(scope="module")
def opened(browser: "Browser", measured_page: Path) -> Iterator["Page"]:
    """One page for all tests that leave it as they found it; opening one takes seconds where a CPU draws."""
    page = browser.new_page(viewport={"width": 1280, "height": 1300})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(measured_page.as_uri())
    page.wait_for_selector("body[data-level]", timeout=60_000)
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def measured(opened: "Page") -> "Page":
    opened.evaluate("gapscope.update({ level: 0, reading: 'as-is', pinned: null, color: -1, selected: new Set() })")
    opened.wait_for_selector("body[data-level='0']")
    opened.fill("#find", "")
    opened.locator("#find").blur()
    return opened


def middle(page: "Page", selector: str) -> tuple[float, ...]:
    with Image.open(io.BytesIO(page.locator(selector).first.screenshot())) as picture:
        return tuple(picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2)))  # type: ignore[arg-type]


def saved(page: "Page") -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click("#save-selection")
    assert download.value.suggested_filename == "gapscope-selection.csv"
    text = Path(download.value.path()).read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_how_sure_the_numbers_are_is_on_the_page(measured: "Page") -> None:
    page = measured
    assert page.locator(".lead-card .sentence").count() == 2
    warning = page.inner_text("#confounder-warning")
    assert "<i>JPEG</i> on one side" in warning
    assert warning.count("Look at the files first") == 1
    assert "100% <b>PNG</b>" in page.inner_text("#confounders")
    assert page.locator("main i, main b").count() == 0
    charts = page.locator("#charts svg").evaluate_all("all => all.map((svg) => svg.getAttribute('aria-label'))")
    assert any(chart.startswith("Histogram") for chart in charts)
    frechet = next(chart for chart in charts if chart.startswith("Fréchet"))
    assert "P2 real: 0.4 (0.35 to 0.75), beyond noise" in frechet
    assert [chart.split(" by level")[0] for chart in charts[1:6]] == [
        "Outlier share", "Share not like the reference", "Gap", "Kernel distance (KID)", "Neighbor test"
    ]  # fmt: skip
    assert len(charts) == 12
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert "0.91 of 1" in page.inner_text("#map-note")
    assert "beyond noise" in page.inner_text("#charts")
    assert "times the noise" not in page.content()
    # The image that is typical of the first cluster is its dataset's last.
    assert page.locator(".cluster .neighbor").first.get_attribute("title") == "23.png"


def test_an_image_is_found_by_a_part_of_its_name(measured: "Page", color: Color) -> None:
    page = measured
    page.fill("#find", "no such name")
    assert "No image on this page" in page.inner_text("#matches")
    page.fill("#find", "17.p")
    assert page.locator("#matches .match").count() == 2
    page.wait_for_timeout(200)
    dataset = page.evaluate("gapscope.image.dataset[Number(document.querySelector('.match .thumbnail').dataset.image)]")
    assert np.abs(np.subtract(middle(page, ".match .thumbnail"), color(dataset, 17))).max() < 12
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#pinned.filled")
    assert "17.png" in page.inner_text("#pinned")
    assert page.locator("#matches").is_hidden()
    assert page.evaluate(_RINGS)[2] == 1
    page.focus("#find")
    page.keyboard.press("Escape")
    assert page.locator("#matches").is_hidden()
    assert page.locator("#pinned.filled").count() == 1


def test_what_is_selected_stays_and_is_saved_as_a_list(measured: "Page") -> None:
    page = measured
    page.click("#select-area")
    box = page.locator("#area").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=3)
    page.mouse.up()
    page.wait_for_selector("#selection:not([hidden])")
    assert "48 images selected" in page.inner_text("#selection")
    rows = saved(page)
    assert {(row["dataset"], int(row["row"])) for row in rows} == {
        (name, row) for name in ("real", "synthetic") for row in range(24)
    }
    assert all(Path(row["uri"]).name == f"{int(row['row']):02d}.png" for row in rows)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert page.evaluate(_RINGS)[3] == 48
    page.click("#clear-selection")
    page.locator(".cluster").first.get_by_text("Select", exact=True).click()
    assert {row["dataset"] for row in saved(page)} == {"real"}
    page.click("#clear-selection")
    page.click("#select-list")
    assert len(saved(page)) == 5
    page.locator(".item").first.click()
    page.locator("#pinned").get_by_text("Selected").click()
    assert "4 images selected" in page.inner_text("#selection")


@pytest.mark.slow
def test_hostile_names_come_out_of_a_list_as_they_are(visit: Visit, hostile_page: Path) -> None:
    page = visit(hostile_page)
    page.evaluate("gapscope.update({ reading: 'as-is' })")
    page.wait_for_selector("body[data-reading='as-is']")
    page.select_option("#pair", label="real vs synthetic")
    page.click("#select-list")
    images = hostile_page.parents[2] / "images" / "real"
    expected = {str(path) for path in images.rglob("*.png")}
    assert {row["uri"] for row in saved(page)} == expected


def test_the_map_is_colored_by_score_and_by_cluster(measured: "Page") -> None:
    page = measured
    colors = "[...new Set(document.getElementById('map').data.flatMap(({ marker }) => [].concat(marker.color)))].length"
    page.select_option("#color", label="outlier score")
    page.wait_for_selector("#color-key .ramp")
    assert page.evaluate(colors) > 10
    page.select_option("#color", label="cluster")
    page.wait_for_function("document.querySelector('#color-key').innerText.includes('2 clusters')")
    assert page.evaluate(colors) <= 5


@pytest.mark.slow
def test_the_page_in_one_file_shows_the_same(visit: Visit, hostile_page: Path, tmp_path: Path, color: Color) -> None:
    write_single_file(hostile_page.parent, tmp_path / "mail" / "report.html")
    page = visit(tmp_path / "mail" / "report.html")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert not [name for name in loaded if name.startswith("file:")]
    assert "unsafe" not in (page.get_attribute("meta[http-equiv]", "content") or "")
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled .neighbor")
    assert page.evaluate("window.hit") is None
    page.wait_for_timeout(300)
    image = "Number(document.querySelector('#pinned .thumbnail').dataset.image)"
    dataset, row = page.evaluate(f"[gapscope.image.dataset[{image}], gapscope.image.row[{image}]]")
    assert np.abs(np.subtract(middle(page, "#pinned .thumbnail"), color(dataset, row))).max() < 12


@pytest.fixture
def served(measured_page: Path) -> Iterator[str]:
    with ReportServer(open_store(measured_page.parents[1])) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_served_page_shows_the_images_themselves(browser: "Browser", served: str, color: Color) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1500})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served)
    page.wait_for_selector("body[data-level]", timeout=60_000)
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned .full")
    assert page.evaluate("document.querySelector('.full').naturalWidth") == 48
    name = page.inner_text("#pinned .file")
    assert np.abs(np.subtract(middle(page, "#pinned .full"), color(0, int(name[:2])))).max() < 3
    assert page.get_attribute("#pinned .full", "alt") == f"{name}, real"
    assert errors == []
    page.close()


@pytest.mark.slow
def test_nothing_moves_for_those_who_do_not_want_it(browser: "Browser", measured_page: Path) -> None:
    page = browser.new_page(reduced_motion="reduce")
    page.goto(measured_page.as_uri())
    page.wait_for_selector("body[data-level]", timeout=60_000)
    assert page.evaluate("getComputedStyle(document.querySelector('.bar'), '::after').transitionDuration") == "0s"
    page.evaluate("document.querySelector('.item').click()")
    page.wait_for_selector("#pinned.filled")
    assert page.evaluate("Math.abs(document.querySelector('.stage').getBoundingClientRect().top)") < 40
    page.close()
