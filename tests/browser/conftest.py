import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fake_run
import pytest

from gapscope.progress import Silent
from gapscope.stages.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, BrowserType, ConsoleMessage, Dialog, Page

# Software rendering gives WebGL where there is no GPU; the sandbox wants rights that containers do not have.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

HOSTILE = [
    "<img src=x onerror=window.hit=1>.png",
    "<script>window.hit=1<!-- .png",
    "\"quotes' & &lt;amp;.png",
    "\U0001f600 emoji \u2028\u2029.png",
    "\u202egnp.exe \u05d0\u05d1\u05d2.png",
    f"{'x' * 230}.png",
    "${window.hit=1}.png",
    "__proto__.png",
    "line\nbreak\r\n\ttab.png",
    f"{'/'.join(['deep' * 50] * 18)}/4000 letters.png",
]
WEATHER = ("\u202e\u05d0 right to left", "</script><b>bold</b>", "w" * 4000, "a\nb\u2028c", '" onload="window.hit=1')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


def _report(folder: Path, **options: Any) -> Path:
    run = fake_run.write_fake_run(folder, fake_run.FakeRunSpec(**options))
    return Path(str(write_report(run.store, Silent())))


@pytest.fixture(scope="session")
def report() -> Callable[..., Path]:
    """Write the report of a made run, whose `FakeRunSpec` takes the options."""
    return _report


@pytest.fixture(scope="session")
def color() -> Callable[[int, int], tuple[int, int, int]]:
    """Color of a made image, by number of its dataset and row."""
    found: Callable[[int, int], tuple[int, int, int]] = fake_run.image_color
    return found


@pytest.fixture(scope="session")
def plain_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{at:02d}.png" for at in range(24)]
    return _report(
        tmp_path_factory.mktemp("plain"),
        images={"real": names, "synthetic": [*names, "bad.png"]},
        broken={"bad.png"},
        outliers=5,
    )


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = {"real": HOSTILE, "synthetic": ["<svg onload=window.hit=1>.png", "<b>bad</b>.png", "a.png"]}
    return _report(
        tmp_path_factory.mktemp("hostile"), images=images, broken={"<b>bad</b>.png"}, outliers=10, weather=WEATHER
    )


@pytest.fixture(scope="session")
def measured_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose numbers have intervals, noise floors, histograms, confounders and head lines."""
    names = [f"{at:02d}.png" for at in range(24)]
    images = {"real": names, "synthetic": names}
    return _report(tmp_path_factory.mktemp("measured"), images=images, outliers=5, measured=True)


@pytest.fixture(scope="session")
def many_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    long = "a-dataset-whose-name-has-all-of-the-sixty-four-letters-it-may-have"[:64]
    images = {name: [f"{at}.png" for at in range(12)] for name in ["real", long, *"cdefgh"]}
    return _report(tmp_path_factory.mktemp("many"), images=images, outliers=3)


@pytest.fixture(scope="session")
def chromium() -> Iterator["BrowserType"]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="session")
def launch(chromium: "BrowserType") -> Iterator[Callable[..., "Browser"]]:
    """Start a Chromium with more flags; it is closed at the end."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        # Continuous integration asks for these tests; elsewhere a missing browser is no failure.
        missing = pytest.fail if os.environ.get("GAPSCOPE_REQUIRE_BROWSER") else pytest.skip
        missing("no Chromium is installed")
    browsers = []

    def start(*flags: str) -> "Browser":
        browsers.append(chromium.launch(executable_path=path, args=[*FLAGS, *flags]))
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.close()


@pytest.fixture(scope="session")
def browser(launch: Callable[..., "Browser"]) -> "Browser":
    return launch()


# A link that says nothing shows the page as it opens.
_AGAIN = """() => new Promise((done) => {
  addEventListener("hashchange", () => setTimeout(done), { once: true });
  location.hash = `again=${performance.now()}`;
  scrollTo(0, 0);
})"""
# Views that measure themselves are drawn a frame later.
_IS_DRAWN = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"""
_IS_LOADED = """() => {
  const { level, levelNumber, reading } = gapscope.state;
  return level.value?.number === levelNumber.value && level.value.reading === reading.value;
}"""


class _Watched:
    """A window of the browser, and what went wrong in it."""

    def __init__(self, context: "BrowserContext") -> None:
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _refuse(self, dialog: "Dialog") -> None:
        self.errors.append(dialog.message)
        dialog.dismiss()

    def open(self, path: Path) -> "Page":
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-level]", timeout=60_000)
        self.page.evaluate(_IS_DRAWN)
        return self.page

    def check(self) -> None:
        assert self.errors == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Open a report and wait until it is drawn; the test fails if the page errs or asks for anything from outside."""
    contexts: list[BrowserContext] = []
    watched: list[_Watched] = []

    def opened(
        path: Path, *, width: int = 1280, height: int = 900, scheme: Any = "light", motion: Any = None, on: Any = None
    ) -> "Page":
        size: Any = {"width": width, "height": height}
        contexts.append((on or browser).new_context(viewport=size, color_scheme=scheme, reduced_motion=motion))
        watched.append(_Watched(contexts[-1]))
        return watched[-1].open(path)

    yield opened
    for context in contexts:
        context.close()
    for own in watched:
        own.check()


@pytest.fixture(scope="session")
def _shared(browser: "Browser") -> Iterator[dict[Path, _Watched]]:
    shared: dict[Path, _Watched] = {}
    yield shared
    for own in shared.values():
        own.page.context.close()


@pytest.fixture
def revisit(browser: "Browser", _shared: dict[Path, _Watched]) -> Iterator[Callable[[Path], "Page"]]:
    """Show a report that another test may have opened, as it opens: opening one takes seconds where a CPU draws.

    Nothing moves on it by itself. What no link holds stays as the other test left it, such as the order of the grid.
    """
    used: list[_Watched] = []

    def shown(path: Path) -> "Page":
        if path in _shared:
            used.append(_shared[path])
            page = used[-1].page
            page.evaluate(_AGAIN)
            page.wait_for_function(_IS_LOADED)
            page.mouse.move(0, 0)
            return page
        size: Any = {"width": 1280, "height": 900}
        _shared[path] = _Watched(browser.new_context(viewport=size, reduced_motion="reduce"))
        used.append(_shared[path])
        return used[-1].open(path)

    yield shown
    for own in used:
        own.check()
