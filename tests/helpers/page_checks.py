"""What holds of every page without script: which elements it has, and that nothing of a stranger's became one."""

from html.parser import HTMLParser
from itertools import pairwise

_ALLOWED = frozenset(
    (
        *("html", "head", "meta", "title", "style", "body", "main", "section", "article", "div", "details", "summary"),
        *("h1", "h2", "h3", "p", "span", "bdi", "b", "ul", "li", "br", "img"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
        *("svg", "path", "line", "rect", "circle", "polygon", "polyline", "g"),
    )
)
_VOID = frozenset({"meta", "img", "br"})


class Page(HTMLParser):
    """The elements and texts of a page.

    Attributes:
        elements: tag and attributes of every element, in order.
        texts: every text, in order.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the element that ends is the one that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str, class_: str | None = None) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a tag, and of a class if one is given."""
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (class_ is None or class_ in (attributes.get("class") or "").split())
        ]


def check_page(text: str) -> Page:
    """Check that a page runs and loads nothing, and that headings, tables and pictures are accessible; return it."""
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag in _ALLOWED, tag
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "srcdoc", "action")]
        assert (attributes.get("src") or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    (policy,) = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "url(" not in text
    assert "@import" not in text
    headings = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert all(each.get("scope") in ("col", "row") for each in page.all("th"))
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("aria-label") or each.get("aria-hidden") for each in page.all("svg"))
    return page
