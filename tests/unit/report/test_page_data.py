from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fake_run import FakeRunSpec, write_fake_run
from gapscope.report.measures import numbers_table
from gapscope.store.results import read_layout, write_layout

from gapscope.report.page import _common_folder
from gapscope.report.points import read_level, read_point_index, rows_named
from gapscope.run import Run
from gapscope.store.atomic import replacing_folder


def table(**numbers: Any) -> dict[str, Any]:
    pairs = {"a-vs-b": {"query": "a", "reference": "b", **numbers}}
    run = SimpleNamespace(levels=("P2",), pairs=(("a", "b"), ("b", "a")), metrics={"levels": {"P2": {"pairs": pairs}}})
    return numbers_table(cast("Run", run))


def test_numbers_that_are_not_known_get_a_column_too() -> None:
    found = table(images=3, frechet_distance=1.5, note="text", flag=True)
    keys = [column[0] for column in found["columns"]]
    assert keys[-1] == "frechet_distance"
    assert "note" not in keys
    assert "flag" not in keys
    assert found["rows"][0][0][keys.index("frechet_distance")] == 1.5
    assert found["rows"][0][1] == [None] * len(keys)


def test_numbers_that_are_not_finite_are_left_out() -> None:
    found = table(coverage=float("nan"))
    assert found["rows"][0][0] == [None] * len(found["columns"])


@pytest.mark.parametrize(
    ("uris", "folder"),
    [
        ([], ""),
        (["/a/b/1.png"], "/a/b/"),
        (["/a/b/1.png", "/a/b/2.png"], "/a/b/"),
        (["/a/b1/x.png", "/a/b2/x.png"], "/a/"),
        (["/a/b.png", "/a/b.png.d/c.png"], "/a/"),
        (["x.png", "y.png"], ""),
        (["/x.png", "s3://y.png"], ""),
    ],
)
def test_file_names_are_shown_without_the_folder_they_share(uris: list[str], folder: str) -> None:
    assert _common_folder(uris) == folder


def test_images_without_a_place_on_some_level_are_left_out_of_all(tmp_path: Path) -> None:
    images = {"a": ["1.png", "2.png", "bad.png", "3.png"], "b": ["1.png"]}
    run = write_fake_run(tmp_path, FakeRunSpec(images=images, broken={"bad.png"}))
    points, clusters = read_layout(run.path, "P3")
    points[1] = np.nan
    write_layout(run.path, "P3", points, clusters)
    places = read_point_index(run)
    assert places.dataset.tolist() == [0, 0, 1]
    assert places.row.tolist() == [0, 2, 0]
    assert places.find(0, np.array([[2, 1], [0, -1]])).tolist() == [[1, -1], [0, -1]]
    assert places.find(1, np.array([], np.int64)).tolist() == []
    placed, _ = read_level(run, "P3", places, np.array([2, 1]))
    np.testing.assert_array_equal(placed, points[[4, 2]])
    assert rows_named(run, "a", [str(tmp_path / "images/a/3.png"), "elsewhere"]) == {
        str(tmp_path / "images/a/3.png"): 2
    }


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
