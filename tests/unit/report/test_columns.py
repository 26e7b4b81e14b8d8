import base64
from pathlib import Path
from typing import cast

import numpy as np
from fake_run import FakeRunSpec, source_metadata, write_fake_run
from numpy.typing import NDArray

from gapscope.report.columns import Column, read_columns
from gapscope.report.lists import read_outlier_lists
from gapscope.report.points import read_point_index
from gapscope.report.selection import select_images
from gapscope.run import Run


def columns(run: Run) -> tuple[dict[str, Column], NDArray[np.int16], NDArray[np.int64]]:
    index = read_point_index(run.store)
    selection = select_images(index, read_outlier_lists(run.store, index), max_drawn=1000)
    by_name = {str(column.head["name"]): column for column in read_columns(run.store, index, selection)}
    return by_name, index.dataset[selection.image], index.row[selection.image]


def test_every_image_has_its_own_values(tmp_path: Path) -> None:
    made = FakeRunSpec(
        images={"real": [f"{at:02d}.png" for at in range(12)], "synthetic": ["a.png", "b.png", "bad.png"]}
    )
    made.broken.add("bad.png")
    found, dataset, row = columns(write_fake_run(tmp_path, made))
    speed = np.frombuffer(base64.b64decode(found["speed"].values), "<f4")
    np.testing.assert_array_equal(speed, np.where(dataset == 0, row * 1.5, np.nan))
    low, high = cast("tuple[float, float]", (found["speed"].head["low"], found["speed"].head["high"]))
    assert 0 < low < 2
    assert 14 < high < 16.5
    texts = cast("list[str]", found["weather"].head["texts"])
    codes = np.frombuffer(base64.b64decode(found["weather"].values), "<u2")
    for at, code in enumerate(codes):
        expected = source_metadata(int(row[at]))["weather"] if dataset[at] == 0 else None
        assert (None if code == 65535 else texts[code]) == expected


def test_what_is_the_same_for_all_images_is_no_column(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, FakeRunSpec(images={"real": ["a.png"], "synthetic": ["b.png", "c.png"]}))
    found, _, _ = columns(run)
    assert not {"weather", "speed", "file format", "width in pixels", "JPEG quality"} & set(found)
