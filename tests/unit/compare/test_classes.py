"""Classes: where they come from, how large the gap of each is, and what changed from one run to another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from quick_compare import quick_compare, write_images
from vector_run import compare_vectors

import gapscope
from gapscope.compare.classes.image_classes import read_image_classes
from gapscope.compare.classes.noise import ClassGraph, beyond_noise
from gapscope.diff.classes import describe_classes, diff_classes
from gapscope.errors import OptionError
from gapscope.run import Run
from gapscope.sources import Entry
from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations
from gapscope.store.annotations import annotations_path, annotations_table
from gapscope.store.classes import read_class_table
from gapscope.store.groups import read_all_groups
from gapscope.store.tables import write_whole

_LEVELS = ("P5",)
_CENTERS = np.random.default_rng(0).normal(size=(6, 16)) * 3
_NAMES = ("ant", "bee", "cow", "dog", "elk", "fox")


def _draw(counts: Mapping[int, int], seed: int) -> tuple[NDArray[np.float64], list[str]]:
    label = np.repeat(list(counts), list(counts.values()))
    noise = np.random.default_rng(seed).normal(size=(len(label), 16))
    return _CENTERS[label] + noise, [_NAMES[number] for number in label]


def _compare(
    folder: Path,
    real: Mapping[int, int],
    synthetic: Mapping[int, int],
    seed: int = 0,
    levels: tuple[str, ...] = _LEVELS,
) -> Run:
    drawn = {"real": _draw(real, seed), "synthetic": _draw(synthetic, seed + 1)}
    return compare_vectors(
        folder,
        {name: dict.fromkeys(levels, vectors) for name, (vectors, _) in drawn.items()},
        columns={name: {"Class": labels} for name, (_, labels) in drawn.items()},
    )


def _rows(run: Run, **wanted: str) -> dict[str, dict[str, Any]]:
    """Return the rows of the table that have the wanted values, by class; None for what cannot be told."""
    rows = read_class_table(run.store).to_pylist()
    return {row["class"]: row for row in rows if all(row[name] == value for name, value in wanted.items())}


def _csv(run: Run) -> pd.DataFrame:
    return pd.read_csv(str(run.path / "classes.csv"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Real has five classes; synthetic lacks cow, has too few dogs, and a class of its own; bee is a single image."""
    real, synthetic = {0: 50, 1: 1, 2: 50, 3: 50, 4: 50}, {0: 60, 1: 10, 3: 8, 4: 60, 5: 40}
    return _compare(tmp_path_factory.mktemp("classes") / "run", real, synthetic)


def test_a_class_that_the_reference_lacks_or_has_too_few_of_has_a_gap_beyond_noise(planted: Run) -> None:
    rows = _rows(planted, query="real", level="P5", reading="as-is")
    assert rows["cow"]["reference_images"] == 0
    assert rows["cow"]["gap"] > 0.9
    assert 0.5 < rows["dog"]["gap"] < 0.9
    assert [rows[name]["beyond_noise"] for name in ("cow", "dog", "ant", "elk")] == [True, True, False, False]
    assert rows["ant"]["gap"] < 0.25
    assert all(rows[name]["gap_low"] <= rows[name]["gap"] <= rows[name]["gap_high"] for name in ("cow", "dog", "ant"))
    assert rows["dog"]["nearest_class"] == "dog"
    # Nothing is nearer to a cow than another class.
    assert rows["cow"]["nearest_class"] != "cow"


def test_classes_of_one_side_and_of_one_image_have_rows_that_do_not_pretend(planted: Run) -> None:
    real = _rows(planted, query="real", level="P5", reading="as-is")
    assert real["fox"]["images"] == 0
    assert [real["fox"][name] for name in ("gap", "share_listed", "beyond_noise")] == [None] * 3
    assert real["bee"]["images"] == 1
    assert [real["bee"][name] for name in ("gap_low", "gap_high", "beyond_noise")] == [None] * 3
    other = _rows(planted, query="synthetic", level="P5", reading="as-is")
    assert other["fox"]["gap"] > 0.9
    assert other["cow"]["reference_images"] == 50


