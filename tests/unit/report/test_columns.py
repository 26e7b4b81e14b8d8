import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fake_run import FakeRunSpec, source_metadata, write_fake_run
from numpy.typing import NDArray

from gapscope.report.columns import Column, _column, read_columns
from gapscope.report.lists import read_outlier_lists
from gapscope.report.names import Names
from gapscope.report.points import read_point_index
from gapscope.report.selection import select_images
from gapscope.run import Run
from gapscope.sources import Entry
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import write_index


def columns(run: Run) -> tuple[dict[str, Column], NDArray[np.int16], NDArray[np.int64]]:
    index = read_point_index(run.store)
    selection = select_images(index, read_outlier_lists(run.store, index), max_drawn=1000)
    by_name = {str(column.head["name"]): column for column in read_columns(run.store, index, selection, Names())}
    return by_name, index.dataset[selection.image], index.row[selection.image]


def test_every_image_has_its_own_values(tmp_path: Path) -> None:
    made = FakeRunSpec(
        images={"real": [f"{at:02d}.png" for at in range(12)], "synthetic": ["a.png", "b.png", "bad.png"]}
    )
    made.broken.add("bad.png")
    found, dataset, row = columns(write_fake_run(tmp_path, made))
    speed = np.frombuffer(base64.b64decode(found["speed"].values), "<f4")
    np.testing.assert_array_equal(speed, np.where(dataset == 0, row * 1.5, np.nan))
    head = {"name": "speed", "kind": "number", "unit": "", "low": 0, "high": 16.5, "min": 0, "max": 16.5}
    assert found["speed"].head == head | {"integer": False, "missing": 2}
    texts = cast("list[str]", found["weather"].head["texts"])
    assert (found["weather"].head["counts"], found["weather"].head["missing"]) == ([3, 3, 3], 5)
    assert found["weather"].head["other"] == 0
    codes = np.frombuffer(base64.b64decode(found["weather"].values), "<u2")
    for at, code in enumerate(codes):
        expected = source_metadata(int(row[at]))["weather"] if dataset[at] == 0 else None
        assert (None if code == 65535 else texts[code]) == expected


def test_what_is_the_same_for_all_images_is_no_column(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, FakeRunSpec(images={"real": ["a.png"], "synthetic": ["b.png", "c.png"]}))
    found, _, _ = columns(run)
    assert not {"weather", "speed", "file format", "width", "JPEG quality"} & set(found)


def head_of(values: list[Any], title: str = "own") -> dict[str, Any] | None:
    column = _column(title, "", values, Names())
    return None if column is None else cast("dict[str, Any]", column.head)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([*range(10)], 0, 9),
        ([*range(49), 1_000_000], 0, 48),
        ([*range(49), -1e300, 1e300], 0, 48),
        # Most are one value, and the others show.
        ([0.0] * 97 + [2.0, 3.0, 4.0], 0, 4),
        ([0.0] * 970 + [*range(1, 30), 1_000_000], 0, 29),
        ([5.0] * 999 + [7.0], 5, 7),
        # Two classes and a slip.
        ([0.0, 1.0] * 100 + [1_000_000.0], 0, 1),
        # A quarter is not 0.
        ([0.0] * 74 + [*range(1, 27)], 0, 26),
    ],
)
def test_a_few_extreme_values_flatten_nothing(values: list[float], low: float, high: float) -> None:
    head = head_of(values)
    assert head is not None
    assert (head["low"], head["high"]) == (low, high)


def test_heavy_tails_keep_the_middle_apart() -> None:
    values = np.random.default_rng(0).lognormal(sigma=2, size=5000)
    head = head_of(values.tolist())
    assert head is not None
    assert head["max"] > 500
    assert np.quantile(values, 0.75) > 0.2 * head["high"]
    assert (values <= head["high"]).mean() > 0.9


@pytest.mark.parametrize(
    ("dates", "first", "last"),
    [
        (["2024-05-01", "2024-05-02", None], "2024-05-01T00:00:00", "2024-05-02T00:00:00"),
        (["2024-05-01T10:00:01", "2024-05-01 12:00:00+02:00"], "2024-05-01T10:00:00", "2024-05-01T10:00:01"),
        (["2024:05:01 10:00:00", "2024:05:01 10:00:01.123456789"], "2024-05-01T10:00:00", "2024-05-01T10:00:01.123456"),
    ],
)
def test_dates_are_numbers(dates: list[str | None], first: str, last: str) -> None:
    column = _column("taken", "", dates, Names())
    assert column is not None
    assert column.head["unit"] == "date"
    ends = [datetime.fromtimestamp(cast("float", column.head[end]), UTC) for end in ("min", "max")]
    assert ends == [datetime.fromisoformat(f"{text}+00:00") for text in (first, last)]
    values = np.frombuffer(base64.b64decode(column.values), "<f8")
    assert np.isnan(values).tolist() == [date is None for date in dates]
    assert np.nanmax(values) == column.head["max"]


def test_what_is_no_date_stays_text() -> None:
    head = head_of(["2024-05-01", "2024-02-30", "2024-05-01"])
    assert head is not None
    assert head["texts"] == ["2024-05-01", "2024-02-30"]


def test_truth_values_and_odd_values_are_texts() -> None:
    head = head_of(["True", "true", "FALSE", None])
    assert head is not None
    assert (head["texts"], head["counts"], head["missing"]) == (["true", "false"], [2, 1], 1)
    head = head_of([True, True, False])
    assert head is not None
    assert head["texts"] == ["true", "false"]
    head = head_of([{"a": [1]}, {"a": [1]}, 3.0, "</script>"])
    assert head is not None
    assert head["texts"] == ["{'a': [1]}", "3", "</script>"]


def test_the_users_column_is_not_taken_for_a_fact_of_the_file(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path, FakeRunSpec(images={"real": ["a.png", "b.png", "c.png"], "synthetic": ["b.png"]}))
    entries = [
        Entry(f"/images/{row}", 100 + row, values={"width": row, "file size": f"{row % 2}", "": f"{row % 2}"})
        for row in range(3)
    ]
    write_index(run.store, "real", entries, {"width": "number", "file size": "text", "": "text"})
    stats: list[ImageStats] = [
        {"format": "PNG", "width": 48 + row, "height": 36, "status": "ok", "error": ""} for row in range(3)
    ]
    write_image_stats(run.store, "real", 0, stats)
    merge_image_stats(run.store, "real")
    found, dataset, row = columns(run)
    units = {name: column.head["unit"] for name, column in found.items()}
    assert units == {
        "width": "",
        "file size": "",
        "(no name)": "",
        "width (file)": "pixels",
        "file size (file)": "bytes",
    }
    widths = np.frombuffer(base64.b64decode(found["width (file)"].values), "<f4")
    assert widths[dataset == 0].tolist() == [48 + own for own in row[dataset == 0]]
