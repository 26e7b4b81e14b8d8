"""The page of a diff."""

from pathlib import Path

import pytest
from fake_run import KIND_NAMES
from fake_versions import LEVELS, write_fake_version
from page_checks import Page, check_page
from typer.testing import CliRunner

from gapscope.diff import Versions, diff_runs
from gapscope.diff.page import write_diff_page
from gapscope.run import Run
from gapscope_cli.main import app


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A version with two kinds, whose names are hostile, and one without any, which is also nearer at one level."""
    folder = tmp_path_factory.mktemp("versions")
    return write_fake_version(folder / "<b>v1", kinds=True), write_fake_version(folder / "v2", kinds=False, kid=0.1)


def page_of(file: Path, before: Run, after: Run) -> Page:
    write_diff_page(file, Versions(before, after))
    return check_page(file.read_text(encoding="utf-8"))


def test_it_begins_with_what_happened(versions: tuple[Run, Run], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["diff", *(str(run.path) for run in versions), "--page", str(file)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(file)
    page = check_page(file.read_text(encoding="utf-8"))
    first = page.texts.index("2 kinds closed.")
    assert page.texts[first + 1 : first + 3] == [
        "As it is, the gap closes at 1 of 2 levels (P2).",
        "Style aside, no number changed beyond its error bars at any of 2 levels.",
    ]
    back = page_of(file, *versions[::-1])
    first = back.texts.index("2 kinds opened.")
    assert back.texts[first + 1] == "As it is, the gap widens at 1 of 2 levels (P2)."


def test_a_kind_has_its_pictures_and_counterparts_on_the_side_that_has_it(
    versions: tuple[Run, Run], tmp_path: Path
) -> None:
    with_kinds, without = versions
    for before, after, verdict in ((with_kinds, without, "Closed"), (without, with_kinds, "New")):
        page = page_of(tmp_path / "page.html", before, after)
        assert len([text for text in page.texts if text.startswith(f"{verdict}: ")]) == 2
        assert page.texts.count("no such kind") == 2
        assert KIND_NAMES[0] in page.texts
        assert f"looks like {KIND_NAMES[1]}" in page.texts
        alts = [each["alt"] or "" for each in page.all("img")]
        assert f"{KIND_NAMES[0]}: 1.png" in alts
        assert "nearest of synthetic: 2.png" in alts


def test_each_number_is_a_chart_with_a_verdict(versions: tuple[Run, Run], tmp_path: Path) -> None:
    page, changes = page_of(tmp_path / "page.html", *versions), diff_runs(*versions)
    charts = [each["aria-label"] or "" for each in page.all("svg", "dumbbell")]
    assert len(charts) == len(changes) == 2 * 2 * 2 * len(LEVELS)
    assert len([label for label in charts if label.endswith("; smaller")]) == 2
    # In the chart's row, and of the level in the reading of the pair.
    assert (page.texts.count("smaller"), page.texts.count("closing")) == (2, 2)


def test_what_is_as_before_is_folded(versions: tuple[Run, Run], tmp_path: Path) -> None:
    with_kinds, without = versions
    page = page_of(tmp_path / "page.html", with_kinds, with_kinds)
    assert "No kind closed, opened or changed beyond chance; 2 are as before." in page.texts
    assert page.texts.index("As before: 2") < page.texts.index(KIND_NAMES[0])
    assert len(page.all("details")) == 1
    assert "Neither version has any kind." in page_of(tmp_path / "page.html", without, without).texts
