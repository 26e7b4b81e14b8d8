import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Visit = Callable[..., "Page"]

_EYE = "Object.values(document.getElementById('map')._fullLayout.scene._scene.getCamera().eye)"

_FRAMES = """async () => {
  for (let frame = 0; frame < 15; frame += 1) await new Promise(requestAnimationFrame);
}"""

# Where each drawn image's point is on the screen, by the map's own matrices; hidden behind others or not.
_POINTS = """() => {
  const element = document.getElementById("map");
  const scene = element._fullLayout.scene._scene;
  const { model, view, projection } = scene.glplot.cameraParams;
  const scale = scene.dataScale;
  const times = (m, v) => [0, 1, 2, 3].map((row) => (
    m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]));
  const box = element.querySelector("canvas").getBoundingClientRect();
  const level = gapscope.state.level;
  return gapscope.loadLevel(level).then(({ points }) => Array.from(gapscope.image.drawn, (_, image) => {
    const place = [0, 1, 2].map((axis) => points[3 * image + axis] * scale[axis]);
    const [x, y, , w] = times(projection, times(view, times(model, [...place, 1])));
    return [box.left + (x / w + 1) / 2 * box.width, box.top + (1 - y / w) / 2 * box.height];
  }));
}"""


def loneliest(page: "Page") -> tuple[int, float, float]:
    """Number and place on the screen of the point on the map that is farthest from all others."""
    points, box = np.array(page.evaluate(_POINTS)), page.locator("#map").bounding_box()
    assert box is not None
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(len(points))
    # A map that is narrower than high cuts off points at its sides.
    low = np.array([box["x"], box["y"]]) + 10
    inside = ((points > low) & (points < low + np.array([box["width"], box["height"]]) - 20)).all(axis=1)
    image = int(np.where(inside, apart.min(axis=1), -1).argmax())
    return image, float(points[image][0]), float(points[image][1])


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
    while before != (before := page.evaluate(_EYE)):
        page.evaluate(_FRAMES)


def seen(page: "Page", selector: str) -> tuple[float, ...]:
    """Mean color in the middle of what a selector finds first."""
    with Image.open(io.BytesIO(page.locator(selector).first.screenshot())) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=float)
    height, width, _ = pixels.shape
    middle = pixels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    return tuple(middle.mean(axis=(0, 1)))


