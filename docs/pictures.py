"""The pictures in README.md, docs/kinds.md and docs/history.md, taken from the demo's report, and from a history.

python docs/pictures.py gapscope-demo/run                        # those of the report
python docs/pictures.py gapscope-demo/run history/index.html     # and the one of a history of versions of the demo

Needs Chromium and Playwright. Show no other images here than those of the demo, which anybody may copy.
"""

import io
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# A kind is selected, and its most typical picture is pinned.
WORK = """() => {
  const kind = gapscope.facts.kinds.findIndex(({ sort }) => sort === "absent");
  gapscope.state.selectKind(kind);
  gapscope.state.pin(gapscope.facts.kinds[kind].pictures[0][0]);
  document.querySelector(".stage").style.height = "800px";
}"""
PICTURES: dict[str, dict[str, Any]] = {
    "report.png": {"size": (1440, 1400), "scheme": "light", "at": "main"},
    "report-work.png": {"size": (1440, 1400), "scheme": "light", "at": ".stage", "then": WORK},
    "report-dark.png": {"size": (1440, 900), "scheme": "dark", "at": "#numbers-title"},
    "report-phone.png": {"size": (390, 844), "scheme": "light", "at": "main"},
    "heat-maps.png": {"size": (1100, 560), "scheme": "light", "at": ".kind-column", "heat": 2},
}


def main() -> None:
    """Take every picture."""
    page = (Path(sys.argv[1]) / "report" / "index.html").absolute()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, how in PICTURES.items():
            write(HERE / name, take(browser, page, **how))
        for path in map(Path, sys.argv[2:]):
            write(HERE / "history.png", take_top(browser, path.absolute(), (1440, 1900)))
        browser.close()


def take_top(browser: "Browser", path: Path, size: tuple[int, int]) -> bytes:
    """Return the top of a page without script."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    page.goto(path.as_uri())
    picture = page.screenshot()
    page.close()
    return picture


def take(
    browser: "Browser",
    path: Path,
    *,
    size: tuple[int, int],
    scheme: Any,
    at: str,
    heat: int = 0,
    then: str = "",
) -> bytes:
    """Return what the window shows of the page.

    Args:
        browser: opens it.
        path: the page.
        size: of the window.
        scheme: light or dark.
        at: selects what is at the top of the window.
        heat: how many columns of kinds show heat maps on their first card.
        then: a function that the page runs first.
    """
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-level]", timeout=60_000)
    for number in range(heat):
        page.locator(".kind-column").nth(number).get_by_role("button", name="Where?").first.click()
        page.wait_for_timeout(500)
    if then:
        page.evaluate(then)
        page.wait_for_timeout(1000)
    page.evaluate(f"document.querySelector('{at}').scrollIntoView()")
    page.wait_for_timeout(1000)
    picture = page.screenshot()
    page.close()
    return picture


def write(path: Path, picture: bytes) -> None:
    """Write a PNG of 256 colors, which keeps a page's picture small; small marks keep theirs."""
    with Image.open(io.BytesIO(picture)) as image:
        colors = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, 1, dither=Image.Dither.FLOYDSTEINBERG)
        colors.save(path, optimize=True)


if __name__ == "__main__":
    main()
