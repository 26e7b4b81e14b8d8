"""The page of a history."""

import pytest
from fake_run import KIND_NAMES
from fake_versions import write_fake_version
from page_checks import check_page

from gapscope.history import read_history
from gapscope.history.page import history_page
from gapscope.run import Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Three versions, of which the second one has no kinds and is nearer at one level; their names are hostile."""
    folder = tmp_path_factory.mktemp("versions")
    return [
        write_fake_version(folder / f"<b>v{number}", kinds=kinds, kid=kid)
        for number, (kinds, kid) in enumerate(((True, 0.5), (False, 0.1), (True, 0.5)))
    ]


def test_hostile_names_are_text_and_every_kind_has_a_picture_and_its_events(runs: list[Run]) -> None:
    page = check_page(history_page(read_history(runs)))
    names = (KIND_NAMES[0], f"looks like {KIND_NAMES[1]}")
    assert {*names, "<b>v0/run", "<b>v1/run", "<b>v2/run"} <= {*page.texts}
    assert [each["alt"] for each in page.all("img")] == [f"{name} in <b>v2/run" for name in names]
    assert page.texts.count("vanished") == page.texts.count("came back") == 2


def test_it_begins_with_what_happened_since_the_first_and_since_the_previous_version(runs: list[Run]) -> None:
    texts = check_page(history_page(read_history(runs))).texts
    nothing = "no number changed beyond its error bars at any of 2 levels."
    widens = "As it is, the gap widens at 1 of 2 levels (P2)."
    kinds = "No kind closed, opened or changed beyond chance; 2 are as before."
    assert [text for text in texts if text.startswith("From ")] == [
        f"From <b>v0/run to <b>v2/run: {kinds} As it is, {nothing} Style aside, {nothing}",
        f"From <b>v1/run to <b>v2/run: 2 kinds opened. {widens} Style aside, {nothing}",
    ]


def test_each_number_is_a_chart_per_pair_level_and_reading(runs: list[Run]) -> None:
    history = read_history(runs)
    page = check_page(history_page(history))
    charts = page.all("svg", "spark")
    assert len(charts) == len(history.keys) == 2 * 2 * 2 * 2
    assert len(page.all("circle")) == len(runs) * len(charts)
    assert charts[0]["aria-label"] == (
        "share not like the reference at P2, as it is: <b>v0/run: 25% [20%, 30%]; <b>v2/run: 25% [20%, 30%]"
    )


def test_one_version_is_a_page_that_says_so(runs: list[Run]) -> None:
    page = check_page(history_page(read_history(runs[:1])))
    assert "One version, run: there is nothing to compare it with yet." in page.texts


def test_of_fifty_versions_each_has_a_column_and_a_row(runs: list[Run]) -> None:
    page = check_page(history_page(read_history([runs[number % 2] for number in range(50)])))
    assert len(page.all("table", "many")) == 2
    assert len(page.all("th", "version")) == 2 * 50
