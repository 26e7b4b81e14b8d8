import base64
import json
import math
from pathlib import Path

import numpy as np
import pytest
from fake_acting import class_of
from fake_run import FakeRunSpec, write_fake_run

from gapscope.compare.boxes.registry import BOX_NUMBERS
from gapscope.report.boxes import box_sentence
from gapscope.report.causes import cause_data
from gapscope.report.classes import PageClasses, class_data, read_page_classes
from gapscope.report.columns import read_columns
from gapscope.report.lists import read_outlier_lists
from gapscope.report.names import Names
from gapscope.report.points import PointIndex, read_point_index
from gapscope.report.selection import Selection, select_images
from gapscope.run import Run
from gapscope.store.box_metrics import BoxMetric
from gapscope.store.datasets import Pair
from gapscope.store.index import take_rows
from gapscope.store.metrics import read_metrics

IMAGES = {
    "real": [*(f"{('cat', 'dog', 'owl')[at % 3]}/{at:02d}.png" for at in range(12)), "cat/bad.png"],
    "synthetic": [*(f"{('dog', 'cat')[at % 2]}/{at:02d}.png" for at in range(9))],
}


def made(folder: Path) -> tuple[Run, PointIndex, Selection, PageClasses]:
    run = write_fake_run(folder, FakeRunSpec(images=IMAGES, broken={"cat/bad.png"}, acting=True))
    index = read_point_index(run.store)
    selection = select_images(index, read_outlier_lists(run.store, index), max_drawn=1000)
    classes = read_page_classes(run.store, index, selection)
    assert classes is not None
    return run, index, selection, classes


def test_every_image_on_the_page_has_the_class_of_its_folder(tmp_path: Path) -> None:
    run, index, selection, classes = made(tmp_path)
    for image, text in zip(selection.image.tolist(), classes.texts(), strict=True):
        row = np.array([index.row[image]])
        uri = take_rows(run.store, index.datasets[index.dataset[image]], row, ["uri"])["uri"][0].as_py()
        assert text == class_of(uri)
    column = read_columns(run.store, index, selection, Names(), classes)[0]
    assert (column.head["name"], column.head["texts"], column.head["missing"]) == ("class", ["dog", "cat", "owl"], 0)


def test_numbers_stand_beside_their_class(tmp_path: Path) -> None:
    run, _, _, classes = made(tmp_path)
    data = dict(class_data(run.store, read_metrics(run.store), classes, Names()))
    shared = data["classes"]["pairs"][1]  # type: ignore[index]
    numbers = data["classes-2-as-is"]["pairs"][1]  # type: ignore[index]
    names = np.frombuffer(base64.b64decode(shared["classes"]), "<i4")
    counts = np.frombuffer(base64.b64decode(shared["counts"]), "<i4").reshape(-1, 4)
    values = np.frombuffer(base64.b64decode(numbers["numbers"]), "<f4").reshape(-1, 7)
    beyond = np.frombuffer(base64.b64decode(numbers["beyond"]), "i1")
    nearest = np.frombuffer(base64.b64decode(numbers["nearest"]), "<i4")
    rows = classes.table.to_pylist()
    for at, number in enumerate(names.tolist()):
        wanted = ("synthetic", "real", "P4", "as-is", classes.names[number])
        (row,) = [
            row
            for row in rows
            if tuple(row[key] for key in ("query", "reference", "level", "reading", "class")) == wanted
        ]
        assert counts[at].tolist() == [row[key] for key in ("images", "groups", "reference_images", "reference_groups")]
        gap = math.nan if row["gap"] is None else row["gap"]
        assert values[at, 1] == pytest.approx(gap, nan_ok=True)
        assert {1: True, 0: False, -1: None}[int(beyond[at])] is row["beyond_noise"]
        assert (None if nearest[at] < 0 else classes.names[nearest[at]]) == row["nearest_class"]


def test_an_image_with_several_classes_has_all_of_them() -> None:
    classes = PageClasses(
        names=["cat", "dog", "several classes"],
        ends=np.array([0, 1, 1, 3], np.int32),
        label=np.array([1, 0, 1], np.int32),
        rules={},
        table=None,
    )
    assert classes.texts() == ["dog", None, "several classes (2)"]


def test_ends_that_are_not_finite_reach_no_json(tmp_path: Path) -> None:
    run, index, selection, classes = made(tmp_path)
    metrics = read_metrics(run.store)
    pair = run.store.pairs[0].name
    metrics["causes"][pair][1]["values"][0]["low"] = -math.inf
    metrics["causes"][pair][0]["level"] = ""
    metrics["wanted"][pair][0]["values"][0]["ratio"] = math.inf
    columns = read_columns(run.store, index, selection, Names(), classes)
    data = cause_data(run.store, metrics, columns, Names())
    weather, speed, note = json.loads(json.dumps(data, allow_nan=False))["pairs"][0]["causes"]
    assert (weather["on"], weather["level"], speed["values"][0]["low"], note["on"]) == ("weather", None, None, None)


@pytest.mark.parametrize("name", list(BOX_NUMBERS))
@pytest.mark.parametrize(
    ("low", "high", "beyond"), [(0.1, 0.3, True), (-0.1, 0.3, True), (-0.1, 0.3, False), (None, None, None)]
)
def test_every_number_of_boxes_has_a_sentence(
    name: str, low: float | None, high: float | None, beyond: bool | None
) -> None:
    metric: BoxMetric = {
        "name": name,
        "query": 0.4,
        "reference": 0.2,
        "difference": 0.2,
        "low": low,
        "high": high,
        "effect": 0.5,
        "p": 0.1,
        "beyond_noise": beyond,
        "objects": (10, 10),
        "histogram": {"edges": [], "labels": [], "query": [], "reference": []},
    }
    sentence = box_sentence(Pair("real", "synthetic"), metric)
    if beyond and low is not None and low > 0:
        assert sentence.startswith("synthetic ")
        assert any(word in sentence for word in ("less", "fewer", "smaller", "narrower", "shorter", "left", "higher"))
    else:
        assert sentence.startswith({True: "alike in the mean", False: "no difference", None: "too few"}[beyond])
