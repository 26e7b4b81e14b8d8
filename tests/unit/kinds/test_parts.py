"""The parts that kinds are made of: sureness, grouping, sorts and names."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

from gapscope.compare.outlier_scores import Basis
from gapscope.kinds import grouping
from gapscope.kinds.names import Labels, name_kind, read_labels
from gapscope.kinds.nominations import LevelList, Nominations, OfGroups
from gapscope.kinds.profile import LevelEvidence, LevelOrder, Profile, sort_of
from gapscope.kinds.sentences import levels_of, none_sentence
from gapscope.settings import Reading
from gapscope.sources import open_source
from gapscope.store.annotations import annotations_table
from gapscope.store.gaps import Sort
from gapscope.store.groups import ImageGroups
from gapscope.store.index import SourceMetadata

GROUPS = 1000


def level_list(
    p: NDArray[np.float64],
    listed: NDArray[np.int64],
    *,
    reading: Reading = "as-is",
    basis: Basis = "calibrated",
    first: NDArray[np.int64] | None = None,
) -> LevelList:
    return LevelList(
        level="P5",
        reading=reading,
        basis=basis,
        listed=listed,
        p=p[listed],
        first=listed if first is None else first[listed],
        tests=len(p),
        k_local=30,
        of_groups=lambda: OfGroups(np.zeros(len(p), np.uint8), np.zeros(len(p), bool)),
    )


def nominations(*lists: LevelList) -> Nominations:
    groups = ImageGroups.singles(np.arange(GROUPS))
    readings: tuple[Reading, ...] = ("as-is", "style-aside")
    own = {(one.level, one.reading): one for one in lists}
    return Nominations(groups=groups, references=GROUPS, levels=("P5",), readings=readings, lists=own)


def test_q_is_simes_over_the_kind_with_all_groups_as_tests_times_the_lists_of_both_directions() -> None:
    p = np.random.default_rng(0).random(GROUPS)
    listed = np.arange(20)
    p[listed] = np.linspace(1e-6, 1e-4, 20)
    members = np.arange(5, 15)
    expected = min(GROUPS * sorted(p[members])[i] / (i + 1) for i in range(10)) * 4
    assert nominations(level_list(p, listed)).q(members) == pytest.approx(expected)


def test_clones_count_once_for_q() -> None:
    p = np.full(GROUPS, 1.0)
    p[:10] = 1e-4
    same = np.arange(GROUPS)
    same[:10] = 0
    distinct, cloned = level_list(p, np.arange(10)), level_list(p, np.arange(10), first=same)
    members = np.arange(10)
    assert nominations(cloned).q(members) == pytest.approx(10 * (nominations(distinct).q(members) or 0))


def test_suggestions_nominate_where_nearly_everything_is_listed_as_it_is_and_never_confirm() -> None:
    p = np.full(GROUPS, 1e-9)
    suggested = level_list(p, np.arange(10), reading="style-aside", basis="suggested")
    few, most = level_list(p, np.arange(20)), level_list(p, np.arange(900))
    assert nominations(few, suggested).nominating == [few]
    assert nominations(most, suggested).nominating == [suggested]
    assert nominations(most, suggested).q(np.arange(10)) is None
    assert nominations(most).nominated.size == 0
    assert nominations(few, suggested).q(np.arange(10)) is not None


def planted_graph(random: np.random.Generator, sizes: tuple[int, ...], strays: int) -> sparse.csr_array:
    """Return edges of ten each: within blocks for their members, and mostly to nothing for strays."""
    count = sum(sizes)
    starts = np.cumsum(sizes) - sizes
    rows, columns = [], []
    for start, size in zip(starts, sizes, strict=True):
        for row in range(start, start + size):
            chosen = random.choice(size, min(10, size), replace=False) + start
            rows += [row] * len(chosen)
            columns += chosen.tolist()
    for row in range(count, count + strays):
        rows += [row] * 2
        columns += random.choice(count, 2).tolist()
    weights = np.full(len(rows), 0.1, np.float32)
    return sparse.csr_array((weights, (rows, columns)), shape=(count + strays, count + strays))


def group(graph: sparse.csr_array) -> NDArray[np.int64]:
    return grouping._group(graph, np.asarray(graph.sum(axis=1), np.float32).ravel())


@pytest.mark.parametrize("seed", range(10))
def test_blocks_are_kinds_whatever_their_size_and_strays_are_none(seed: int) -> None:
    sizes = (200, 40, 12)
    kinds = group(planted_graph(np.random.default_rng(seed), sizes, strays=60))
    assert (kinds[sum(sizes) :] == -1).all()
    blocks = np.split(kinds[: sum(sizes)], np.cumsum(sizes)[:-1])
    assert [len(np.unique(block)) for block in blocks] == [1, 1, 1]
    assert len(np.unique(kinds)) == 4


def test_nothing_linked_is_no_kind() -> None:
    assert (group(sparse.csr_array((5, 5), dtype=np.float32)) == -1).all()


ORDER = LevelOrder(
    seen={"P2": 0.5, "P3": 0.6, "P5": 0.95, "P6": 0.97}, content=["P5", "P6"], fine=["P2", "P3"], coarse=["P5", "P6"]
)
NO_ORDER = LevelOrder(seen={"a": 0.9, "b": 0.95}, content=["a", "b"], fine=[], coarse=[])


def profile(lacking: list[float], counterparts: float, near: float, outside: float, levels: list[str]) -> Profile:
    evidence = {
        level: LevelEvidence(listed=1.0, lacking=value, outside=outside, counterparts=counterparts, near=near)
        for level, value in zip(levels, lacking, strict=True)
    }
    return Profile(reading="as-is", readings=["as-is"], levels=levels, evidence=evidence)


@pytest.mark.parametrize(
    ("lacking", "counterparts", "near", "outside", "sort"),
    [
        ([0.9, 0.9, 0.9, 0.9], 0.0, 0.0, 1.0, "absent"),
        ([0.1, 0.1, 0.9, 0.9], 0.02, 0.0, 0.8, "absent"),
        ([0.2, 0.2, 0.8, 0.8], 0.12, 0.09, 0.3, "rare"),
        ([0.9, 0.6, 0.3, 0.1], 1.1, 0.1, 0.1, "looks-different"),
        ([0.0, 0.1, 0.8, 0.9], 1.1, 0.1, 0.5, "arranged-differently"),
        # All that is there is taken for its counterpart, however far it is.
        ([0.9, 0.9, 0.9, 0.9], 1.0, 0.0, 1.0, "absent"),
    ],
)
def test_the_sort_of_gap(lacking: list[float], counterparts: float, near: float, outside: float, sort: Sort) -> None:
    own = profile(lacking, counterparts, near, outside, ["P2", "P3", "P5", "P6"])
    assert sort_of(own, ORDER, here=False) == sort
    assert sort_of(own, ORDER, here=True) == ("only-here" if sort == "absent" else sort)


def test_levels_without_an_order_tell_absent_from_rare_alone() -> None:
    assert sort_of(profile([0.5, 0.5], 1.0, 0.0, 0.1, ["a", "b"]), NO_ORDER, here=False) == "rare"
    assert sort_of(profile([0.9, 0.9], 0.0, 0.0, 1.0, ["a", "b"]), NO_ORDER, here=False) == "absent"


def metadata(folders: list[str], **columns: Sequence[str | None]) -> pa.Table:
    uris = [f"/data/set/{folder}/{row}.png" for row, folder in enumerate(folders)]
    return pa.table({"uri": uris, **{f"meta.{name}": values for name, values in columns.items()}})


def named(table: pa.Table, members: list[int]) -> tuple[str, str] | None:
    groups = ImageGroups.singles(np.arange(len(table)))
    name = name_kind(
        read_labels(SourceMetadata.of_table(table), groups, None, objects=False), np.array(members), len(table)
    )
    return None if name is None else (name.text, name.source)


def test_a_folder_names_a_kind_and_so_does_one_further_down_where_that_says_more() -> None:
    folders = ["day/a"] * 40 + ["night/a"] * 10 + ["night/b"] * 10
    assert named(metadata(folders), list(range(50, 60))) == ("night/b", "folder")
    assert named(metadata(folders), list(range(40, 60))) == ("night", "folder")
    assert named(metadata(folders), list(range(0, 60, 6))) is None


def test_a_folder_inside_archives_names_a_kind_whichever_shards_it_lies_in() -> None:
    inside = ["cat"] * 40 + ["dog"] * 20
    table = metadata([f"shard-{number % 3}.tar::{folder}" for number, folder in enumerate(inside)])
    assert named(table, list(range(40, 60))) == ("dog", "folder")
    flat = pa.table({"uri": [f"/data/{name}.tar::{number}.png" for number, name in enumerate(inside)]})
    assert named(flat, list(range(40, 60))) == ("dog.tar", "folder")


def test_a_column_of_a_thousand_values_or_of_missing_ones_names_nothing_by_chance() -> None:
    random = np.random.default_rng(0)
    many = [f"{value}" for value in random.integers(0, 1000, 3000)]
    sparse_column = ["rain" if row % 300 == 0 else None for row in range(3000)]
    table = metadata(["x"] * 3000, many=many, sparse=sparse_column)
    assert named(table, list(range(100, 130))) is None


def test_the_value_that_is_rarest_elsewhere_names_the_kind() -> None:
    weather = ["fog" if row < 10 else "sun" for row in range(200)]
    camera = ["front" if row < 100 else "rear" for row in range(200)]
    table = metadata(["x"] * 200, weather=weather, camera=camera)
    assert named(table, list(range(10))) == ("fog", "column weather")


def test_a_category_comes_behind_the_user_s_own_columns() -> None:
    own = Labels.of("column scene", ["city", "road"], np.repeat([0, 1], [12, 88]).astype(np.int32))
    category = Labels.of("category", ["bus", "car"], np.repeat([0, 1], [10, 90]).astype(np.int32))
    assert own is not None
    assert category is not None
    members = np.arange(10)
    first, second = name_kind([category, own], members, 100), name_kind([category], members, 100)
    assert first is not None
    assert second is not None
    assert (first.text, second.text) == ("city", "bus")


def test_whole_images_of_coco_are_named_by_what_is_annotated_in_them(tmp_path: Path) -> None:
    for number in range(40):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    annotations = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(40)],
        "annotations": [{"id": number, "image_id": number, "category_id": 1 + (number < 10)} for number in range(40)]
        + [{"id": 100 + number, "image_id": number, "category_id": 1} for number in range(10)],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(annotations))
    entries = list(open_source("real", str(tmp_path / "coco.json")).entries())
    table = pa.table({"uri": [entry.uri for entry in entries]})
    own = annotations_table(entries)
    row = [int(Path(uri).stem) for uri in own["uri"].to_pylist()]
    own = own.append_column("row", pa.array(row, pa.int64()))
    labels = read_labels(SourceMetadata.of_table(table), ImageGroups.singles(np.arange(40)), own, objects=False)
    name = name_kind(labels, np.arange(10), 40)
    assert name is not None
    assert (name.text, name.source) == ("bus", "category")

    # Of objects the annotations know one category each.
    columns = metadata(["x"] * 50, category=["bus"] * 10 + ["car"] * 40)
    (category,) = read_labels(SourceMetadata.of_table(columns), ImageGroups.singles(np.arange(50)), own, objects=True)
    assert category.source == "category"


def test_levels_and_limits_in_words() -> None:
    assert levels_of({"levels": ["P5"]}, ["P2", "P5"]) == "P5 only"  # type: ignore[typeddict-item]
    assert "too few" in none_sentence(None, [(0.0, None)])
