"""The page against the rules of axe-core: names, roles, contrast, sizes of what is tapped, order of headings."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Visit = Callable[..., "Page"]

AXE = Path(__file__).parents[2] / "engine" / "page" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Without `preload`, which would load style sheets anew, and a page from disk cannot.
_VIOLATIONS = """(values) => axe.run(document, {
  preload: false, resultTypes: ["violations"], runOnly: { type: "tag", values },
}).then(({ violations }) => violations.flatMap(({ id, nodes }) => (
  nodes.map(({ target, failureSummary }) => `${id} at ${target.join(" ")}: ${failureSummary}`))))"""

# What is counted or drawn only when it is seen.
_SEE_ALL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
    scrollTo(0, y);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  }
  scrollTo(0, 0);
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.exists():
        # Continuous integration lints first, which installs it; elsewhere the page's packages may be missing.
        missing = pytest.fail if os.environ.get("GAPSCOPE_REQUIRE_BROWSER") else pytest.skip
        missing("axe-core is not installed: npm ci in engine/page")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def two(report: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{at:02d}.png" for at in range(24)]
    images = {"real": names, "synthetic": [*names, "bad.png"]}
    folder = tmp_path_factory.mktemp("two")
    return report(folder, images=images, broken={"bad.png"}, outliers=5, measured=True, kinds=True)


@pytest.fixture(scope="session")
def three(report: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = {name: [f"{at:02d}.png" for at in range(12)] for name in ("real", "synthetic", "painted")}
    return report(tmp_path_factory.mktemp("three"), images=images, outliers=3, measured=True)


@pytest.fixture(scope="session")
def acting(report: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{('cat', 'dog', 'horse')[at % 3]}/{at:02d}.png" for at in range(24)]
    images = {"real": [*names, "owl/a.png"], "synthetic": names}
    return report(tmp_path_factory.mktemp("acting"), images=images, outliers=5, measured=True, kinds=True, acting=True)


def violations(page: "Page", axe: str) -> list[str]:
    page.evaluate(_SEE_ALL)
    page.wait_for_function("document.querySelector('.filter-wait') === null")
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found: list[str] = page.evaluate(_VIOLATIONS, TAGS)
    return found


def open_filters(page: "Page") -> None:
    page.click("#open-filters")
    page.wait_for_selector("#filter-cards:not([hidden])")


def open_glossary(page: "Page") -> None:
    page.click("#words summary")
    page.locator("#words dt").first.wait_for()


def select_and_pin(page: "Page") -> None:
    """Select a kind, pin one of its images, and color the map by a column."""
    page.locator("[data-kind-head]").first.click()
    page.locator(".item").first.click()
    page.wait_for_selector("#pinned.filled .neighbor")
    page.select_option("#color", "column:weather")
    page.wait_for_selector("#color-key .key-entry")


def search(page: "Page") -> None:
    page.fill("#find", "0")
    page.wait_for_selector("#matches .match")


def define(page: "Page") -> None:
    page.locator(".word:visible").first.focus()
    page.wait_for_selector("#definition")


def test_a_page_at_work_breaks_no_rule(visit: Visit, two: Path, axe: str) -> None:
    page = visit(two, width=1440)
    select_and_pin(page)
    open_filters(page)
    open_glossary(page)
    define(page)
    assert violations(page, axe) == []


def open_folds(page: "Page") -> None:
    """Open all that is folded in the sections of classes and columns, and select a class."""
    page.locator("#classes").scroll_into_view_if_needed()
    page.locator("#class-table tbody button").first.click()
    page.locator("#causes").scroll_into_view_if_needed()
    page.locator("#causes .cause").first.wait_for()
    page.evaluate("document.querySelectorAll('details:not([open]) > summary').forEach((own) => own.click())")


def test_classes_and_columns_break_no_rule(visit: Visit, acting: Path, axe: str) -> None:
    page = visit(acting, width=1440)
    open_folds(page)
    assert violations(page, axe) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_state_breaks_a_rule(
    visit: Visit,
    launch: Callable[..., "Browser"],
    two: Path,
    three: Path,
    acting: Path,
    axe: str,
    width: int,
    scheme: str,
) -> None:
    page = visit(two, width=width, scheme=scheme)
    found = {"as opened": violations(page, axe)}
    for change in (open_glossary, define, open_filters, search):
        change(page)
        found[change.__name__] = violations(page, axe)
    page.keyboard.press("Escape")
    select_and_pin(page)
    found["selected and pinned"] = violations(page, axe)
    page = visit(three, width=width, scheme=scheme)
    found["three datasets"] = violations(page, axe)
    page = visit(acting, width=width, scheme=scheme)
    open_folds(page)
    found["classes and columns"] = violations(page, axe)
    page = visit(two, width=width, scheme=scheme, on=launch("--disable-3d-apis"))
    found["no WebGL"] = violations(page, axe)
    assert {state: broken for state, broken in found.items() if broken} == {}
