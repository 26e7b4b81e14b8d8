"""Tables, names of datasets and numbers, as these pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass

from gapscope.compare.interval import Interval
from gapscope.compare.registry import Metric, format_interval
from gapscope.pages.markup import Html, element, joined
from gapscope.report.palette import LIGHT

_SHAPES = (
    "M0,-5A5,5 0 1 1 0,5A5,5 0 1 1 0,-5Z",
    "M-4.4,-4.4H4.4V4.4H-4.4Z",
    "M0,-5.6L5.6,0L0,5.6L-5.6,0Z",
    "M0,-5.2L5.4,4.4H-5.4Z",
)
"""Datasets differ in shape as well as in color."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        head: what its head says.
        class_: CSS class of its cells, such as `number`.
        head_class: CSS class of its head, where that is another one.
    """

    head: str
    class_: str | None = None
    head_class: str | None = None


def dataset_class(number: int) -> str:
    """Return the CSS class that gives an element a dataset's color, by the dataset's number in its run."""
    return f"dataset-{number % len(LIGHT)}"


def dataset_tag(name: str, number: int) -> Html:
    """Return a dataset's name behind a swatch of its color and shape."""
    path = element("path", d=_SHAPES[number % len(_SHAPES)])
    swatch = element("svg", path, class_="swatch", viewBox="-6 -6 12 12", aria_hidden="true")
    return element("span", swatch, element("bdi", name), class_=f"tag {dataset_class(number)}")


def pair_tags(query: str, reference: str, datasets: Sequence[str]) -> Html:
    """Return `query against reference`, each with its swatch.

    Args:
        query: whose images are looked at.
        reference: what they are held against.
        datasets: all datasets in the run's order, by which they have their colors.
    """
    tags = (dataset_tag(name, datasets.index(name)) for name in (query, reference))
    return joined(tags, " against ")


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], class_: str | None = None) -> Html:
    """Return a table that scrolls sideways where it is wider than the window.

    Args:
        caption: what it shows.
        columns: its columns.
        rows: the cells of every row; the first one is the row's head.
        class_: CSS class of the table.
    """
    heads = [element("th", each.head, scope="col", class_=each.head_class or each.class_) for each in columns]
    body = [
        element(
            "tr",
            element("th", cells[0], scope="row", class_=columns[0].class_),
            *(element("td", cell, class_=each.class_) for cell, each in zip(cells[1:], columns[1:], strict=True)),
        )
        for cells in rows
    ]
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_=class_,
    )
    # Who uses the keyboard alone scrolls what has the focus.
    return element("div", whole, class_="scroller", tabindex="0", role="region", aria_label=caption)


def interval_cell(metric: Metric, interval: Interval | None, lines: int = 1) -> Html:
    """Return a number with its interval, beside or below it, or that there is none."""
    if interval is None:
        return element("span", "none", class_="quiet")
    value, ends = format_interval(metric, interval).split(" ", maxsplit=1)
    return joined(
        [element("span", value), element("span", ends, class_="interval")], Html("<br>" if lines > 1 else " ")
    )


_DIRECTIONS = {"smaller": "better", "larger": "worse", "closing": "better", "widening": "worse", "both": "worse"}


def verdict_words(verdict: str) -> Html:
    """Return the verdict of a number whose lower values are better, or of a level; good and bad news have colors."""
    words = "numbers disagree" if verdict == "both" else verdict
    return element("span", words, class_=_DIRECTIONS.get(verdict, "quiet"))


def notes(lines: Sequence[str]) -> Html | None:
    """Return lines that a reader should know, as a list; None for no lines."""
    return element("ul", *(element("li", line) for line in lines), class_="notes") if lines else None
