from pathlib import Path

import numpy as np
import pytest
from fake_run import FakeRunSpec, write_fake_run

from gapscope.errors import DamageError
from gapscope.report.lists import read_outlier_lists, read_rankings
from gapscope.report.numbers import charts, numbers_table
from gapscope.report.opening import Opening, openings
from gapscope.report.points import read_point_index, read_points, rows_of_uris
from gapscope.report.selection import read_plotted_points, select_images
from gapscope.settings import Reading, Readings
from gapscope.store.atomic import replacing_folder
from gapscope.store.layouts import read_layout, write_layout
from gapscope.store.metrics import PairMetrics, read_metrics
from gapscope.store.run_store import RunStore

READINGS: tuple[Reading, ...] = ("as-is", "style-aside")


def test_every_number_of_a_pair_is_described_and_shown(tmp_path: Path) -> None:
    images = {"a": ["1.png", "2.png", "3.png"], "b": ["1.png", "2.png"]}
    run = write_fake_run(tmp_path, FakeRunSpec(images=images, measured=True)).store
    metrics = read_metrics(run)
    ends = ("share_outside_low", "share_outside_high")
    numbers = {name for name, kind in PairMetrics.__annotations__.items() if kind in (int, float)} - {*ends}
    by_image = numbers_table(run, metrics, "as-is")
    assert numbers - {column[0] for column in by_image["columns"]} == {"groups", "reference_groups", "outlier_groups"}
    # Where images belong together, the groups are shown as well.
    metrics["levels"]["P2"]["pairs"]["a-vs-b"]["groups"] = 2
    table = numbers_table(run, metrics, "as-is")
    assert {column[0] for column in table["columns"]} == numbers
    pair = metrics["levels"]["P3"]["pairs"]["b-vs-a"]
    row = dict(zip((column[0] for column in table["columns"]), table["rows"][1][1], strict=True))
    assert row == {name: pair[name] for name in numbers}  # type: ignore[literal-required]
    shown = {chart["key"]: chart["rows"][1][1] for chart in charts(run, metrics, "as-is")}
    assert set(pair["measures"]) <= set(shown)
    assert shown["share_outside"] == [0.25, 0.2, 0.3, None, None, None]
    assert shown["reference_neighbors"] == [0.3, None, None, 0.5, None, None]
    assert shown["two_sample"] == [0.5, 0.35, 0.75, 0.2, True, 0.004]


def test_sizes_that_do_not_move_with_the_numbers_come_first(tmp_path: Path) -> None:
    images = {"a": ["1.png", "2.png", "3.png"], "b": ["1.png", "2.png"]}
    run = write_fake_run(tmp_path, FakeRunSpec(images=images, measured=True)).store
    metrics = read_metrics(run)
    keys = {reading: [chart["key"] for chart in charts(run, metrics, reading)] for reading in READINGS}
    for reading in READINGS:
        assert keys[reading][:5] == ["outlier_share", "share_outside", "gap", "kid", "two_sample"]
    assert set(keys["as-is"]) - set(keys["style-aside"]) == {"frechet"}


@pytest.mark.parametrize(
    ("readings", "outliers", "opened", "pictures", "is_ranking"),
    [
        ("both", 2, "as-is", ["00", "01"], False),
        # Nearly everything is listed as it is.
        ("both", 20, "style-aside", ["23"], False),
        ("as-is", 20, "as-is", [f"{at:02d}" for at in range(6)], False),
        ("style-aside", 2, "style-aside", ["23"], False),
    ],
)
def test_a_pair_of_styles_opens_style_aside(
    tmp_path: Path, readings: Readings, outliers: int, opened: Reading, pictures: list[str], is_ranking: bool
) -> None:
    names = [f"{at:02d}.png" for at in range(24)]
    spec = FakeRunSpec(images={"a": names, "b": names}, outliers=outliers, readings=readings)
    opening, shown = first_opening(write_fake_run(tmp_path, spec).store)
    assert (opening.reading, opening.is_ranking) == (opened, is_ranking)
    assert opening.is_saturated == (outliers == 20)
    assert shown == pictures
    assert opening.as_is == 0
    assert opening.style_aside == (None if readings == "as-is" else 0)


