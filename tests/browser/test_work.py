"""What an engineer does on the page for an hour: selects, filters, colors, sends a link, and loses no dataset."""

import csv
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fake_run import FakeRunSpec, source_metadata, write_fake_run

from gapscope.progress import Silent
from gapscope.report.serve import ReportServer
from gapscope.run import Run
from gapscope.stages.report import rewrite_report, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

Visit = Callable[..., "Page"]

FORMULAS = ["=1+1.png", "+49 30.png", "-x.png", "@sum.png", "'=quoted.png", "a, b.png", '"said".png', "two\nlines.png"]
WEATHER = ("=HYPERLINK(1)", "+49", "-5", "'=x", "rain, fog", 'a "b"', "two\r\nlines", "\ttab", None)
# What a spreadsheet takes for a formula, and the apostrophe that keeps it from doing so.
_FORMULA, _GUARDED = re.compile(r"[=+\-@\t\r]"), re.compile(r"''*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)

# What the page says is selected: in its state, on the map, in its bar, in the legend, and over the grid.
_SELECTED = """() => {
  const marked = gapscope.map().visiblePoints(640, 480).filter(({ state }) => state & 8).map(({ image }) => image);
  const text = (selector) => document.querySelector(selector)?.textContent ?? "";
  return {
    images: [...gapscope.state.selection.value.images].sort((a, b) => a - b), marked: marked.sort((a, b) => a - b),
    label: gapscope.state.selection.value.label, bar: text("#selected"), legend: text(".legend-selection"),
    scope: text("#scopes label:nth-of-type(2)"), isShown: gapscope.state.scope.value === "selected",
    cells: [...document.querySelectorAll("#grid-items .item")].map(({ dataset }) => Number(dataset.item)),
  };
}"""

_STATE = """() => {
  const { levelNumber, reading, pair, reference, colorBy, camera, pinned, selection, scope } = gapscope.state;
  return JSON.stringify([
    ...[levelNumber, reading, pair, reference, colorBy, camera, pinned, scope].map(({ value }) => value),
    [...selection.value.images].sort((a, b) => a - b), selection.value.label,
    [...document.querySelectorAll(".filter-chip > span")].map(({ textContent }) => textContent),
  ]);
}"""

_PLACES = """() => Array.from(gapscope.images.drawn, (_, image) => {
  const { x, y } = gapscope.map().place(image);
  return [x, y];
})"""

_POINTS = "gapscope.map().visiblePoints(640, 480).sort((a, b) => a.image - b.image)"
_FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


class With:
    """A browser whose windows have more options."""

    def __init__(self, browser: "Browser", **options: Any) -> None:
        self._browser, self._options = browser, options

    def new_context(self, **options: Any) -> "BrowserContext":
        return self._browser.new_context(**{**options, **self._options})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    plain = [f"{at:02d}.png" for at in range(24)]
    spec = FakeRunSpec(
        images={"real": [*FORMULAS, *plain], "synthetic": plain}, outliers=6, kinds=True, measured=True, weather=WEATHER
    )
    fake = write_fake_run(tmp_path_factory.mktemp("work"), spec)
    write_report(fake.store, Silent())
    return fake


@pytest.fixture(scope="module")
def path(run: Run) -> Path:
    return Path(str(run.report))


def drag(page: "Page", *corners: tuple[float, float]) -> None:
    """Drag over the map, from corner to corner, in shares of its box."""
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def loneliest(page: "Page") -> tuple[int, float, float]:
    """The image whose point is farthest from all others, and where in the window it is."""
    box = page.locator("#map").bounding_box()
    assert box is not None
    points = np.array(page.evaluate(_PLACES)) + np.array([box["x"], box["y"]])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(len(points))
    low = np.array([box["x"], max(box["y"], 0)]) + 20
    high = np.array([box["x"] + box["width"], min(box["y"] + box["height"], page.viewport_size["height"])]) - 20  # type: ignore[index]
    image = int(np.where(((points > low) & (points < high)).all(axis=1), apart.min(axis=1), -1).argmax())
    return image, float(points[image][0]), float(points[image][1])


def select_in_every_way(page: "Page") -> Iterator[str]:
    """Select in one way after the other; says how."""
    for how, button, corners in (
        ("box", "#select-area", ((0.3, 0.3), (0.7, 0.7))),
        ("lasso", "#lasso", ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))),
    ):
        page.click(button)
        page.wait_for_selector("#area")
        drag(page, *corners)
        yield how
    page.fill("#find", "00.png")
    page.click("#select-matches")
    yield "search"
    for how, selector in (
        ("cluster", ".cluster-head button"),
        ("kind", "[data-kind-head=K2]"),
        ("value", ".filter-card[aria-label=weather] .filter-value"),
        ("bin", ".filter-card[aria-label=speed] .histogram-bins button"),
        ("score", "[data-chart=outlier-scores] .stop[aria-label*='1 image']"),
        ("color", "#color-key .key-entry"),
        ("count", ".count-bar"),
    ):
        page.locator(selector).first.scroll_into_view_if_needed()
        page.locator(selector).first.click()
        yield how
    page.click("#scopes label:nth-of-type(3)")
    page.click("#select-all")
    yield "all"


