"""What a person acts on: classes and probes, annotated objects, columns as causes, and what to render more of."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import fake_acting
import fake_run
import page_map
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
MARKUP = "<img src=x onerror=window.hit=1>"
SHARED = ["cat", "dog", MARKUP, "horse"]


@pytest.fixture(scope="session")
def acting_page(tmp_path_factory: pytest.TempPathFactory, report: Callable[..., Path]) -> Path:
    """A page with four classes in both datasets, `bicycle` in one image of real, and `rocket` in synthetic alone."""
    names = [f"{SHARED[at % 4]}/{at:02d}.png" for at in range(24)]
    images = {"real": [*names, "bicycle/a.png"], "synthetic": [*names, *(f"rocket/{at}.png" for at in range(3))]}
    return report(tmp_path_factory.mktemp("acting"), images=images, outliers=5, kinds=True, acting=True)


def see(page: "Page", section: str) -> None:
    page.locator(f"#{section}").scroll_into_view_if_needed()
    page.wait_for_selector("#classes #class-table" if section == "classes" else f"#{section} .cause")


def classes(page: "Page") -> list[str]:
    found: list[str] = page.locator("#class-table tbody tr").evaluate_all(
        "rows => rows.map((row) => row.dataset.class)"
    )
    return found


def cells(page: "Page", name: str) -> list[str]:
    row = page.locator("#class-table tbody tr", has=page.get_by_role("button", name=name, exact=True))
    return [" ".join(text.split()) for text in row.locator("td > span:last-child").all_inner_texts()]


def test_the_first_screen_says_what_to_render_and_whether_it_trains(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    first, second = page.locator(".kind-column").all()
    reached = f"89% of what training on real reaches [86%, 91%]; 96% with the look taken out; worst: {MARKUP}"
    assert first.locator(".action").all_inner_texts() == [
        f"Render more: {fake_acting.WANTED}",
        f"Does it train: a linear probe, trained on synthetic, {reached}",
    ]
    assert second.locator(".action").count() == 1
    second.get_by_role("link", name="Does it train").click()
    page.wait_for_selector("#class-table")
    assert page.evaluate("document.activeElement.id") == "classes"
    # The table is of the way round that was asked for.
    assert page.locator(".probe-sentence").inner_text().startswith("Trained on real, 89%")
    assert page.evaluate("window.hit") is None


def test_the_table_of_classes_marks_noise_and_what_one_side_has(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    see(page, "classes")
    # What is beyond noise comes first, and of that the largest gap; what is not known comes last.
    assert classes(page) == [MARKUP, "dog", "horse", "cat", "bicycle", "rocket"]
    gap, noise, own, other, listed, nearest, probe, ceiling = cells(page, MARKUP)
    assert (gap, noise, own, other, listed) == ("90% 80% to 100%", "yes", "6", "6", "45%")
    assert (nearest, probe, ceiling) == (f"{MARKUP} 60%", "55%", "57%")
    assert cells(page, "bicycle")[1:4] == ["too few", "1", "0"]
    assert cells(page, "rocket")[:4] == ["\N{EN DASH}", "\N{EN DASH}", "0", "3"]
    marks = page.locator("#class-table .only-in").all_inner_texts()
    assert sorted(" ".join(mark.split()) for mark in marks) == ["only in real", "only in synthetic"]
    # The level and the reading of the page's switches.
    page.evaluate("gapscope.state.show({ level: 2, reading: 'style-aside' })")
    page.locator("#classes h3", has_text="6 classes at P4, style aside").wait_for()
    page.wait_for_function("() => !document.querySelector('#classes .stale')")
    assert cells(page, MARKUP)[0] == "68% 58% to 78%"


def test_classes_are_sorted_and_found_and_the_link_holds_it(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    see(page, "classes")
    page.get_by_role("button", name="Sort by class", exact=True).click()
    assert classes(page) == sorted([*SHARED, "bicycle", "rocket"])
    page.get_by_role("button", name="Sort by in synthetic", exact=True).click()
    assert classes(page)[-1] == "bicycle"
    page.fill("#find-class", "C")
    page.wait_for_function("() => document.querySelectorAll('#class-table tbody tr').length === 4")
    assert classes(page) == [MARKUP, "cat", "rocket", "bicycle"]
    assert "of 6" in page.inner_text("#classes-shown")
    page.wait_for_function(
        "() => location.hash.includes('find-class=C') && location.hash.includes('classes=-reference')"
    )
    with page.expect_download() as download:
        page.click("#save-classes")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"), newline="")))
    assert [row["class"] for row in rows] == classes(page)
    assert {(row["query"], row["reference"], row["level"]) for row in rows} == {("real", "synthetic", "P2")}
    page.fill("#find-class", "no such class")
    page.locator(".class-box", has_text="No class has this in its name").wait_for()


def test_a_class_selects_its_images_and_comes_back_by_its_link(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    see(page, "classes")
    button = page.locator("#class-table").get_by_role("button", name=MARKUP, exact=True)
    button.click()
    page.locator("#selected").get_by_text("12 images selected").wait_for()
    assert len(page_map.marked(page, "selected")) == 12
    assert page.locator("#grid .item").count() == 12
    assert button.get_attribute("aria-pressed") == "true"
    assert "12 images selected" in page.inner_text("#classes .selected-hint")
    page.wait_for_function("() => location.hash.includes('class=')")
    link = page.evaluate("location.hash")
    button.click()
    page.locator("#selected").get_by_text("Nothing is selected").wait_for()
    page.wait_for_function("() => !location.hash.includes('class=')")
    page.evaluate("(link) => { location.hash = link; }", link)
    page.locator("#selected").get_by_text("12 images selected").wait_for()
    assert page.evaluate("gapscope.state.selection.value.className") == MARKUP
    assert page.evaluate("window.hit") is None


def test_images_are_colored_and_filtered_by_class(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    page.select_option("#color", label="class")
    page.wait_for_selector("#color-key .key-entry")
    assert {"cat", "dog", MARKUP, "horse"} < set(page.locator("#color-key .key-entry bdi").all_inner_texts())
    page.click("#open-filters")
    page.locator(".filter-card[aria-label=class]").get_by_role("checkbox", name="Filter by rocket").check()
    page.wait_for_selector(".filter-chip")
    assert len(page_map.drawn(page)) == 3
    page.click("#clear-filters")
    page.click("#open-filters")


def test_a_click_on_a_value_selects_its_images(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    see(page, "causes")
    named, *others = page.locator("[data-cause]").all()
    # The one that is sure is open; its value with too few images says so.
    assert named.get_attribute("data-cause") == "weather"
    assert "effect 41%" in " ".join(named.inner_text().split())
    assert [row.inner_text().count("too few to say") for row in named.locator("tbody tr").all()] == [0, 0, 1]
    assert [own.get_attribute("data-cause") for own in others] == ["speed", "<b>note</b>"]
    assert "nearly every value is different" in others[1].inner_text()
    named.get_by_role("button", name=MARKUP).click()
    page.locator("#selected").get_by_text("images selected").wait_for()
    rows = {row for row in range(25) if fake_run.WEATHER[row % 4] == MARKUP}
    assert len(page_map.marked(page, "selected")) == len(rows)
    # A range has its lower end and not its upper one: 12 is of the second.
    others[0].get_by_role("button", name="speed").click()
    others[0].get_by_role("button", name="below 12").click()
    page.locator("#selected").get_by_text("8 images selected").wait_for()
    others[0].get_by_role("button", name="12 and more").click()
    page.locator("#selected").get_by_text("17 images selected").wait_for()
    assert page.locator("main b").count() == 0


def test_what_is_wanted_leads_and_the_rest_is_folded(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    see(page, "wanted")
    own = page.locator("#wanted")
    assert own.locator(".wanted-sentence").all_inner_texts() == [fake_acting.WANTED]
    ratios = own.locator("[data-wanted=sun] .ratio").all_inner_texts()
    assert ratios == ["3.1 \N{MULTIPLICATION SIGN}", "0.9 \N{MULTIPLICATION SIGN}", "none", "too few to say"]
    assert not own.locator("[data-wanted=rain]").is_visible()
    own.get_by_role("button", name="below 10").click()
    page.locator("#selected").get_by_text("4 images selected").wait_for()
    assert page.evaluate(
        "[...gapscope.state.selection.value.images].every((own) => gapscope.images.dataset[own] === 1)"
    )
    own.locator(".folded summary").click()
    assert own.locator("[data-wanted=rain]").is_visible()
    own.locator(".folded summary").click()


def test_objects_are_shown_real_against_synthetic(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    page.locator("#boxes").scroll_into_view_if_needed()
    told = page.locator("#boxes .box-told").all_inner_texts()
    # Those beyond noise first, what cannot be told last.
    assert told == [
        "synthetic images have fewer objects: 1.4 against 2.1", "synthetic objects are larger: 21% against 14%",
        "no difference beyond noise: 50% against 50%", "too few to say: 5.0% against 2.0%",
    ]  # fmt: skip
    stops = page.locator("[data-chart=box-size] .stop")
    assert stops.count() == 5
    assert (stops.first.get_attribute("aria-label") or "").startswith("0% to 5%: ")
    assert "yes, less often" in page.inner_text("#together")


def test_a_kind_and_a_list_say_how_to_get_them_out(revisit: Visit, acting_page: Path) -> None:
    page = revisit(acting_page)
    card = page.locator(".kind-card").first
    card.locator(".export-command summary").click()
    assert card.locator("code").inner_text() == "gapscope export run --to coco --kind K1 --pick 50"
    card.locator(".export-command summary").click()
    assert page.locator("#grid .export-command code").text_content() == (
        "gapscope export run --to coco --list P2.real-vs-synthetic --pick 50"
    )


def test_without_classes_columns_and_annotations_nothing_is_added(revisit: Visit, plain_page: Path) -> None:
    page = revisit(plain_page)
    assert page.locator("#classes, #causes, #wanted, #boxes, .action").count() == 0
    assert "class" not in page.locator("#color option").all_inner_texts()


@pytest.mark.slow
def test_hundreds_of_classes_are_shown_in_parts_and_searched_as_a_whole(
    revisit: Visit, report: Callable[..., Path], tmp_path: Path
) -> None:
    names = [f"class {at:03d}/a.png" for at in range(230)]
    page = revisit(
        report(tmp_path, images={"real": names, "synthetic": names}, levels=("P2",), outliers=3, acting=True)
    )
    see(page, "classes")
    assert page.inner_text("#classes-shown") == "Showing 200 of 230"
    assert len(classes(page)) == 200
    page.click("#more-classes")
    page.wait_for_function("() => document.querySelectorAll('#class-table tbody tr').length === 230")
    page.fill("#find-class", "class 229")
    page.wait_for_function("() => document.querySelectorAll('#class-table tbody tr').length === 1")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_wider_than_the_window(revisit: Visit, acting_page: Path, width: int) -> None:
    page = revisit(acting_page)
    page.set_viewport_size({"width": width, "height": 900})
    for section in ("classes", "causes", "wanted"):
        see(page, section)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1280, "height": 900})
