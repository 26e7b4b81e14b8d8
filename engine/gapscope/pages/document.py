"""A whole page: one HTML text that opens anywhere, runs nothing and loads nothing."""

from collections.abc import Iterable

from gapscope.pages.markup import Html, element, joined
from gapscope.pages.style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""No script runs, and nothing is loaded, whatever a name or a picture says."""


def document(title: str, body: Iterable[str]) -> str:
    """Return a page.

    Args:
        title: of the browser's window.
        body: what is in `main`, from the `h1` on.

    Example:
        >>> page = document("a < b", [element("h1", "a < b")])
        >>> page.startswith("<!doctype html>"), "<h1>a &lt; b</h1>" in page
        (True, True)
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    return f"<!doctype html>\n{element('html', head, element('body', element('main', joined(body))), lang='en')}\n"
