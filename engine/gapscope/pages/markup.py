"""HTML elements. Every text in them is escaped, since names of datasets, classes, kinds and files are a stranger's."""

import html
from collections.abc import Iterable

from gapscope.progress import plain_line


class Html(str):
    """Text that is HTML already, so that it is not escaped again."""

    __slots__ = ()


_VOID = frozenset({"br", "img", "meta"})

Attribute = str | float | bool | None


def element(tag: str, *children: str | None, **attributes: Attribute) -> Html:
    """Return an element.

    Args:
        tag: its name.
        children: `Html` as it is; other text escaped, with control characters spelled out; None is left out.
        attributes: by name, with `_` for `-` and `class_` for `class`; True for one without a value, None and False for
            none.

    Example:
        >>> element("p", "cats & ", element("b", "<dogs>"), class_="quiet", hidden=True)
        '<p class="quiet" hidden>cats &amp; <b>&lt;dogs&gt;</b></p>'
    """
    said = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{said}>")
    return Html(f"<{tag}{said}>{joined(children)}</{tag}>")


def joined(children: Iterable[str | None], between: str = "") -> Html:
    """Return several texts or elements as one.

    Example:
        >>> joined(["a < b", element("br")])
        'a &lt; b<br>'
    """
    return Html(_escape(between).join(_escape(child) for child in children if child is not None))


def _escape(text: str) -> str:
    # What cannot be printed includes marks that turn the direction of the text after them.
    return text if isinstance(text, Html) else html.escape(plain_line(text))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    spelled = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {spelled}"
    return f' {spelled}="{_escape(value if isinstance(value, str) else f"{round(value, 2):g}")}"'
