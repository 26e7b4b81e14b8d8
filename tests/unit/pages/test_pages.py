"""What pages are built of: nothing of a stranger's becomes markup, and charts show what they are given."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_checks import Page, check_page

from gapscope.pages.blocks import Column, dataset_tag, table
from gapscope.pages.charts import Scale, dumbbell, sparkline
from gapscope.pages.document import document
from gapscope.pages.markup import element
from gapscope.pages.style import STYLE


@given(st.text(st.characters()))
def test_no_text_becomes_an_element_or_ends_an_attribute(text: str) -> None:
    page = Page(element("p", element("b", text, title=text)))
    assert [tag for tag, _ in page.elements] == ["p", "b"]
    assert list(page.elements[1][1]) == ["title"]


def test_a_name_cannot_turn_the_text_around_it_or_break_the_file() -> None:
    text = document("x", [element("h1", "a\u202eb\x00\udc80\n")])
    assert "<h1>a\\u202eb\\x00\\udc80\\n</h1>" in text
    text.encode("utf-8")


def test_a_table_scrolls_and_says_what_its_cells_are_of() -> None:
    whole = table("<Numbers>", [Column(head="level"), Column(head="value", class_="number")], [["P3", "<b>"]])
    page = check_page(document("x", [element("h1", dataset_tag("<real>", 9)), whole]))
    assert page.texts[-5:] == ["<Numbers>", "level", "value", "P3", "<b>"]
    assert [each["scope"] for each in page.all("th")] == ["col", "col", "row"]
    (scroller,) = page.all("div", "scroller")
    assert (scroller["tabindex"], scroller["aria-label"]) == ("0", "<Numbers>")
    assert page.all("span", "dataset-1") == [{"class": "tag dataset-1"}]


def test_a_sparkline_has_a_point_with_a_title_per_version_and_breaks_where_there_is_no_number() -> None:
    intervals = [(0.2, 0.1, 0.3), (0.8, 0.7, 0.9), None, (0.4, 0.2, 0.6)]
    chart = Page(sparkline(intervals, ["a", "b", "c", "d"], Scale(0.0, 1.0), "of four"))
    assert chart.texts == ["a", "b", "c", "d"]
    points = [(float(each["cx"] or ""), float(each["cy"] or "")) for each in chart.all("circle")]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    # Larger is higher.
    assert sorted(range(3), key=lambda at: -points[at][1]) == [0, 2, 1]
    assert len(chart.all("polyline")) == len(chart.all("polygon")) == 1
    # A version between gaps has its interval as a line.
    (whisker,) = chart.all("line", "whisker")
    (low, high) = (float(whisker[name] or "") for name in ("y1", "y2"))
    assert low > points[2][1] > high


def test_a_dumbbell_has_the_earlier_number_as_a_ring_above_the_later_one() -> None:
    chart = Page(dumbbell((0.6, 0.5, 0.7), (0.2, 0.1, 0.4), Scale(0.0, 1.0), ("was", "is"), "from 0.6 to 0.2"))
    ring, dot = chart.all("circle")
    assert (ring["class"], dot["class"]) == ("hollow", "dot")
    assert float(ring["cx"] or "") > float(dot["cx"] or "")
    assert float(ring["cy"] or "") < float(dot["cy"] or "")
    ends = [(float(each["x1"] or ""), float(each["x2"] or "")) for each in chart.all("line", "whisker")]
    assert all(low < float(each["cx"] or "") < high for (low, high), each in zip(ends, (ring, dot), strict=True))


@pytest.mark.parametrize("intervals", [[], [None], [(0.0, 0.0, 0.0)], [(-0.1, -0.2, -0.1)]])
def test_any_numbers_have_a_scale(intervals: list[tuple[float, float, float] | None]) -> None:
    scale = Scale.of(intervals)
    assert scale.low <= 0.0 <= scale.high
    assert scale.low < scale.high
    assert sparkline(intervals, ["x"] * len(intervals), scale, "label")


def luminance(color: str) -> float:
    whole = color if len(color) == 7 else "#" + "".join(2 * digit for digit in color[1:])
    channels = [int(whole[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_can_be_read_in_both_themes() -> None:
    themes = [dict(re.findall(r"--([a-z]+):(#[0-9a-f]+)", part)) for part in STYLE.split("prefers-color-scheme: dark")]
    assert len(themes) == 2
    for colors in themes:
        for text in ("text", "quiet", "bad", "good"):
            for ground in ("ground", "surface", "inset"):
                dark, light = sorted((luminance(colors[text]), luminance(colors[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
