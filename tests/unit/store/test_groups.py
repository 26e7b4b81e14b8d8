"""Which images belong together: each group has a name, a size and one image that stands for it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from embedded_run import write_embedded_run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest

from gapscope.store.datasets import Pair
from gapscope.store.groups import (
    ImageGroups,
    groups_path,
    needs_group_search,
    read_all_groups,
    read_groups,
    remove_groups,
    write_groups,
)
from gapscope.store.index import rows_read
from gapscope.store.run_store import RunStore

names = st.lists(st.sampled_from(["a", "b", "c", "clip 1", "clip 10", "ä"]), min_size=1, max_size=40)


def groups_of(values: list[str], rows: list[int] | None = None) -> ImageGroups:
    """Groups of images that were all embedded, or of those with some rows."""
    return ImageGroups.of_values(np.array(rows or range(len(values)), np.int64), np.array(values, object))


def embeddings(count: int, *rejected: int) -> dict[str, NDArray[np.float32]]:
    values = np.random.default_rng(count).normal(size=(count, 4)).astype(np.float32)
    values[list(rejected)] = np.nan
    return {"P5": values}


@settings(max_examples=40)
@given(names)
def test_images_with_one_value_are_one_group_and_others_are_not(values: list[str]) -> None:
    groups = groups_of(values)
    assert len(groups) == len(set(values))
    assert groups.names is not None
    assert groups.names.take(groups.group).to_pylist() == values
    assert {str(name): int(n) for name, n in zip(groups.names.to_pylist(), groups.lengths, strict=True)} == {
        name: values.count(name) for name in values
    }


@settings(max_examples=40)
@given(names)
def test_every_group_has_one_representative_of_its_own(values: list[str]) -> None:
    groups = groups_of(values, list(range(3, 3 + 2 * len(values), 2)))
    np.testing.assert_array_equal(groups.group[groups.representative], np.arange(len(groups)))
    # They are a view of the reference by themselves, which must ascend.
    assert (np.diff(groups.representative) > 0).all()
    np.testing.assert_array_equal(groups.representative_rows, groups.rows[groups.representative])


@settings(max_examples=40)
@given(names)
def test_the_order_lists_group_by_group_and_by_row_within_one(values: list[str]) -> None:
    groups = groups_of(values)
    for number, (start, length) in enumerate(zip(groups.starts, groups.lengths, strict=True)):
        own = groups.order[start : start + length].tolist()
        assert own == [position for position in range(len(values)) if groups.group[position] == number]


@settings(max_examples=40)
@given(names)
def test_what_groups_are_called_changes_nothing_but_their_names(values: list[str]) -> None:
    groups, renamed = groups_of(values), groups_of([f"/some/where/{value}" for value in values])
    np.testing.assert_array_equal(groups.group, renamed.group)
    np.testing.assert_array_equal(groups.representative, renamed.representative)


def test_groups_of_one_are_numbered_as_the_images() -> None:
    values = [f"{number}.png" for number in np.random.default_rng(0).permutation(1000)]
    groups, singles = groups_of(values), ImageGroups.singles(np.arange(1000))
    for own in (groups, singles):
        assert own.counts_images
        np.testing.assert_array_equal(own.group, np.arange(1000))
        np.testing.assert_array_equal(own.representative, np.arange(1000))
    assert not groups_of(["a", "b", "a"]).counts_images


def test_any_frame_of_a_clip_is_as_likely_to_stand_for_it() -> None:
    # 500 clips of 40 frames, in order and then mixed. The first frame alone would be no draw from the clip.
    clips = np.repeat(np.arange(500), 40)
    for own in (clips, np.random.default_rng(1).permutation(clips)):
        groups = groups_of([str(clip) for clip in own])
        frame = np.empty(len(own), int)
        frame[groups.order] = np.tile(np.arange(40), 500)
        within = frame[groups.representative] + np.random.default_rng(2).random(500)
        assert kstest(within / 40, "uniform").pvalue > 0.01


@settings(max_examples=40)
@given(names, names)
def test_a_group_is_found_in_another_dataset_by_its_name(values: list[str], others: list[str]) -> None:
    groups, other = groups_of(values), groups_of(others)
    found = groups.find_in(other)
    assert groups.names is not None
    assert other.names is not None
    for name, number in zip(groups.names.to_pylist(), found, strict=True):
        assert (number >= 0) == (name in others)
        assert number < 0 or other.names[int(number)].as_py() == name


def test_images_without_groups_are_in_no_other_dataset() -> None:
    singles, groups = ImageGroups.singles(np.arange(3)), groups_of(["a", "b", "b"])
    for one, other in ((singles, groups), (groups, singles), (singles, singles)):
        np.testing.assert_array_equal(one.find_in(other), np.full(len(one), -1))


def test_a_group_without_a_name_is_called_as_its_image() -> None:
    uris = pa.chunked_array([["x.png", "y.png", "z.png"]])
    assert ImageGroups.singles(np.array([0, 2])).name(1, uris) == "z.png"
    assert groups_of(["a", "b"]).name(1, uris) == "b"


@pytest.fixture
def run(tmp_path: Path) -> RunStore:
    """Eight real images, two of them rejected, and five synthetic ones."""
    return write_embedded_run(tmp_path / "run", {"real": embeddings(8, 1, 4), "synthetic": embeddings(5)})


def test_groups_are_read_as_they_were_written_without_rejected_images(run: RunStore) -> None:
    # Image 4 is the only one of its scene, and cannot be read.
    write_groups(run, "real", ["quay", None, "quay", "mall", "dark", "mall", "quay", "fair"])
    groups = read_groups(run, "real")
    np.testing.assert_array_equal(groups.rows, [0, 2, 3, 5, 6, 7])
    np.testing.assert_array_equal(groups.rows, rows_read(run, "real"))
    assert groups.names is not None
    assert groups.names.take(groups.group).to_pylist() == ["quay", "quay", "mall", "mall", "quay", "fair"]
    assert dict(zip(groups.names.to_pylist(), groups.lengths, strict=True)) == {"quay": 3, "mall": 2, "fair": 1}
    assert set(groups.representative_rows.tolist()) <= set(groups.rows.tolist())


def test_a_rejected_image_may_have_a_group_and_counts_in_none(run: RunStore) -> None:
    write_groups(run, "real", ["a", "a", "a", "b", "b", "b", "b", "a"])
    assert read_groups(run, "real").lengths.sum() == 6


def test_the_table_has_a_row_per_listed_image(run: RunStore) -> None:
    values = ["a", None, "a", "b", None, "b", "b", "c"]
    write_groups(run, "real", values)
    table = pd.read_parquet(str(groups_path(run.path, "real")))
    assert table["row"].tolist() == list(range(8))
    assert [value if isinstance(value, str) else None for value in table["group"]] == values


def test_groups_can_be_written_in_any_form_of_text(run: RunStore) -> None:
    values = ["a", "a", "b", "b", "c"]
    forms: list[pa.Array | NDArray[np.object_] | list[str | None]] = [
        [*values],
        np.array(values, object),
        pa.array(values),
    ]
    for form in forms:
        write_groups(run, "synthetic", form)
        assert read_groups(run, "synthetic").lengths.tolist() == groups_of(values).lengths.tolist()


def test_without_a_table_every_image_is_a_group(run: RunStore) -> None:
    write_groups(run, "synthetic", ["a"] * 5)
    assert [len(own) for own in read_all_groups(run).values()] == [6, 1]
    remove_groups(run, "synthetic")
    remove_groups(run, "synthetic")
    groups = read_groups(run, "synthetic")
    assert groups.counts_images
    assert groups.names is None


def test_a_search_by_group_is_for_pairs_whose_nearest_images_are_not_their_nearest_groups() -> None:
    rows = np.arange(4)
    groups = {
        "clips": groups_of(["a", "a", "b", "b"]),
        "images": ImageGroups.singles(rows),
        "named": groups_of(["a", "c", "d", "e"]),
    }
    needed = {
        (query, reference)
        for query in groups
        for reference in groups
        if needs_group_search(groups, Pair(query, reference))
    }
    # Whatever looks into clips; and clips that would find their own scene in the other dataset.
    assert needed == {("clips", "clips"), ("images", "clips"), ("named", "clips"), ("clips", "named")}
