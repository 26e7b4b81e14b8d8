"""Comparisons of vectors that datasets bring: the lists of the run that made them, and what may not be compared."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import gapscope
from gapscope import OptionError, RunError, SourceError
from gapscope.report.opening import PICTURES
from gapscope.verify import verify

OPTIONS: dict[str, Any] = {"n_epochs": 11, "cluster": "inline"}
LEVELS = ("P3", "P5")


def assert_same_lists(run: gapscope.Run, other: gapscope.Run, levels: tuple[str, ...] = LEVELS) -> None:
    for level in levels:
        for query, reference in run.pairs:
            for reading in ("as-is", "style-aside"):
                own, others = (each.outliers(level, query, reference, reading) for each in (run, other))
                columns = ["rank", "row", "score", "p"]
                pd.testing.assert_frame_equal(own[columns], others[columns])
                assert own.get("q", own["p"]).equals(others.get("q", others["p"]))
                expected = other.index(query)["uri"].to_numpy()[own["row"].to_numpy()]
                assert others["uri"].tolist() == expected.tolist()


def arrays_of(run: gapscope.Run) -> dict[str, dict[str, Any]]:
    return {name: {level: run.embeddings(name, level) for level in LEVELS} for name in run.datasets}


@pytest.fixture(scope="module")
def of_arrays(small_run: gapscope.Run, tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    """The vectors of a run, brought as arrays."""
    return gapscope.compare(arrays_of(small_run), out=tmp_path_factory.mktemp("runs") / "arrays", **OPTIONS)


def test_arrays_give_the_lists_of_the_run_that_made_them(small_run: gapscope.Run, of_arrays: gapscope.Run) -> None:
    assert of_arrays.levels == LEVELS
    assert_same_lists(small_run, of_arrays)
    assert of_arrays.outliers("P5", "real", "synthetic")["uri"].str.match(r"real#\d+$").all()


def test_a_single_array_is_the_level_that_a_single_file_is(tmp_path: Path) -> None:
    arrays = {name: np.random.default_rng(seed).normal(size=(40, 6)) for seed, name in enumerate(("a", "b"))}
    run = gapscope.compare({"a": arrays["a"], "b": torch.from_numpy(arrays["b"])}, out=tmp_path / "run", **OPTIONS)
    assert run.levels == ("vectors",)
    for name, values in arrays.items():
        np.testing.assert_array_equal(run.embeddings(name, "vectors"), values.astype(np.float32))


def test_rows_without_a_vector_are_rejected_with_the_reason(small_run: gapscope.Run, of_arrays: gapscope.Run) -> None:
    index = of_arrays.index("real")
    lost = index["status"] != "ok"
    # The images that the other run could not read have NaN there.
    assert lost.tolist() == (small_run.index("real")["status"] != "ok").tolist()
    assert set(index[lost]["status"]) == {"not-finite"}
    assert set(index[lost]["error"]) == {"its vector is missing, or holds NaN or infinity"}
    assert not verify(of_arrays.path).faults


def test_a_page_without_pictures_is_whole(of_arrays: gapscope.Run) -> None:
    assert of_arrays.report.exists()
    assert PICTURES
    assert of_arrays.heat_maps["reason"].dropna().str.contains("not of a network").all()


def test_the_same_arrays_go_on_and_others_are_refused(small_run: gapscope.Run, of_arrays: gapscope.Run) -> None:
    arrays = arrays_of(small_run)
    again = gapscope.compare(arrays, out=str(of_arrays.path), **OPTIONS)
    assert_same_lists(of_arrays, again)
    arrays["real"]["P5"] = arrays["real"]["P5"] + np.float16(1)
    with pytest.raises(RunError, match="its vectors have changed since this run was begun"):
        gapscope.compare(arrays, out=str(of_arrays.path), **OPTIONS)


def write_table(run: gapscope.Run, name: str, path: Path) -> Path:
    columns: dict[str, Any] = {"path": run.index(name)["uri"].tolist()}
    for level in LEVELS:
        values = run.embeddings(name, level).astype(np.float32)
        columns[level] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    pq.write_table(pa.table(columns), path)
    return path


def test_a_table_of_paths_and_vectors_has_the_same_lists_and_pictures(small_run: gapscope.Run, tmp_path: Path) -> None:
    sources = {
        name: f"{write_table(small_run, name, tmp_path / f'{name}.parquet')}::P3,P5" for name in small_run.datasets
    }
    run = gapscope.compare(sources, out=tmp_path / "run", **OPTIONS)
    assert_same_lists(small_run, run)
    assert run.embeddings("real", "P5").dtype == np.float32
    rows = run.outliers("P5", "real", "synthetic")["row"].to_numpy()[:3]
    assert len(run.thumbnails("real", rows)) == len(rows)
    index = run.index("real")
    # An image that cannot be read costs a row its picture, and not its place; here it had no vector either.
    assert (index["status"] == "ok").sum() == (small_run.index("real")["status"] == "ok").sum()


def test_vectors_stand_beside_levels_that_the_run_embeds(small_run: gapscope.Run, tmp_path: Path) -> None:
    brought = {name: {"clip": small_run.embeddings(name, "P5").astype(np.float32)} for name in small_run.datasets}
    run = gapscope.compare(
        dict(small_run.record.config.datasets),
        vectors=brought,
        levels=["P5", "clip"],
        model="bundled",
        size=96,
        out=tmp_path / "run",
        **OPTIONS,
    )
    assert run.levels == ("P5", "clip")
    assert_same_lists(small_run, run, ("P5",))
    as_embedded, as_brought = (run.outliers(level, "real", "synthetic")["row"].tolist() for level in run.levels)
    assert as_embedded == as_brought
    assert not verify(run.path).faults


def test_an_image_that_cannot_be_read_keeps_its_vector(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    (tmp_path / "0.png").write_bytes(b"no image")
    table = pa.table(
        {
            "path": [f"{row}.png" for row in range(30)],
            "clip": pa.FixedSizeListArray.from_arrays(pa.array(random.normal(size=240).astype(np.float32)), 8),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    sources = {"real": f"{tmp_path}/t.parquet::clip", "synthetic": {"clip": random.normal(size=(30, 8))}}
    run = gapscope.compare(sources, out=tmp_path / "run", **OPTIONS)
    index = run.index("real")
    assert (index["status"] == "ok").all()
    assert index["error"].str.contains("no picture").all()


def test_vectors_that_were_added_are_taken_over_with_update(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    first, more, other = (random.normal(size=(rows, 6)).astype(np.float32) for rows in (40, 5, 40))
    options = OPTIONS | {"out": tmp_path / "run"}
    gapscope.compare({"real": {"v": first}, "synthetic": {"v": other}}, **options)
    grown = np.concatenate([first, more])
    with pytest.raises(RunError, match="has changed since this run was begun"):
        gapscope.compare({"real": {"v": grown}, "synthetic": {"v": other}}, **options)
    run = gapscope.compare({"real": {"v": grown}, "synthetic": {"v": other}}, update=True, **options)
    np.testing.assert_array_equal(run.embeddings("real", "v"), grown)
    wide = {name: {"v": random.normal(size=(40, 7))} for name in ("real", "synthetic")}
    with pytest.raises(RunError, match="has 7 numbers per vector, and this run was begun with 6"):
        gapscope.compare(wide, update=True, **options)


def test_datasets_of_vectors_are_added_and_dropped(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    arrays = {name: {"v": random.normal(size=(40, 6))} for name in ("real", "synthetic", "third")}
    two = {name: arrays[name] for name in ("real", "synthetic")}
    options = OPTIONS | {"out": tmp_path / "run"}
    gapscope.compare(two, **options)
    with pytest.raises(RunError, match=r"datasets\.third was not there, .*`update=True` to add"):
        gapscope.compare(arrays, **options)
    run = gapscope.compare(arrays, update=True, **options)
    assert run.datasets == ("real", "synthetic", "third")
    assert gapscope.compare(two, update=True, **options).datasets == ("real", "synthetic")


def test_a_vector_that_was_missing_counts_once_it_is_there(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    whole, other = random.normal(size=(40, 6)).astype(np.float32), random.normal(size=(40, 6))
    holed = whole.copy()
    holed[7] = np.nan
    options = OPTIONS | {"out": tmp_path / "run"}
    run = gapscope.compare({"real": {"v": holed}, "synthetic": {"v": other}}, **options)
    assert run.index("real")["status"].tolist().count("not-finite") == 1
    run = gapscope.compare({"real": {"v": whole}, "synthetic": {"v": other}}, update=True, **options)
    assert (run.index("real")["status"] == "ok").all()
    np.testing.assert_array_equal(run.embeddings("real", "v"), whole)


@pytest.mark.slow
def test_the_size_of_the_numbers_changes_no_list(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    vectors = {name: random.normal(size=(200, 6)).astype(np.float32) for name in ("real", "synthetic")}
    vectors["real"][:30] = vectors["real"][:30] / 4 + 9 * np.eye(6, dtype=np.float32)[0]
    small, large = (
        gapscope.compare(
            {name: {"v": values * np.float32(factor)} for name, values in vectors.items()},
            out=tmp_path / str(factor),
            **OPTIONS,
        )
        # float16 would not hold the larger ones.
        for factor in (1, 2**20)
    )
    assert len(small.outliers("v", "real", "synthetic")) >= 20
    assert_same_lists(small, large, ("v",))


A, B = np.ones((20, 4), np.float32), np.ones((20, 5), np.float32)


@pytest.mark.parametrize(
    ("datasets", "options", "error", "message"),
    [
        ({"a": {"v": A}, "b": {"v": B}}, {}, SourceError, "different numbers: 4 in a, 5 in b"),
        ({"a": {"v": A}, "b": {"w": A}}, {}, SourceError, "no level in common: a v, b w"),
        ({"a": {"v": A, "w": A[1:]}, "b": {"v": A}}, {}, SourceError, "different numbers of vectors at its levels"),
        ({"a": {"v": A}, "b": {"v": A, "w": A}}, {"levels": ["w"]}, SourceError, "a brings no vectors of level w"),
        ({"a": {"v": A}, "b": {"v": A}}, {"levels": ["x"]}, OptionError, "the datasets bring v, and the model has"),
        ({"a": {"v": A}, "b": {"v": A}}, {"levels": ["P5"]}, SourceError, "has vectors and no images"),
        ({"a": {"v": A}, "b": {"v": A}}, {"vectors": {"c": {"v": A}}}, OptionError, "names dataset c"),
        ({"a": {"v": A}, "b": {"v": A}}, {"vectors": {"a": {"v": A}}}, SourceError, "level v is brought twice"),
        ({"a": {"v": A}, "b": {"v": A}}, {"vectors": ["real"]}, OptionError, "write NAME=SOURCE"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    datasets: Any, options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        gapscope.compare(datasets, out=tmp_path / "run", model="bundled", **OPTIONS | options)
    assert not (tmp_path / "run").exists()


def test_vectors_that_were_taken_for_images_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "integers.npy", (A * 100).astype(int))
    np.save(tmp_path / "floats.npy", A)
    pq.write_table(pa.table({"path": ["a.jpg"] * len(A), "clip": list(A)}), tmp_path / "t.parquet")
    for name, levels in (("integers.npy", "vectors"), ("t.parquet", "clip")):
        message = f"no level in common: a none (vectors:{tmp_path}/{name} brings {levels}), b vectors;"
        with pytest.raises(SourceError, match=re.escape(message)):
            gapscope.compare({"a": tmp_path / name, "b": tmp_path / "floats.npy"}, out=tmp_path / "run", **OPTIONS)


def test_one_vector_per_image_is_asked_for(small_run: gapscope.Run, tmp_path: Path) -> None:
    folders = dict(small_run.record.config.datasets)
    for count, images in ((10, "more than 10"), (500, "75")):
        vectors = {name: {"v": np.ones((count, 3))} for name in folders}
        with pytest.raises(SourceError, match=f"has {count} vectors for {images} images of"):
            gapscope.compare(folders, vectors=vectors, out=tmp_path / str(count), **OPTIONS)