def test_a_selection_from_any_place_is_the_same_everywhere(visit: Visit, path: Path, run: Run, tmp_path: Path) -> None:
    page = visit(path, width=1024, height=700)
    count = page.evaluate("gapscope.images.count")
    page.click("#open-filters")
    page.select_option("#color", "cluster")
    seen = {}
    for how in select_in_every_way(page):
        page.wait_for_function("() => gapscope.state.selection.value.images.size > 0")
        page.evaluate(_FRAME)
        said = page.evaluate(_SELECTED)
        chosen = said["images"]
        assert said["marked"] == chosen, how
        assert re.match(rf"{len(chosen)} images?\b", said["bar"].strip()), (how, said["bar"])
        assert said["legend"].split() == ["selected", str(len(chosen))], how
        assert said["scope"].split() == ["Selected", str(len(chosen))], how
        assert set(said["cells"]) <= set(chosen if said["isShown"] else range(count)), how
        assert said["cells"], how
        seen[how] = chosen
        page.click("#clear-selection")
        assert page.evaluate("gapscope.state.selection.value.images.size") == 0
        page.evaluate("scrollTo(0, 0)")
    assert seen["all"] == list(range(count))
    assert len({tuple(chosen) for chosen in seen.values()}) >= 8
    name = page.evaluate("Array.from({ length: gapscope.images.count }, (_, image) => gapscope.images.name(image))")
    assert [name[image] for image in seen["search"]] == ["00.png", "00.png"]

    # A tick in the grid begins a selection, and the grid stays at what it shows; Shift ticks all between.
    page.click("#scopes label:nth-of-type(1)")
    ticks = page.locator("#grid-items .tick input")
    ticks.nth(0).click()
    ticks.nth(2).click(modifiers=["Shift"])
    said = page.evaluate(_SELECTED)
    assert said["images"] == sorted(said["cells"][:3])
    assert not said["isShown"]

    # And what is saved is what is selected.
    page.click("#scopes label:nth-of-type(3)")
    page.click("#select-all")
    saved = {}
    for button in ("#save-selection", "#save-list"):
        with page.expect_download() as download:
            page.click(button)
        saved[button] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[button])
    rows = read_table(saved["#save-selection"])
    listed = {(row["dataset"], int(row["row"])): row for row in rows}
    assert len(rows) == len(listed) == count
    for dataset in ("real", "synthetic"):
        for row, uri in enumerate(run.table(dataset)["uri"].to_pylist()):
            own = listed[dataset, row]
            assert own["uri"] == uri
            values = source_metadata(row, WEATHER) if dataset == "real" else {"weather": None, "speed": None}
            assert own["weather"] == (values["weather"] or "")
            assert own["speed"] == ("" if values["speed"] is None else f"{values['speed']:g}")
    assert {row["rank"] for row in rows} >= {"1", "2", "3", "4", "5", "6", ""}
    assert saved["#save-list"].read_text() == "".join(row["uri"] + "\n" for row in rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table as Python's csv does, and take the apostrophes off that keep texts from being formulas."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, strict=True))
    for field in (field for row in rows for field in row):
        assert not _FORMULA.match(field) or _NUMBER.fullmatch(field), field
    head, *body = [[field[1:] if _GUARDED.match(field) else field for field in row] for row in rows]
    return [dict(zip(head, row, strict=True)) for row in body]


def test_filters_hold_for_map_grid_and_charts(visit: Visit, path: Path) -> None:
    page = visit(path, width=1440)
    count = page.evaluate("gapscope.images.count")
    page.click("#open-filters")
    page.locator(".filter-card[aria-label=weather] [aria-label='Filter by +49']").check()
    page.locator(".filter-card[aria-label=weather] [aria-label='Filter by -5']").check()
    speeds = page.locator(".filter-card[aria-label=speed] input[type=number]")
    speeds.nth(0).fill("6")
    speeds.nth(0).press("Enter")
    # Rows 1 and 2, 10 and 11, and so on have such weather, and the speed is 1.5 by row.
    wanted = [row for row in range(4, len(FORMULAS) + 24) if row % len(WEATHER) in (1, 2)]
    page.wait_for_function(f"() => gapscope.map().pointsDrawn === {len(wanted)}")
    assert page.locator(".filter-chip").count() == 2
    assert f"{len(wanted)} of {count} images" in page.inner_text("#filter-counts")
    page.click("#scopes label:nth-of-type(3)")
    page.wait_for_selector("#grid-items .item")
    cells = page.locator("#grid-items .item").evaluate_all("all => all.map(({ dataset }) => Number(dataset.item))")
    rows = page.evaluate(
        "all => all.map((image) => [gapscope.images.dataset[image], gapscope.images.row[image]])", cells
    )
    assert sorted(rows) == [[0, row] for row in wanted]
    assert page.evaluate(f"{_POINTS}.map(({{ image }}) => image)") == sorted(cells)
    chart = page.locator("[data-chart=outlier-scores]")
    assert re.search(rf"\b{len(wanted)}\b[^.]* images shown on this page that pass the filters", chart.inner_text())
    bars = chart.locator(".stop").evaluate_all("all => all.map((bar) => bar.getAttribute('aria-label'))")
    assert sum(int(bar.rsplit(": ", 1)[1].split()[0]) for bar in bars) == len(wanted)
    assert page.locator(".count-bar .count-number").first.inner_text() == str(len(wanted))

    # Search, legend and the selection know of them too.
    page.fill("#find", ".png")
    assert f"{count - len(wanted)} more are left out by the filters" in page.inner_text("#matches")
    page.keyboard.press("Escape")
    assert page.locator(".toggle .quiet").all_inner_texts()[2:] == ["0", "0"]
    page.locator(".filter-chip button").first.click()
    page.click("#clear-filters")
    page.wait_for_function(f"() => gapscope.map().pointsDrawn === {count}")
    assert page.locator(".filter-chip").count() == 0


@pytest.mark.slow
def test_a_color_by_column_leaves_shape_and_ring_to_dataset_and_list(visit: Visit, path: Path) -> None:
    page = visit(path)
    before = page.evaluate(_POINTS)
    page.select_option("#color", "column:weather")
    page.wait_for_selector("#color-key .key-entry")
    page.evaluate(_FRAME)
    after = page.evaluate(_POINTS)
    assert [(point["shape"], point["state"]) for point in before] == [
        (point["shape"], point["state"]) for point in after
    ]
    assert {point["shape"] for point in after} == {0, 1}
    assert {bool(point["state"] & 4) for point in after} == {False, True}
    assert [point["rgba"] for point in before] != [point["rgba"] for point in after]
    # No color is a dataset's, and what has no value says so.
    palette = page.evaluate("gapscope.facts.palette.light.map((color) => color.toLowerCase())")
    chips = page.locator("#color-key .chip-color").evaluate_all(
        "all => all.map((chip) => chip.style.getPropertyValue('--color'))"
    )
    assert set(chips).isdisjoint(palette[:2])
    missing = page.locator(".key-entry", has=page.locator(".chip-color.missing")).inner_text().split()
    n_real = len(FORMULAS) + 24
    assert missing == ["missing", str(24 + sum(row % len(WEATHER) == len(WEATHER) - 1 for row in range(n_real)))]
    page.locator(".key-entry", has_text="two").click()
    rows = page.evaluate("[...gapscope.state.selection.value.images].map((image) => gapscope.images.row[image])")
    assert sorted(rows) == [row for row in range(n_real) if row % len(WEATHER) == WEATHER.index("two\r\nlines")]
    # Numbers have a scale, and what is missing is told too.
    page.select_option("#color", "column:speed")
    page.wait_for_selector("#color-key .ramp")
    assert page.locator("#color-key .key-entry").inner_text().split() == ["missing", "24"]


def change_all(page: "Page") -> None:
    """Change everything that a link holds."""
    page.locator(".level").nth(1).click()
    page.wait_for_selector("body[data-level='1']")
    page.click("#open-filters")
    # What is not near the window is not counted yet.
    page.evaluate("document.getElementById('filter-cards').scrollIntoView()")
    page.locator('[aria-label="Filter by rain, fog"]').check()
    page.locator('[aria-label="Filter by \'=x"]').check()
    page.locator('[aria-label="Filter by missing"]').first.check()
    page.select_option("#color", "column:speed")
    page.focus("#map")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("+")
    page.fill("#find", "1")
    page.click("#select-matches")
    page.locator("#grid-items .item").nth(1).click()
    page.wait_for_selector("#pinned.filled")
    page.wait_for_function(
        "() => ['level', 'where', 'color', 'camera', 'select', 'pin'].every((key) => location.hash.includes(`${key}=`))"
    )


def assert_links_hold(page: "Page", address: str) -> None:
    """A change, its address, and a window that opens the address show the same."""
    change_all(page)
    page.wait_for_timeout(600)
    link, state = page.url, page.evaluate(_STATE)
    assert link.startswith(address)
    assert json.loads(state)[-1]
    assert json.loads(state)[-3]
    fresh = page.context.new_page()
    fresh.goto(link)
    fresh.wait_for_selector("body[data-level='1']")
    fresh.wait_for_selector("#pinned.filled")
    fresh.wait_for_function("() => gapscope.map() !== null")
    assert fresh.evaluate(_STATE) == state
    cameras = [own.evaluate("Object.values(gapscope.map().camera).flat().map(Number)") for own in (fresh, page)]
    assert cameras[0] == pytest.approx(cameras[1], abs=0.06)
    assert fresh.locator("#notices p").count() == 0
    # An address that is changed by hand is followed, and one that was cut off says so.
    fresh.evaluate("location.hash = 'level=P4'")
    fresh.wait_for_selector("body[data-level='2']")
    assert fresh.locator(".filter-chip").count() == 0
    fresh.evaluate("location.hash = 'level=P9&select=0.%%%&where={'")
    fresh.wait_for_selector("#notices p")


@pytest.mark.slow
def test_a_link_shows_the_same_in_another_window(visit: Visit, path: Path) -> None:
    assert_links_hold(visit(path), path.as_uri())


@pytest.mark.slow
def test_a_link_to_a_single_file_shows_the_same(visit: Visit, run: Run, tmp_path: Path) -> None:
    single = tmp_path / "page.html"
    rewrite_report(run.path, Silent(), single_file=single)
    page = visit(single)
    assert_links_hold(page, single.as_uri())
    # Without its folder, names have no paths in front, so that they could be formulas.
    page.evaluate("gapscope.state.scope.value = 'all'")
    page.click("#clear-filters")
    page.click("#select-all")
    with page.expect_download() as download:
        page.click("#save-selection")
    download.value.save_as(tmp_path / "saved.csv")
    assert {row["uri"] for row in read_table(tmp_path / "saved.csv")} >= set(FORMULAS)


@pytest.mark.slow
def test_a_link_to_a_served_page_shows_the_same(browser: "Browser", run: Run) -> None:
    with ReportServer(run.store) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/{server.token}/"
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-level]")
        assert_links_hold(page, address)
        page.wait_for_selector("#pinned img.full")
        context.close()
        server.shutdown()
        thread.join()