def test_where_nothing_is_listed_the_ranking_is_shown(tmp_path: Path) -> None:
    names = [f"{at:02d}.png" for at in range(24)]
    spec = FakeRunSpec(images={"a": names, "b": names}, outliers=20, outliers_aside=0)
    opening, shown = first_opening(write_fake_run(tmp_path, spec).store)
    assert (opening.reading, opening.is_ranking) == ("style-aside", True)
    assert shown == ["23", "22", "21", "20", "19", "18"]


def first_opening(run: RunStore) -> tuple[Opening, list[str]]:
    """What the page says first of the first pair, and the names of the pictures."""
    metrics, index = read_metrics(run), read_point_index(run)
    lists, rankings = read_outlier_lists(run, index), read_rankings(run, metrics, index)
    selection = select_images(index, lists, (), rankings, max_drawn=100)
    opening = openings(run, metrics, index, lists, rankings, selection)[0]
    images = selection.image[opening.pictures]
    assert set(index.dataset[images].tolist()) == {0}
    return opening, [f"{row:02d}" for row in index.row[images].tolist()]


@pytest.mark.parametrize(("readings", "marked"), [("both", {0, 1}), ("as-is", {0, 1}), ("style-aside", {11})])
def test_plots_mark_what_is_listed_as_it_is_or_else_style_aside(
    tmp_path: Path, readings: Readings, marked: set[int]
) -> None:
    names = [f"{at:02d}.png" for at in range(12)]
    run = write_fake_run(tmp_path, FakeRunSpec(images={"a": names, "b": names}, readings=readings))
    plotted = read_plotted_points(run.store, 100)
    assert set(plotted.row[plotted.outliers("P2")].tolist()) == marked
    figure = run.plot("P2")
    assert sum(len(trace.x) for trace in figure.data) == 24


@pytest.mark.parametrize("damage", [": NaN", ": 1e999", ": null", ': "many"'])
def test_metrics_that_are_no_numbers_are_damage(tmp_path: Path, damage: str) -> None:
    run = write_fake_run(tmp_path, FakeRunSpec(images={"a": ["1.png", "2.png"], "b": ["1.png"]})).store
    path = run.path / "metrics.json"
    path.write_text(path.read_text().replace('"coverage": 0.5', f'"coverage"{damage}'))
    with pytest.raises(DamageError, match=r"metrics\.json is damaged.*gapscope verify"):
        read_metrics(run)


def test_images_without_a_place_on_some_level_are_left_out_of_all(tmp_path: Path) -> None:
    images = {"a": ["1.png", "2.png", "bad.png", "3.png"], "b": ["1.png"]}
    run = write_fake_run(tmp_path, FakeRunSpec(images=images, broken={"bad.png"}))
    points, clusters = read_layout(run.store, "P3")
    points[1] = np.nan
    write_layout(run.store, "P3", points, clusters)
    index = read_point_index(run.store)
    assert index.dataset.tolist() == [0, 0, 1]
    assert index.row.tolist() == [0, 2, 0]
    assert index.find(0, np.array([[2, 1], [0, -1]])).tolist() == [[1, -1], [0, -1]]
    assert index.find(1, np.array([], np.int64)).tolist() == []
    coordinates, _ = read_points(run.store, "P3", index, np.array([2, 1]))
    np.testing.assert_array_equal(coordinates, points[[4, 2]])
    uri = str(tmp_path / "images/a/3.png")
    assert rows_of_uris(run.store, "a", [uri, "elsewhere"]) == {uri: 2}


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "report") as folder:
        (folder / "a").write_text("1")

    def stop_half_way() -> None:
        with replacing_folder(tmp_path / "report") as folder:
            (folder / "b").write_text("2")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_half_way()
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["report", "report/a"]