def test_the_table_is_the_same_as_csv_and_counts_every_image_once(planted: Run) -> None:
    table = planted.classes()
    assert _csv(planted)["class"].tolist() == table["class"].tolist()
    for query, images in (("real", 201), ("synthetic", 178)):
        of_query = table[(table["query"] == query) & (table["reading"] == "as-is")]
        assert of_query["images"].sum() == images


def test_share_listed_agrees_with_the_manifest(planted: Run) -> None:
    listed = planted.outliers("P5", "real", "synthetic")["meta.Class"].value_counts()
    rows = _rows(planted, query="real", level="P5", reading="as-is")
    for name in ("cow", "dog", "ant"):
        assert rows[name]["share_listed"] == pytest.approx(listed.get(name, 0) / 50)


def test_images_of_a_group_count_once(tmp_path: Path) -> None:
    vectors, labels = _draw({0: 40, 3: 40}, 0)
    others, other_labels = _draw({0: 40}, 1)
    # Each image has two more copies beside it, which are of its clip.
    triple = [vectors.repeat(3, axis=0) + np.random.default_rng(2).normal(size=(240, 16)) * 0.01, np.repeat(labels, 3)]
    run = compare_vectors(
        tmp_path / "run",
        {"real": {"P5": triple[0]}, "synthetic": {"P5": others}},
        columns={"real": {"label": triple[1].tolist()}, "synthetic": {"label": other_labels}},
        group={"real": (np.arange(240) // 3).tolist()},
    )
    rows = _rows(run, query="real", reading="as-is")
    assert [row["images"] for row in rows.values()] == [120, 120]
    assert [row["groups"] for row in rows.values()] == [40, 40]
    assert [row["beyond_noise"] for row in rows.values()] == [False, True]


@pytest.mark.slow
def test_a_column_of_numbers_or_of_free_text_is_a_class_only_where_values_repeat(tmp_path: Path) -> None:
    vectors, _ = _draw({0: 30, 1: 30}, 0)
    run = compare_vectors(
        tmp_path / "run",
        {name: {"P5": vectors} for name in ("a", "b", "c")},
        columns={
            "a": {"label": [0.0, 1.0] * 30},
            "b": {"label": [f"a remark on {number}" for number in range(60)]},
            "c": {"category": ["only"] * 60},
        },
    )
    classes = read_image_classes(run.store, read_all_groups(run.store))
    assert [str(own.rule) for own in classes.values()] == ["column:label", "none", "none"]
    assert classes["a"].names == ["0", "1"]


def test_annotated_categories_come_first_and_an_image_may_have_several(tmp_path: Path) -> None:
    run = _compare(tmp_path / "run", {0: 12, 1: 12}, {0: 12, 1: 12})
    entries = [
        Entry(f"/real/{row}.png", annotations=ImageAnnotations(f"/real/{row}.png", 10, 10, objects))
        for row, objects in enumerate(
            [
                (Annotation("1", "car", Edges(0, 0, 1, 1)), Annotation("2", "car", Edges(0, 0, 1, 1))),
                (Annotation("1", "car", Edges(0, 0, 1, 1)), Annotation("2", "van", Edges(0, 0, 1, 1))),
                (Annotation("1", None, Edges(0, 0, 1, 1)),),
                (),
            ]
        )
    ]
    path = annotations_path(run.path, "real")
    path.parent.mkdir()
    write_whole(path, table := annotations_table(entries))
    run.store.record.datasets["real"].annotations = len(table)
    real = read_image_classes(run.store, read_all_groups(run.store))["real"]
    named = [(int(image), real.names[label]) for image, label in zip(real.image, real.label, strict=True)]
    assert named == [(0, "car"), (1, "car"), (1, "van")]
    assert real.single[:4].tolist() == [real.names.index("car"), -1, -1, -1]


def test_folders_are_classes_where_the_datasets_share_names_and_can_be_turned_off_later(tmp_path: Path) -> None:
    folders = write_images(tmp_path / "images")
    for name, folder in folders.items():
        for number, path in enumerate(sorted(Path(folder).glob("*.png"))):
            own = Path(folder) / ("cat", "dog", f"only {name}")[number % 3]
            own.mkdir(exist_ok=True)
            path.rename(own / path.name)
    options: dict[str, Any] = {"levels": ["P5"], "heat_maps": "off"}
    run = quick_compare(folders, tmp_path / "run", **options)
    assert set(run.classes()["class"]) == {"cat", "dog", "only real", "only synthetic"}
    assert [own["class_rule"] for own in run.metrics["datasets"].values()] == ["folder", "folder"]
    assert quick_compare(folders, tmp_path / "run", **options, classes="none").classes().empty


def test_one_line_says_what_is_wrong_with_a_rule(tmp_path: Path) -> None:
    folders = write_images(tmp_path / "images")
    for rule, message in (
        ("column:species", "dataset real has no column species: it has no columns"),
        ("column:", "give annotations, folder, column:NAME, none or auto"),
        ("annotations", "dataset real has no annotations"),
        ({"reel": "folder"}, "names dataset reel"),
    ):
        with pytest.raises(OptionError, match=message):
            gapscope.compare(
                folders,
                out=tmp_path / str(rule),
                model="bundled",
                levels=["P5"],
                size=64,
                classes=rule,
            )


@pytest.mark.slow
def test_thousands_of_classes_and_names_that_are_odd(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(600, 4))
    names = [f'=cmd|"{number}"\n,é' for number in range(300)]
    run = compare_vectors(
        tmp_path / "run",
        {name: {"P5": vectors} for name in ("a", "b")},
        columns={name: {"class": names * 2} for name in ("a", "b")},
    )
    table = run.classes()
    assert len(table) == 300 * 2 * 2
    assert set(_csv(run)["class"]) == {name.strip() for name in names}


def test_diff_names_a_class_that_was_closed_and_no_other(tmp_path: Path, planted: Run) -> None:
    counts = {0: 60, 1: 10, 2: 50, 3: 8, 4: 60, 5: 40}
    after = _compare(tmp_path / "after", {0: 50, 1: 1, 2: 50, 3: 50, 4: 50}, counts, seed=0)
    changes = diff_classes(planted, after)
    changed = changes[(changes["verdict"] != "no change") & (changes["query"] == "real")]
    assert set(changed["class"]) == {"cow"}
    assert set(changed["verdict"]) == {"appeared"}
    lines = describe_classes(changes)
    assert lines[0].startswith("classes: ")
    assert any("cow of real: gap" in line and "0 -> 50 in synthetic" in line for line in lines)
    assert describe_classes(diff_classes(planted, planted)) == ["classes: 10 no change"]


@pytest.mark.slow
@pytest.mark.parametrize("uneven", [False, True])
def test_where_nothing_differs_a_class_is_rarely_beyond_noise(*, uneven: bool) -> None:
    from sklearn.neighbors import NearestNeighbors

    named = 0
    sizes = (80, 300) if uneven else (150, 150)
    group = np.arange(sum(sizes))
    for seed in range(300):
        random = np.random.default_rng(seed)
        label = random.integers(6, size=len(group))
        vectors = _CENTERS[label] + random.normal(size=(len(group), 16)) * 2
        nearest = NearestNeighbors(n_neighbors=31).fit(vectors).kneighbors(return_distance=False)[:, :30]
        verdicts = beyond_noise([ClassGraph(group, nearest)], group, label, 6, sizes)[0]
        named += any(verdict is True for verdict in verdicts)
    assert named <= 0.1 * 300


@pytest.mark.slow
def test_where_nothing_changed_a_diff_rarely_names_a_class(tmp_path: Path) -> None:
    share = np.random.default_rng(5)
    named = 0
    for seed in range(20):
        runs = [
            _compare(
                tmp_path / f"{seed}-{which}",
                dict(enumerate(np.bincount(share.integers(5, size=200), minlength=5).tolist())),
                dict(enumerate(np.bincount(share.integers(4, size=200), minlength=5).tolist())),
                seed=10 * seed + 3 * which,
            )
            for which in range(2)
        ]
        changes = diff_classes(*runs)
        tested = changes[~changes["verdict"].isin(["appeared", "vanished"])]
        named += bool((tested["verdict"] != "no change").any())
    assert named <= 3
