"""The cards of kinds, with which the page begins."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import fake_run
import numpy as np
import page_map
import pytest

from gapscope.progress import Silent
from gapscope.stages.report import write_report
from gapscope.store.heat_maps import pack_map, write_heat_maps

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]


@pytest.fixture(scope="session")
def kinds_page(tmp_path_factory: pytest.TempPathFactory, report: Callable[..., Path]) -> Path:
    names = [f"{at:02d}.png" for at in range(24)]
    return report(tmp_path_factory.mktemp("kinds"), images={"real": names, "synthetic": names}, outliers=5, kinds=True)


def top(page: "Page", selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize("width", [1440, 390])
def test_the_first_screen_has_a_kind_with_its_pictures_before_any_number(
    revisit: Visit, kinds_page: Path, width: int
) -> None:
    page = revisit(kinds_page)
    page.set_viewport_size({"width": width, "height": 900})
    assert top(page, ".kind-pictures .thumbnail") < 700
    assert top(page, ".kind-card") < top(page, "#lead-pairs") < top(page, "#levels") < top(page, "#map")
    first, second = page.locator(".kind-card").all()
    assert [line.strip() for line in first.inner_text().splitlines()][:2] == ["Missing from synthetic", "K1"]
    assert "5 images (21%) · every level · q 0.004" in first.inner_text()
    assert "what to do about real-vs-synthetic" in first.inner_text()
    assert "looks like: espresso (0.8)" in second.inner_text()
    assert "P2 only · a suggestion" in second.inner_text()
    assert "what real-vs-synthetic says." in page.locator(".kind-column").first.inner_text()
    # A user's name is text and nothing more.
    assert page.locator(".kind-name").first.inner_text() == fake_run.KIND_NAMES[0]
    assert page.evaluate("window.hit") is None
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_picture_stands_beside_its_counterpart_and_pins_it(revisit: Visit, kinds_page: Path) -> None:
    page = revisit(kinds_page)
    card = page.locator(".kind-card").first
    own, counterparts = card.locator(".kind-pictures").all()
    assert own.locator(".thumbnail").count() == counterparts.locator(".thumbnail").count() == 5
    assert counterparts.inner_text().split() == ["0.25"] * 5
    own.locator("button").first.click()
    page.wait_for_selector("#pinned .file")
    assert "00.png" in page.inner_text("#pinned")


def test_a_card_selects_its_kind_on_the_map_in_the_grid_and_in_the_charts(revisit: Visit, kinds_page: Path) -> None:
    page = revisit(kinds_page)
    page.locator(".kind-head").nth(1).press("Enter")
    page.locator("#selected").get_by_text("5 images selected").wait_for()
    assert len(page_map.marked(page, "selected")) == 5
    page.locator("#grid-what", has_text="K2").wait_for()
    title = " ".join(page.inner_text("#grid-what").split())
    assert title.startswith("K2, looks like: espresso (0.8): synthetic against real")
    assert page.locator("#grid .item").count() == 5
    assert "K2: listed" in page.inner_text("#charts")
    assert page.locator(".kind-card.shown").get_attribute("data-kind") == "K2"
    assert page.locator(".kind-head").nth(1).get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.kindHead") == "K2"

    page.locator(".kind-head").nth(1).press("Enter")
    page.locator("#selected").get_by_text("Nothing is selected").wait_for()
    assert "Worst outliers of" in " ".join(page.inner_text("#grid-what").split())
    assert "K2" not in page.inner_text("#charts")
    assert page_map.marked(page, "dimmed") == set()


def test_a_kind_filters_and_colors_too(revisit: Visit, kinds_page: Path) -> None:
    page = revisit(kinds_page)
    page.select_option("#color", label="kind")
    page.wait_for_selector("#color-key .key-entry")
    assert page.locator("#color-key .key-entry bdi").all_inner_texts() == [
        "K1 <img src=x onerror=window.hit=1>", "K2 looks like: espresso (0.8)", "of no kind"
    ]  # fmt: skip
    page.click("#open-filters")
    page.locator(".filter-card", has_text="K2").get_by_role("checkbox", name="looks like").check()
    page.wait_for_selector(".filter-chip")
    assert len(page_map.drawn(page)) == 5
    page.click("#clear-filters")
    page.click("#open-filters")


def test_without_a_kind_the_first_screen_says_what_that_means(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    assert page.locator(".kind-card.none").count() == 2
    assert "A gap of 1 image or more of one kind would have been listed" in page.inner_text("#kinds")


def test_levels_have_a_word_and_a_patch_at_true_size(revisit: Visit, kinds_page: Path) -> None:
    page = revisit(kinds_page)
    assert page.locator(".level-word").all_inner_texts() == ["texture", "pattern", "parts"]
    sizes = [patch.bounding_box() for patch in page.locator(".patch").all()]
    assert [size and (size["width"], size["height"]) for size in sizes] == [(16, 16), (32, 32), (64, 64)]


@pytest.fixture(scope="session")
def heat_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page on which the first pictures of the first kind are hot in the upper left, at P4 the most."""
    names = [f"{at:02d}.png" for at in range(24)]
    spec = fake_run.FakeRunSpec(images={"real": names, "synthetic": names}, outliers=5, kinds=True)
    run = fake_run.write_fake_run(tmp_path_factory.mktemp("heat"), spec)
    gap = run.gaps_record["kinds"][0]
    heat = np.zeros((28, 28), np.float32)
    heat[:7, :7] = 3.0
    rows = [
        {
            "dataset": gap["query"],
            "row": picture["row"],
            "uri": picture["uri"],
            "reference": gap["reference"],
            "level": level,
            "pointing": pointing,
            "focus": 1.0,
            "map": pack_map(heat),
            "reason": None,
        }
        for picture in gap["pictures"][:2]
        for level, pointing in zip(run.levels[:2], (0.7, 0.9), strict=True)
    ]
    write_heat_maps(run.path, rows)
    return Path(str(write_report(run.store, Silent())))


