import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import page_map
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Visit = Callable[..., "Page"]
Color = Callable[[int, int], tuple[int, int, int]]

_CAMERA = "(({ azimuth, elevation, distance }) => [azimuth, elevation, distance])(gapscope.map().camera)"
_FRAMES = """async () => {
  for (let frame = 0; frame < 15; frame += 1) await new Promise(requestAnimationFrame);
}"""


def scroll_to_map(page: "Page") -> None:
    page.evaluate("document.querySelector('.stage').scrollIntoView()")


def drag(page: "Page", right: int, down: int) -> None:
    scroll_to_map(page)
    box = page.locator("#map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()
    # The map glides to a stop; counted in frames, since a slow machine draws few of them a second.
    before = None
    while before != (before := page.evaluate(_CAMERA)):
        page.evaluate(_FRAMES)


def seen(page: "Page", selector: str) -> tuple[float, ...]:
    """Mean color in the middle of what a selector finds first."""
    with Image.open(io.BytesIO(page.locator(selector).first.screenshot())) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=float)
    height, width, _ = pixels.shape
    middle = pixels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    return tuple(middle.mean(axis=(0, 1)))


def test_the_page_says_what_it_shows(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    assert page.title() == "real vs synthetic · gapscope"
    assert page.locator("#notices").inner_text() == ""
    assert page.locator(".lead-card").count() == 2
    card = page.locator(".lead-card").first.inner_text()
    assert card.split()[:5] == ["real", "images", "that", "synthetic", "lacks"]
    figures = page.locator(".lead-card").first.locator(".figure").all_inner_texts()
    assert [figure.split("\n")[0] for figure in figures] == ["21%", "4%"]
    assert "share not like the reference: 25% (20% to 30%)" in figures[0]
    assert "At most 10% false, expected." in figures[1]
    assert "are not like synthetic" in card
    assert page.locator(".lead-card").first.locator(".pictures .thumbnail").count() == 5
    assert "5 of 24 real images (21%) are outliers" in page.inner_text("#pairs")
    assert "all 48 images" in page.inner_text("#map-note")
    assert page.locator("#grid .item").count() == 5
    assert "bad.png" in page.inner_text("#rejects")
    numbers = page.locator("#numbers th").evaluate_all("all => all.map(({ textContent }) => textContent)")
    assert any("reference among neighbors" in text for text in numbers)
    page.wait_for_function("gapscope.map().pointsDrawn === 48")
    assert {image: point.shape for image, point in page_map.drawn(page).items()} == dict(
        enumerate(page.evaluate("[...gapscope.images.dataset]"))
    )


@pytest.mark.slow
def test_switching_the_level_keeps_the_camera(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    start = page.evaluate(_CAMERA)
    drag(page, 90, 30)
    turned = page.evaluate(_CAMERA)
    assert turned != pytest.approx(start, abs=0.5)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert page.inner_text("#pairs-title") == "At P3, as it is"
    # The address holds the camera with a few digits only.
    assert page.evaluate(_CAMERA) == pytest.approx(turned, abs=0.1)
    page.locator(".level").nth(2).click()
    page.wait_for_selector("body[data-level='2']")
    assert page.evaluate(_CAMERA) == pytest.approx(turned, abs=0.1)
    page.click("#reset")
    assert page.evaluate(_CAMERA) == pytest.approx(start)


@pytest.mark.slow
def test_arrow_keys_leave_a_select_alone(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    page.focus("#pair")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#pairs-title") == "At P2, as it is"


@pytest.mark.parametrize("level", [0, *(pytest.param(level, marks=pytest.mark.slow) for level in (1, 2))])
def test_hovering_shows_the_image_of_the_point(revisit: Visit, plain_page: Path, color: Color, level: int) -> None:
    page = revisit(plain_page)
    page.locator(".level").nth(level).click()
    page.wait_for_selector(f"body[data-level='{level}']")
    scroll_to_map(page)
    image, x, y = page_map.loneliest(page)
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector("#hover")
    name, dataset = page.evaluate(f"[gapscope.images.name({image}), gapscope.images.dataset[{image}]]")
    assert name in page.inner_text("#hover")
    page.wait_for_timeout(100)
    assert np.abs(np.subtract(seen(page, "#hover .thumbnail"), color(dataset, int(name[:2])))).max() < 12

    before = page_map.places(page)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#pinned.filled .neighbor")
    assert name in page.inner_text("#pinned")
    assert page.locator("#pinned .neighbor").count() == 5
    assert page_map.marked(page, "pinned") == {image}
    # The map stays where it is, so that the next point is where it was seen.
    assert page_map.places(page) == pytest.approx(before)

    # With Shift, a click selects instead, and a second one takes it back.
    page.keyboard.down("Shift")
    for chosen, text in (({image}, "1 image selected"), (set(), "Nothing is selected")):
        page.mouse.move(x - 40, y)
        page.wait_for_selector("#hover", state="detached")
        page.mouse.move(x, y, steps=4)
        page.wait_for_selector(f"#hover[data-image='{image}']")
        page.mouse.down()
        page.mouse.up()
        page.locator("#selected").get_by_text(text).wait_for()
        assert page_map.marked(page, "selected") == chosen
    page.keyboard.up("Shift")


@pytest.mark.slow
def test_turning_the_map_from_a_point_pins_nothing(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page, height=1300)
    scroll_to_map(page)
    _, x, y = page_map.loneliest(page)
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector("#hover")
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    assert page.locator("#pinned.filled").count() == 0


@pytest.mark.slow
def test_every_picture_of_the_grid_is_its_own_image(visit: Visit, plain_page: Path, color: Color) -> None:
    page = visit(plain_page, height=1300)
    page.locator("#grid").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    for dataset, pair in enumerate(["real vs synthetic", "synthetic vs real"]):
        page.select_option("#pair", label=pair)
        page.wait_for_timeout(300)
        images = page.locator("#grid .item").evaluate_all("all => all.map(({ dataset }) => dataset.item)")
        assert len(images) == 5
        for image in images:
            item = f".item[data-item='{image}']"
            row = int(page.inner_text(f"{item} .item-name")[:2])
            assert np.abs(np.subtract(seen(page, f"{item} .thumbnail"), color(dataset, row))).max() < 12


def test_a_pinned_outlier_stands_beside_its_nearest(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled .neighbor")
    assert "rank 1" in page.inner_text("#pinned")
    neighbors = page.locator("#pinned .neighbor .thumbnail")
    assert neighbors.count() == 5
    found = [int(neighbors.nth(at).get_attribute("data-image") or -1) for at in range(5)]
    assert page.evaluate("numbers => numbers.map((image) => gapscope.images.dataset[image])", found) == [1] * 5
    assert page_map.marked(page, "neighbor") == set(found)
    assert page.locator(".item").first.get_attribute("aria-current") == "true"
    page.keyboard.press("Escape")
    page.wait_for_selector("#pinned:not(.filled)")
    assert page_map.marked(page, "neighbor") == set()


def test_legend_entries_switch_what_is_shown(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)

    def counts() -> list[int]:
        points = page_map.drawn(page)
        own = page.evaluate("[...gapscope.images.dataset]")
        return [sum(own[image] == dataset for image in points) for dataset in (0, 1)]

    assert counts() == [24, 24]
    assert len(page_map.marked(page, "outlier")) == 10
    page.locator(".toggle").nth(1).click()
    page.wait_for_selector(".filter-chip")
    assert counts() == [19, 24]
    # What is off the map is in no other place either.
    assert page.locator("#grid .item").count() == 0
    assert "None of the 5 images passes the filters" in page.inner_text("#grid")
    assert "43 of 48 images" in page.inner_text("#filter-counts")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert counts() == [19, 24]
    assert page.locator(".toggle").nth(1).get_attribute("aria-pressed") == "false"
    page.locator(".toggle").nth(0).click()
    page.locator("#filter-counts").get_by_text("24 of 48 images").wait_for()
    assert counts() == [0, 24]
    page.click("#clear-filters")
    page.wait_for_selector(".filter-chip", state="detached")
    assert counts() == [24, 24]
    assert page.locator(".toggle[aria-pressed='false']").count() == 0


@pytest.mark.slow
def test_hostile_file_names_are_only_text(visit: Visit, hostile_page: Path) -> None:
    page = visit(hostile_page)
    # All images of one dataset are listed as it is, so that the page opens style aside.
    assert page.get_attribute("body", "data-reading") == "style-aside"
    for picture in page.locator(".lead-card .neighbor").all():
        picture.click()
    page.locator(".reading").first.click()
    page.wait_for_selector("body[data-reading='as-is']")
    page.wait_for_selector(".item >> nth=9")
    for item in page.locator(".item").all():
        item.click()
    page.select_option("#color", label="weather")
    page.click("#open-filters")
    page.wait_for_selector(".filter-card[aria-label=weather] .filter-row")
    page.select_option("#sort", label="weather")
    page.fill("#find", "png")
    page.wait_for_selector("#matches .match")
    page.keyboard.press("Escape")
    page.click("#select-all")
    page.click(".key-entry >> nth=0")
    page.locator(".segment", has_text="All shown").click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
    texts = page.locator("#grid .item-name").all_text_contents()
    expected = {
        "<img src=x onerror=window.hit=1>.png",
        "<script>window.hit=1<!-- .png",
        "__proto__.png",
        "line\nbreak\r\n\ttab.png",
    }
    assert any(len(text) > 3600 for text in texts)
    assert expected <= set(texts)
    assert page.locator("main img, main script, main b").count() == 0
    assert "<b>bad</b>.png" in page.inner_text("#rejects")


def test_the_map_is_colored_by_what_is_known_of_the_images(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    by_dataset, shapes = page_map.colors(page), [point.shape for point in page_map.drawn(page).values()]
    page.select_option("#color", label="speed")
    page.wait_for_selector("#color-key .ramp")
    assert len(set(page_map.colors(page))) > 10
    assert "missing" in page.inner_text("#color-key")
    # Shape and ring say what the color said.
    assert [point.shape for point in page_map.drawn(page).values()] == shapes
    assert len(page_map.marked(page, "outlier")) == 10
    page.select_option("#color", label="weather")
    page.wait_for_selector("#color-key .ramp", state="detached")
    assert page.locator("#color-key .key-entry bdi").all_text_contents() == [
        "<img src=x onerror=window.hit=1>", "fog", "sun", "missing"
    ]  # fmt: skip
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled")
    page.locator("#pinned .columns dd", has_text="sun").wait_for()
    assert page.evaluate("window.hit") is None
    # An entry of the key selects its images.
    page.locator("#color-key .key-entry", has_text="fog").click()
    page.locator("#selected").get_by_text("6 images selected").wait_for()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert page.locator("#color-key .key-entry").count() == 4
    page.evaluate("gapscope.state.show({ level: 0 }), gapscope.state.clearSelection(), gapscope.state.pin(null)")
    page.wait_for_selector("body[data-level='0']")
    page.select_option("#color", label="dataset")
    page.wait_for_selector("#color-key", state="detached")
    assert page_map.colors(page) == by_dataset


def test_the_page_may_neither_fetch_nor_run_what_is_injected(browser: "Browser", plain_page: Path) -> None:
    page = browser.new_page()
    page.goto(plain_page.as_uri())
    policy = page.get_attribute("meta[http-equiv]", "content") or ""
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.hit = 1";
      try { document.body.append(script); } catch { /* refused at once */ }
    }""")
    assert page.evaluate("window.hit") is None
    assert page.evaluate("fetch('https://example.com').then(() => 'sent', () => 'refused')") == "refused"
    page.close()


def contrast(page: "Page", selector: str) -> float:
    """Contrast of a text with what is behind it (WCAG 2). Waits for the text: views are drawn one after another."""
    ratio: float = page.locator(selector).first.evaluate(
        """(element) => {
      const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
      const light = (color) => numbers(color).slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
      let behind = element;
      while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
      const both = [light(getComputedStyle(element).color), light(getComputedStyle(behind).backgroundColor)];
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    }"""
    )
    return ratio


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_can_be_read(visit: Visit, measured_page: Path, scheme: str) -> None:
    page = visit(measured_page, scheme=scheme)
    assert page.get_attribute("html", "data-theme") == scheme
    texts = (
        ".lead-card",
        ".figure .quiet",
        ".reading .quiet",
        ".level .content",
        "#counts",
        ".level-name",
        ".pair .quiet",
        "#map-note",
        "#theme",
        "thead th",
    )
    for selector in (
        *texts,
        ".level-row .number",
        "#levels-note",
        "#chosen",
        ".filter-line",
        ".item-about",
        ".word",
        "#selected .quiet",
        "#confounder-warning",
        "#confounder-warning a",
        "#confounders",
    ):
        assert contrast(page, selector) >= 4.5, selector
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") != scheme
    assert contrast(page, "#counts") >= 4.5
    page.reload()
    page.wait_for_selector("body[data-level]")
    assert page.get_attribute("html", "data-theme") != scheme


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain_page", "hostile_page", "many_page"])
def test_nothing_is_wider_than_the_window(visit: Visit, request: pytest.FixtureRequest, name: str) -> None:
    page = visit(request.getfixturevalue(name))
    page.locator(".item").first.evaluate("(item) => item.click()")
    page.wait_for_selector("#pinned.filled")
    for width in (1920, 1280, 1101, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        beside: list[Any] = page.evaluate("""() => [...document.querySelectorAll("main *")]
          .filter((element) => !element.closest(".scroller, .visually-hidden, .item bdi"))
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 90))""")
        assert beside == []


@pytest.mark.slow
def test_without_webgl_the_rest_of_the_page_works(
    visit: Visit, launch: Callable[..., "Browser"], plain_page: Path
) -> None:
    page = visit(plain_page, on=launch("--disable-3d-apis"))
    assert "WebGL" in page.inner_text("#map-message")
    assert page.locator("#lasso, #save").count() == 0
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled .neighbor")
    assert page.locator("#pinned .neighbor").count() == 5
    page.locator(".toggle").first.click()
    page.wait_for_selector(".filter-chip")
    page.locator("[data-chart=outlier-scores] .stop:not([aria-label*=': 0 images'])").first.click()
    page.wait_for_selector("#clear-selection")


@pytest.mark.slow
def test_everything_can_be_reached_with_the_keyboard(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    page.evaluate("document.getElementById('open-filters').click()")
    reached = set()
    for _ in range(130):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('class')"))
    ids = {"theme", "copy-link", "open-filters", "map", "color", "find", "lasso", "reset", "save", "sort", "pair"}
    assert ids <= reached
    assert {"skip", "figure", "neighbor", "visually-hidden", "toggle", "word", "pair-head", "item"} <= reached
    nameless = """() => [...document.querySelectorAll("button, input, select, [role=img], [role=button]")]
      .filter((element) => !element.hidden)
      .filter((element) => !element.getAttribute("aria-label") && !element.textContent.trim())
      .filter((element) => !element.labels?.length)
      .map((element) => element.outerHTML)"""
    assert page.evaluate(nameless) == []


@pytest.mark.slow
def test_eight_datasets_can_be_told_apart_and_chosen(visit: Visit, many_page: Path) -> None:
    page = visit(many_page)
    colors = page.evaluate(
        "[...Array(8).keys()].map((dataset) => "
        "getComputedStyle(document.documentElement).getPropertyValue(`--dataset-${dataset}`))"
    )
    assert len(set(colors)) == 8
    assert len({point.shape for point in page_map.drawn(page).values()}) == 8
    rows = page.locator("#pairs-table tbody tr")
    assert rows.count() == 56
    page.select_option("#reference", label="real")
    page.wait_for_function("document.querySelectorAll('.toggle')[1].innerText.includes('0')")
    rows.nth(9).click()
    row = page.locator("#pairs-table tr.current")
    assert row.get_attribute("data-pair") == rows.nth(9).get_attribute("data-pair")
    names = page.evaluate(
        "gapscope.facts.pairs[gapscope.state.pair.value].map((at) => gapscope.facts.datasets[at].name)"
    )
    assert all(name in page.inner_text("#grid-what") for name in names)