def test_the_wheel_scrolls_and_pinning_moves_nothing(visit: Visit, path: Path) -> None:
    page = visit(path, width=1440)
    page.evaluate("document.querySelector('.stage').scrollIntoView()")
    distance = "gapscope.map().camera.distance"
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before, top = page.evaluate(distance), page.evaluate("scrollY")
    page.mouse.wheel(0, 60)
    page.wait_for_function(f"() => scrollY > {top}")
    page.wait_for_selector("#map-hint.shown")
    assert page.evaluate(distance) == before
    page.evaluate("document.querySelector('.stage').scrollIntoView()")
    top = page.evaluate("scrollY")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -60)
    page.wait_for_function(f"() => {distance} < {before}")
    page.keyboard.up("Control")
    page.evaluate("document.getElementById('map').focus({ preventScroll: true })")
    page.mouse.wheel(0, 120)
    page.wait_for_function(f"() => {distance} > {before}")
    assert page.evaluate("scrollY") == top

    # The keys of the axes look along each of them, flat, and the buttons say so.
    for key, view in {"x": [0, 0], "y": [-90, 0], "z": [-90, 90]}.items():
        page.keyboard.press(key)
        page.wait_for_selector(f"[data-view={key}][aria-pressed=true]")
        assert page.evaluate(
            "(({ azimuth, elevation, isFlat }) => [azimuth, elevation, isFlat])(gapscope.map().camera)"
        ) == [*view, True]
    page.keyboard.press("0")
    page.wait_for_selector("[data-view='3d'][aria-pressed=true]")

    for width in (1440, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("document.querySelector('.stage').scrollIntoView()")
        page.evaluate(_FRAME)
        image, x, y = loneliest(page)
        box = page.locator("#map").bounding_box()
        page.mouse.click(x, y)
        page.wait_for_selector("#pinned.filled .neighbor")
        assert page.evaluate("gapscope.state.pinned.value") == image
        assert page.locator("#map").bounding_box() == box
        page.keyboard.press("Escape")
        page.wait_for_selector("#pinned:not(.filled)")
        assert page.locator("#map").bounding_box() == box


def test_on_a_telephone_a_tap_pins_and_nothing_is_cut_off(visit: Visit, browser: "Browser", path: Path) -> None:
    page = visit(path, width=390, height=800, on=With(browser, has_touch=True, is_mobile=True))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.fill("#find", "0")
    page.wait_for_selector("#matches .match")
    for selector in ("#find", "#matches", "#matches .match", "#select-matches"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    page.evaluate("document.getElementById('map').scrollIntoView({ block: 'start' })")
    image, x, y = loneliest(page)
    page.touchscreen.tap(x, y)
    page.wait_for_selector("#pinned.sheet .neighbor")
    assert page.evaluate("gapscope.state.pinned.value") == image
    assert page.locator("#hover").count() == 0
    sheet = page.locator("#pinned").bounding_box()
    assert sheet is not None
    assert (sheet["x"], sheet["width"]) == (0, 390)
    assert sheet["y"] + sheet["height"] == pytest.approx(800, abs=1)
    assert sheet["height"] <= 0.63 * 800
    # What was tapped is not under the sheet.
    page.wait_for_function(f"""() => {{
      const top = document.getElementById("map").getBoundingClientRect().top + gapscope.map().place({image}).y;
      return top < document.getElementById("pinned").getBoundingClientRect().top;
    }}""")
    page.locator("#close-sheet").tap()
    page.wait_for_selector("#pinned:not(.filled)", state="attached")


_CUT = """() => [...document.querySelectorAll("#pairs-table :is(td, th, button, bdi)")].filter((own) => {
  const { left, right, width } = own.getBoundingClientRect();
  const isCut = own.scrollWidth > own.clientWidth + 1 && getComputedStyle(own).overflowX !== "visible";
  return width > 1 && (left < -0.5 || right > innerWidth + 0.5 || isCut);
}).map((own) => own.outerHTML.slice(0, 200))"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_many_datasets_are_a_table_of_pairs_that_chooses(visit: Visit, many_page: Path, width: int) -> None:
    page = visit(many_page, width=width)
    assert page.locator("#pairs-table tbody tr").count() == 8 * 7
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_CUT) == []
    page.locator(".choose-pair").nth(9).click()
    query, reference = page.evaluate(
        "gapscope.facts.pairs[gapscope.state.pair.value].map((at) => gapscope.facts.datasets[at].name)"
    )
    assert page.locator(".choose-pair").nth(9).locator("bdi").all_inner_texts() == [query, reference]
    assert f"Shown: {query} against {reference}" in page.locator(".lead [aria-live]").all_inner_texts()
    # Sorted by a column, and the other way round.
    for order in ("descending", "ascending"):
        page.locator("#pairs-table [data-column='as-is'] button.sort").evaluate("own => own.click()")
        assert page.locator("#pairs-table [data-column='as-is']").get_attribute("aria-sort") == order


@pytest.mark.slow
def test_a_level_switch_moves_the_points_unless_motion_is_reduced(visit: Visit, browser: "Browser", path: Path) -> None:
    for motion in ("no-preference", "reduce"):
        page = visit(path, on=With(browser, reduced_motion=motion))
        before = page.evaluate(_PLACES)
        # The page's clock stands still, so that half of the way is half of the way on a slow machine too.
        page.evaluate("() => { window.now = performance.now(); performance.now = () => window.now; }")
        page.locator(".level").nth(2).evaluate("own => own.click()")
        page.wait_for_selector("body[data-level='2']")
        page.evaluate(_FRAME)
        start = page.evaluate(_PLACES)
        page.evaluate("() => { window.now += 300; }")
        page.evaluate(_FRAME)
        between = page.evaluate(_PLACES)
        page.evaluate("() => { window.now += 1000; }")
        page.evaluate(_FRAME)
        end = page.evaluate(_PLACES)
        assert np.abs(np.subtract(end, before)).max() > 20
        if motion == "reduce":
            assert start == between == end
        else:
            assert np.abs(np.subtract(start, before)).max() < 2
            assert np.abs(np.subtract(between, start)).max() > 5
            assert np.abs(np.subtract(between, end)).max() > 5


@pytest.mark.slow
def test_thousands_of_pictures_are_a_grid_that_draws_those_in_sight(
    visit: Visit, report: Callable[..., Path], tmp_path: Path
) -> None:
    names = [f"{at:04d}.png" for at in range(1500)]
    page = visit(report(tmp_path, images={"real": names, "synthetic": names}, levels=("P3",)))
    page.click("#scopes label:nth-of-type(3)")
    page.select_option("#sort", "name")
    assert "3,000 images" in page.inner_text("#grid-count")
    items = page.locator("#grid-items .item")
    assert 6 <= items.count() < 120
    page.locator("#grid-items .item").first.focus()
    page.keyboard.press("Control+End")
    page.wait_for_selector("#grid-items .item[data-index='2999']")
    assert page.evaluate("document.activeElement.dataset.index") == "2999"
    assert page.locator(".item[data-index='2999'] .item-name").inner_text() == "1499.png"
    assert items.count() < 140
    page.keyboard.press("Enter")
    page.wait_for_selector("#pinned.filled")
    assert "1499.png" in page.inner_text("#pinned")
    page.evaluate("document.getElementById('grid-items').scrollTo({ top: 20_000 })")
    page.wait_for_function(
        "() => document.querySelector(\"#grid-items .item:not([data-index='2999'])\")?.dataset.index > 300"
    )
    assert items.count() < 140