def test_a_switch_shows_where_in_the_pictures_a_kind_is_unlike(revisit: Visit, heat_page: Path) -> None:
    page = revisit(heat_page)
    card, other = page.locator(".kind-card").all()
    assert card.locator("canvas").count() == 0
    assert "No heat maps: the vectors are not of a network" in other.inner_text()
    card.get_by_role("button", name="Where?").click()
    page.wait_for_selector(".kind-card canvas")
    assert card.locator("canvas").count() == 2
    # The level that points best is shown first, and a click shows another.
    levels = card.locator("[data-heat-level]")
    assert levels.evaluate_all("all => all.map((one) => one.getAttribute('aria-pressed'))") == ["false", "true"]
    assert "hottest at the upper left" in (card.locator("canvas").first.get_attribute("aria-label") or "")
    assert "Unlike, not wrong. " in card.inner_text()
    assert "AUC 0.90" in card.inner_text()
    assert "Its other pictures have no heat map: " in card.inner_text()
    levels.first.click()
    assert "AUC 0.70" in card.inner_text()
    alphas = card.locator("canvas").first.evaluate(
        "canvas => [[3, 3], [20, 20]].map(([x, y]) => canvas.getContext('2d').getImageData(x, y, 1, 1).data[3])"
    )
    assert alphas[0] > 150
    assert alphas[1] == 0
    card.get_by_role("button", name="Where?").click()
    assert card.locator("canvas").count() == 0


def test_the_pinned_image_has_the_same_switch(revisit: Visit, heat_page: Path) -> None:
    page = revisit(heat_page)
    page.locator(".kind-pictures button").first.click()
    page.locator("#pinned").get_by_role("button", name="Where?").click()
    page.wait_for_selector("#pinned canvas")
    page.locator("#pinned .neighbor").first.click()
    page.wait_for_function("!document.querySelector('#pinned canvas')")
    assert "No heat map: " in page.locator("#pinned").inner_text()
