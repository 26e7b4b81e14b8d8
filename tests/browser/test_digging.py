"""Finding, selecting, and the forms that the page can take: measured, served, in one file."""

import csv
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import page_map
import pytest
from PIL import Image

from gapscope.report.serve import ReportServer
from gapscope.report.single_file import write_single_file
from gapscope.store.run_store import open_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Visit = Callable[..., "Page"]
Color = Callable[[int, int], tuple[int, int, int]]


def middle(page: "Page", selector: str) -> tuple[float, ...]:
    with Image.open(io.BytesIO(page.locator(selector).first.screenshot())) as picture:
        return tuple(picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2)))  # type: ignore[arg-type]


def saved(page: "Page") -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click("#save-selection")
    assert download.value.suggested_filename == "gapscope-selection.csv"
    text = Path(download.value.path()).read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_how_sure_the_numbers_are_is_on_the_page(revisit: Visit, measured_page: Path) -> None:
    page = revisit(measured_page)
    assert page.locator(".lead-card .sentence").count() == 2
    warning = page.inner_text("#confounder-warning")
    assert "<i>JPEG</i> on one side" in warning
    assert warning.count("Look at the files first") == 1
    assert "100% <b>PNG</b>" in page.inner_text("#confounders")
    assert page.locator("main i, main b").count() == 0
    charts = page.locator("[data-chart]").evaluate_all("all => all.map((chart) => chart.dataset.chart)")
    assert charts[:8] == [
        "listed-of-shown", "outlier-scores", "outside-scores", "outlier_share", "share_outside", "gap",
        "kid", "two_sample"
    ]  # fmt: skip
    frechet = page.locator("[data-chart=frechet]")
    assert frechet.locator(".stop").first.get_attribute("aria-label") == (
        "Fréchet distance, P2: 0.4 (0.35 to 0.75), beyond noise"
    )
    # A chart is read by pointing at it, and a click on it shows a level.
    frechet.locator(".stop").nth(2).hover()
    assert frechet.locator(".readout").inner_text().split()[0] == "P4"
    frechet.locator(".stop").nth(1).click()
    page.wait_for_selector("body[data-level='1']")
    assert "0.91 of 1" in page.inner_text("#map-note")
    assert "beyond noise" in page.inner_text("#charts")
    assert "times the noise" not in page.content()
    # The image that is typical of the first cluster is its dataset's last.
    assert page.locator(".cluster .neighbor").first.get_attribute("title") == "23.png"


def test_an_image_is_found_by_a_part_of_its_name(revisit: Visit, measured_page: Path, color: Color) -> None:
    page = revisit(measured_page)
    page.fill("#find", "no such name")
    page.locator("#matches").get_by_text("No image on this page").wait_for()
    page.fill("#find", "17.p")
    page.wait_for_selector("#matches .match")
    assert page.locator("#matches .match").count() == 2
    page.wait_for_timeout(200)
    found = "Number(document.querySelector('.match .thumbnail').dataset.image)"
    dataset = page.evaluate(f"gapscope.images.dataset[{found}]")
    assert np.abs(np.subtract(middle(page, ".match .thumbnail"), color(dataset, 17))).max() < 12
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#pinned.filled")
    assert "17.png" in page.inner_text("#pinned")
    assert page.locator("#matches").is_hidden()
    assert len(page_map.marked(page, "pinned")) == 1
    page.focus("#find")
    page.keyboard.press("Escape")
    assert page.locator("#matches").is_hidden()
    assert page.locator("#pinned.filled").count() == 1
    # All that are found are selected at once; texts are searched as names are.
    page.fill("#find", "fog")
    page.get_by_role("button", name="Select all 6").click()
    page.locator("#selected").get_by_text("6 images selected").wait_for()
    assert page.inner_text("#grid-what") == 'Selected: search "fog"'
    assert page.locator("#grid .item-name").count() == 6
    # The only one of them that is listed comes first.
    assert page.locator("#grid .item-name").first.inner_text() == "02.png"
    page.fill("#find", "")


def test_what_is_selected_stays_and_is_saved_as_a_list(revisit: Visit, measured_page: Path) -> None:
    page = revisit(measured_page)
    page.click("#select-area")
    box = page.locator("#area").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=3)
    page.mouse.up()
    page.locator("#selected").get_by_text("48 images selected").wait_for()
    rows = saved(page)
    assert {(row["dataset"], int(row["row"])) for row in rows} == {
        (name, row) for name in ("real", "synthetic") for row in range(24)
    }
    assert all(Path(row["uri"]).name == f"{int(row['row']):02d}.png" for row in rows)
    assert {row["weather"] for row in rows if row["dataset"] == "real"} == {
        "sun", "fog", "", "<img src=x onerror=window.hit=1>"
    }  # fmt: skip
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert len(page_map.marked(page, "selected")) == 48
    page.click("#clear-selection")
    page.locator(".cluster").first.get_by_role("button", name="Select cluster 0").click()
    page.locator("#selected").get_by_text("24 images selected").wait_for()
    assert {row["dataset"] for row in saved(page)} == {"real"}
    page.click("#clear-selection")
    # In the grid: all that it lists, one less, and none.
    page.click("#select-all")
    page.locator("#selected").get_by_text("5 images selected").wait_for()
    assert len(saved(page)) == 5
    page.locator(".item").first.click()
    page.locator("#pinned").get_by_role("button", name="Selected").click()
    page.locator("#selected").get_by_text("4 images selected").wait_for()
    page.locator(".item .tick input").first.check()
    page.locator("#selected").get_by_text("5 images selected").wait_for()


@pytest.mark.slow
def test_hostile_names_come_out_of_a_list_as_they_are(visit: Visit, hostile_page: Path) -> None:
    page = visit(hostile_page)
    page.evaluate("gapscope.state.show({ reading: 'as-is' })")
    page.wait_for_selector("body[data-reading='as-is']")
    page.select_option("#pair", label="real vs synthetic")
    page.click("#select-all")
    images = hostile_page.parents[2] / "images" / "real"
    expected = {str(path) for path in images.rglob("*.png")}
    assert {row["uri"] for row in saved(page)} == expected


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
    dataset, row = page.evaluate(f"[gapscope.images.dataset[{image}], gapscope.images.row[{image}]]")
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
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    places = page_map.places(page)
    page.wait_for_timeout(200)
    assert page_map.places(page) == pytest.approx(places)
    page.evaluate("document.querySelector('.lead-card .neighbor').click()")
    page.wait_for_selector("#pinned.filled")
    assert page.evaluate("Math.abs(document.querySelector('.stage').getBoundingClientRect().top)") < 40
    page.close()
