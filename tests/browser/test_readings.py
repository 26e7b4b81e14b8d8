"""The two readings on the page: as it is, and with each dataset's look taken out."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import fake_run
import page_map
import pytest

from gapscope.progress import Silent
from gapscope.stages.report import write_report
from gapscope.store.metrics import read_metrics, write_metrics

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
Report = Callable[..., Path]


def choose(page: "Page", reading: str) -> None:
    page.locator(f".reading:has([value='{reading}'])").click()
    page.wait_for_selector(f"body[data-reading='{reading}']")


def names(page: "Page") -> list[str]:
    return page.locator("#grid .item-name").all_inner_texts()


def test_a_reading_changes_lists_marks_colors_and_numbers(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    assert page.get_attribute("body", "data-reading") == "as-is"
    assert names(page) == [f"{at:02d}.png" for at in range(5)]
    assert len(page_map.marked(page, "outlier")) == 10
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned .neighbor")
    near = page.locator("#pinned .neighbor").evaluate_all("all => all.map((item) => item.title)")
    page.select_option("#color", label="outlier score")
    page.wait_for_selector("#color-key .ramp")
    colors, key = page_map.colors(page), page.inner_text("#color-key")
    assert len(set(colors)) > 10
    assert "rank 1" in page.inner_text("#pinned")

    choose(page, "style-aside")
    assert names(page) == ["23.png"]
    assert len(page_map.marked(page, "outlier")) == 2
    assert page.inner_text("#grid-what").endswith("at P2, style aside")
    assert "At most 10% false, expected." in page.inner_text("#grid-note")
    assert "manifests/P2.real-vs-synthetic.style-aside.csv" in page.inner_text("#grid-note")
    assert "1 of 24 real images (4%) are listed" in page.inner_text("#pairs")
    assert "style aside" in page.inner_text("#numbers-title")
    assert page.locator("#numbers tbody.current td").nth(1).inner_text() == "1"
    assert "Not listed as an outlier" in page.inner_text("#pinned")
    page.wait_for_selector("#pinned .neighbor")
    assert page.locator("#pinned .neighbor").evaluate_all("all => all.map((item) => item.title)") != near
    assert page_map.colors(page) != colors
    assert page.inner_text("#color-key") != key
    page.click("#select-all")
    page.locator("#selected").get_by_text("1 image selected").wait_for()
    page.fill("#find", "23.png")
    page.wait_for_selector("#matches .match")
    assert "outlier, rank 1" in page.locator("#matches .match").first.inner_text()
    page.keyboard.press("Escape")
    page.fill("#find", "")
    page.click("#clear-selection")
    choose(page, "as-is")
    page.wait_for_selector("#pinned .neighbor")
    assert page_map.colors(page) == colors


def test_the_reading_stays_when_the_level_changes(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    # With the keyboard alone.
    page.locator(".reading input").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-reading='style-aside']")
    assert page.get_attribute("body", "data-level") == "0"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert page.get_attribute("body", "data-reading") == "style-aside"
    assert "A suggestion: some of the look remains; no guarantee." in page.inner_text("#grid-note")
    assert "a suggestion" in page.inner_text("#grid .item-about >> nth=0")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='2']")
    assert page.inner_text("#grid-what").startswith("Ranking of")
    assert "does not see the same content in both; here is the order" in page.inner_text("#grid-note")
    assert names(page) == [f"{at:02d}.png" for at in range(23, -1, -1)]
    assert "no list" in page.inner_text("#pairs")
    contents = page.locator(".level .content").all_inner_texts()
    assert contents == [
        "sees the same content in both: 99%", "sees the same content in both: 87%", "42%: mostly look, not content"
    ]  # fmt: skip
    assert "measured from this run" in page.inner_text("#levels-note")


def test_a_number_of_the_first_screen_opens_what_it_counts(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    page.locator(".lead-card").nth(1).locator(".figure").nth(1).click()
    page.wait_for_selector("body[data-reading='style-aside']")
    assert page.inner_text("#grid-what").split()[:4] == ["Worst", "outliers", "of", "synthetic"]
    assert page.evaluate("document.activeElement.dataset.figure") == "1 style-aside"
    assert page.locator(".figure[aria-pressed='true']").count() == 1


def test_what_is_saturated_opens_style_aside(visit: Visit, report: Report, tmp_path: Path) -> None:
    images = {"real": [f"{at:02d}.png" for at in range(24)], "drawn": [f"{at:02d}.png" for at in range(24)]}
    page = visit(report(tmp_path, images=images, outliers=20))
    assert page.get_attribute("body", "data-reading") == "style-aside"
    assert page.locator(".lead-card .big").all_inner_texts() == ["83%", "4%"] * 2
    assert "First of the list at P2, style aside" in page.locator(".lead-card").first.inner_text()


def test_the_map_opens_at_the_level_that_the_first_number_is_of(visit: Visit, tmp_path: Path) -> None:
    images = {"real": [f"{at:02d}.png" for at in range(24)], "drawn": [f"{at:02d}.png" for at in range(24)]}
    run = fake_run.write_fake_run(tmp_path, fake_run.FakeRunSpec(images=images, outliers=5))
    metrics = read_metrics(run.store)
    pair = run.store.pairs[0].name
    # The level that tells most as a whole lists nothing, so the number is of the next one.
    metrics["level_rankings"][pair] = ["P4", "P3", "P2"]
    metrics["levels"]["P4"]["pairs"][pair]["outliers"] = 0
    write_metrics(run.store.path, metrics)
    page = visit(Path(str(write_report(run.store, Silent()))))
    assert page.get_attribute("body", "data-level") == "1"
    pressed = page.locator(".figure[aria-pressed='true']")
    assert pressed.count() == 1
    assert "at P3" in pressed.inner_text()


@pytest.mark.parametrize("reading", ["as-is", "style-aside"])
def test_a_run_of_one_reading_has_no_switch(visit: Visit, report: Report, tmp_path: Path, reading: str) -> None:
    images = {"real": [f"{at:02d}.png" for at in range(12)], "drawn": [f"{at:02d}.png" for at in range(12)]}
    page = visit(report(tmp_path, images=images, readings=reading, measured=True))
    assert page.get_attribute("body", "data-reading") == reading
    assert page.locator("#readings").count() == 0
    assert page.locator(".lead-card .figure").count() == (2 if reading == "as-is" else 4)
    # Only what is listed can be opened.
    assert page.locator(".lead-card button.figure").count() == 2
    assert names(page) == (["00.png", "01.png"] if reading == "as-is" else ["11.png"])
    assert page.locator(".level .content").count() == (0 if reading == "as-is" else 3)
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned .neighbor")
    page.select_option("#color", label="outlier score")
    page.wait_for_selector("#color-key .ramp")
    page.keyboard.press("ArrowRight")
