from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from gapscope.report.folder import replacing_folder
from gapscope.report.measures import numbers_table
from gapscope.report.page import _common_folder
from gapscope.report.places import read_places
from gapscope.run import Run


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


def test_images_without_a_place_on_some_level_are_left_out_of_all() -> None:
    frame = pd.DataFrame({"dataset": ["a", "a", "b"], "row": [0, 2, 0], "uri": ["x", "y", "x"]})
    layouts = {
        "P2": frame.assign(x=[0.0, 1.0, 2.0], y=0.0, z=0.0, cluster=[0, 1, 2]),
        "P3": frame.assign(x=[0.0, np.nan, 2.0], y=0.0, z=0.0, cluster=[-1, -1, 0]),
    }
    run = SimpleNamespace(levels=("P2", "P3"), datasets=("a", "b"), layout=layouts.__getitem__)
    places = read_places(cast("Run", run))
    assert places.uri.tolist() == ["x", "x"]
    assert places.clusters["P2"].tolist() == [0, 2]
    assert places.find("b", ["y", "x"]).tolist() == [-1, 1]
    assert places.find("a", []).tolist() == []


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