def test_the_page_says_what_it_shows(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    assert page.title() == "real vs synthetic · gapscope"
    assert page.locator("#verdict").is_hidden()
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
    assert page.locator("#gallery-items li").count() == 5
    assert "bad.png" in page.inner_text("#rejects")
    assert "reference among neighbors" in page.inner_text("#numbers")
    assert page.locator("#map canvas").count() == 1


@pytest.mark.slow
def test_switching_the_level_keeps_the_camera(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    start = page.evaluate(_EYE)
    drag(page, 90, 30)
    turned = page.evaluate(_EYE)
    assert turned != pytest.approx(start, abs=0.05)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert page.inner_text("#pairs-title") == "At P3, as it is"
    assert page.evaluate(_EYE) == pytest.approx(turned)
    page.locator(".level").nth(2).click()
    page.wait_for_selector("body[data-level='2']")
    assert page.evaluate(_EYE) == pytest.approx(turned)
    page.click("#reset")
    assert page.evaluate(_EYE) == pytest.approx(start)


@pytest.mark.slow
def test_arrow_keys_leave_a_select_alone(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    page.focus("#pair")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#pairs-title") == "At P2, as it is"


@pytest.mark.parametrize("level", [0, *(pytest.param(level, marks=pytest.mark.slow) for level in (1, 2))])
def test_hovering_shows_the_image_of_the_point(
    visit: Visit, plain_page: Path, color: Callable[[int, int], tuple[int, int, int]], level: int
) -> None:
    page = visit(plain_page)
    page.locator(".level").nth(level).click()
    page.wait_for_selector(f"body[data-level='{level}']")
    page.locator(".stage").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('.stage').scrollIntoView()")
    image, x, y = loneliest(page)
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector("#hover:not([hidden])")
    name, dataset = page.evaluate(f"[gapscope.image.name({image}), gapscope.image.dataset[{image}]]")
    assert name in page.inner_text("#hover")
    page.wait_for_timeout(300)
    assert np.abs(np.subtract(seen(page, "#hover .thumbnail"), color(dataset, int(name[:2])))).max() < 12

    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#pinned.filled")
    assert name in page.inner_text("#pinned")
    assert page.locator("#pinned .neighbor").count() == 5

    # With Shift, a click selects instead, and a second one takes it back.
    box = page.locator("#map").bounding_box()
    assert box is not None
    beside = box["x"] + 5, box["y"] + 5
    page.keyboard.down("Shift")
    image = loneliest(page)[0]
    for state in ("visible", "hidden"):
        # What is pinned stands beside the map, which has moved for it.
        page.mouse.move(*beside)
        page.wait_for_selector("#hover", state="hidden")
        x, y = page.evaluate(_POINTS)[image]
        page.mouse.move(x, y, steps=4)
        page.wait_for_selector(f"#hover[data-image='{image}']:not([hidden])")
        page.mouse.down()
        page.mouse.up()
        page.wait_for_selector("#selection", state=state)


@pytest.mark.slow
def test_turning_the_map_from_a_point_pins_nothing(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page, height=1300)
    scroll_to_map(page)
    _, x, y = loneliest(page)
    page.mouse.move(x - 40, y)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector("#hover:not([hidden])")
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    assert page.locator("#pinned.filled").count() == 0


@pytest.mark.slow
def test_every_gallery_picture_is_its_own_image(
    visit: Visit, plain_page: Path, color: Callable[[int, int], tuple[int, int, int]]
) -> None:
    page = visit(plain_page, height=2600)
    page.wait_for_timeout(500)
    for dataset, pair in enumerate(["real vs synthetic", "synthetic vs real"]):
        page.select_option("#pair", label=pair)
        page.wait_for_timeout(300)
        for at, item in enumerate(page.locator("#gallery-items li").all()):
            row = int(item.locator(".file").inner_text()[:2])
            picture = f"#gallery-items li:nth-child({at + 1}) .thumbnail"
            assert np.abs(np.subtract(seen(page, picture), color(dataset, row))).max() < 12


def test_a_pinned_outlier_stands_beside_its_nearest(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled")
    assert "rank 1" in page.inner_text("#pinned")
    neighbors = page.locator("#pinned .neighbor .thumbnail")
    assert neighbors.count() == 5
    found = [int(neighbors.nth(at).get_attribute("data-image") or -1) for at in range(5)]
    assert page.evaluate("numbers => numbers.map((image) => gapscope.image.dataset[image])", found) == [1] * 5
    page.keyboard.press("Escape")
    page.wait_for_selector("#pinned:not(.filled)")


def test_legend_entries_switch_what_is_drawn(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    points = "document.getElementById('map')._fullData.slice(0, 2).map((trace) => trace.x.length)"
    assert page.evaluate(points) == [38, 10]
    page.locator(".toggle").nth(1).click()
    page.wait_for_function(f"({points})[1] === 5")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    assert page.evaluate(points) == [38, 5]
    assert page.locator(".toggle").nth(1).get_attribute("aria-pressed") == "false"
    page.locator(".toggle").nth(0).click()
    page.wait_for_function(f"({points})[0] === 19")


@pytest.mark.slow
def test_hostile_file_names_are_only_text(visit: Visit, hostile_page: Path) -> None:
    page = visit(hostile_page)
    # All images of one dataset are listed as it is, so that the page opens style aside.
    assert page.get_attribute("body", "data-reading") == "style-aside"
    for picture in page.locator(".lead-card .neighbor").all():
        picture.click()
    page.locator(".reading").first.click()
    page.wait_for_selector("body[data-reading='as-is']")
    for item in page.locator(".item").all():
        item.click()
    page.select_option("#color", label="weather")
    page.fill("#find", "png")
    page.wait_for_selector("#matches .match")
    page.click("#select-list")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
    texts = page.locator("#gallery-items .file").all_text_contents()
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


def test_the_map_is_colored_by_what_is_known_of_the_images(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    colors = "[...new Set(document.getElementById('map').data.flatMap(({ marker }) => [].concat(marker.color)))].length"
    assert page.evaluate(colors) <= 4
    page.select_option("#color", label="speed")
    page.wait_for_selector("#color-key .ramp")
    assert page.evaluate(colors) > 10
    assert "not known" in page.inner_text("#color-key")
    page.select_option("#color", label="weather")
    # The ramp's key has a tag too, for what is not known.
    page.wait_for_selector("#color-key .ramp", state="detached")
    assert page.locator("#color-key bdi").all_text_contents() == [
        "<img src=x onerror=window.hit=1>", "fog", "sun", "not known"
    ]  # fmt: skip
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled")
    assert "weather: " in page.inner_text("#pinned")
    assert page.evaluate("window.hit") is None
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#color-key .tag")
    page.select_option("#color", label="dataset")
    page.wait_for_selector("#color-key", state="hidden")
    assert page.evaluate(colors) <= 4


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
    """Contrast of a text with what is behind it (WCAG 2)."""
    ratio: float = page.evaluate(
        """(selector) => {
      const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
      const light = (color) => numbers(color).slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
      const element = document.querySelector(selector);
      let behind = element;
      while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
      const both = [light(getComputedStyle(element).color), light(getComputedStyle(behind).backgroundColor)];
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    }""",
        selector,
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
        ".kind",
        "#theme",
        "thead th",
    )
    for selector in (
        *texts,
        ".level-row .number",
        "#levels-note",
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
    page.evaluate("document.querySelector('.item').click()")
    page.wait_for_selector("#pinned.filled")
    for width in (1920, 1280, 1101, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        beside: list[Any] = page.evaluate("""() => [...document.querySelectorAll("main *")]
          .filter((element) => !element.closest(".scroller, .visually-hidden, #map"))
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 90))""")
        assert beside == []


@pytest.mark.slow
def test_without_webgl_the_rest_of_the_page_works(
    visit: Visit, launch: Callable[..., "Browser"], plain_page: Path
) -> None:
    page = visit(plain_page, on=launch("--disable-3d-apis"))
    assert "no WebGL" in page.inner_text("#map-message")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-level='1']")
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled")
    page.locator(".toggle").first.click()
    assert page.locator("#pinned .neighbor").count() == 5


@pytest.mark.slow
def test_everything_can_be_reached_with_the_keyboard(visit: Visit, plain_page: Path) -> None:
    page = visit(plain_page)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"skip", "theme", "toggle", "color", "find", "select-area", "reset", "save", "pair", "item"} <= reached
    assert {"figure", "neighbor", "visually-hidden"} <= reached
    assert (
        page.evaluate("""() => [...document.querySelectorAll("button, input, select, [role=img]")]
      .filter((element) => !element.hidden)
      .filter((element) => !element.getAttribute("aria-label") && !element.textContent.trim())
      .filter((element) => !element.labels?.length)
      .map((element) => element.outerHTML)""")
        == []
    )


@pytest.mark.slow
def test_eight_datasets_can_be_told_apart_and_chosen(visit: Visit, many_page: Path) -> None:
    page = visit(many_page)
    colors = page.evaluate("gapscope.data.datasets.map((_, dataset) => gapscope.color(dataset))")
    assert len(set(colors)) == 8
    assert page.locator(".pair").count() == 56
    page.select_option("#reference", label="real")
    page.wait_for_function("document.querySelectorAll('.toggle')[1].innerText.includes('0')")
    page.locator(".pair").nth(9).click()
    assert page.locator(".pair").nth(9).get_attribute("aria-pressed") == "true"
