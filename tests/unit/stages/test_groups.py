"""Which images belong together, as users say it: read off the listing, checked before hours of work, and kept."""

import csv
import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from embedded_run import write_embedded_run
from PIL import Image
from quick_compare import OPTIONS, quick_compare, read_run_files
from recording_progress import RecordingProgress
from typer.testing import CliRunner
from vector_run import compare_vectors

import gapscope
from gapscope.compare.confounders import confounders, file_properties
from gapscope.errors import OptionError, RunError
from gapscope.settings import GroupRule, GroupValues, parse_group_rule
from gapscope.sources import open_source
from gapscope.stages.groups import GroupRules, record_groups, write_listed_groups
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups, groups_path, read_groups, write_groups
from gapscope.store.index import rows_read, write_index
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore
from gapscope_cli.main import app
from gapscope_cli.sources import parse_named
from gapscope_cli.summary import print_summary

Group = GroupValues | Mapping[str, GroupValues]


def listed_groups(
    folder: Path, sources: Mapping[str, Path | str], group: Group, *, objects: bool = False
) -> tuple[dict[str, list[str] | None], list[str]]:
    """List the datasets and settle what the listing tells of groups, without an image being read.

    Returns:
        The group of each listed image by dataset, None where the listing does not tell; and what was said.
    """
    opened = {name: open_source(name, str(source), objects=objects) for name, source in sources.items()}
    rules, progress = GroupRules(group, opened), RecordingProgress()
    record = RunRecord.of_embeddings(dict.fromkeys(opened, 0), {"P5": 4}, block_rows=32)
    locations = {name: source.location for name, source in opened.items()}
    record.config = replace(record.config, datasets=locations, objects=objects)
    (folder / "run").mkdir()
    run = RunStore(folder / "run", record)
    for name, source in opened.items():
        write_index(run, name, source.entries(), source.columns)
    write_listed_groups(run, rules, progress)
    groups: dict[str, list[str] | None] = {}
    for name in opened:
        path = Path(str(groups_path(run.path, name)))
        groups[name] = pd.read_parquet(path)["group"].tolist() if path.exists() else None
    return groups, progress.notes


def write_files(folder: Path, names: Sequence[str]) -> Path:
    """Files with names of images; a listing does not look into them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def write_list(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """A CSV list of images that need not exist, with some columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *columns])
        writer.writerows([f"{row}.png", *values] for row, values in enumerate(zip(*columns.values(), strict=True)))
    return path


def write_tar(path: Path, names: Sequence[str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six files in three folders."""
    names = ["seq1/cam0/a.png", "seq1/cam0/b.png", "seq1/cam1/a.png", "seq2/c.png", "seq2/d.png", "seq2/e.jpg"]
    return write_files(tmp_path / "real", names)


def test_a_folder_is_a_group(folder: Path, tmp_path: Path) -> None:
    groups, notes = listed_groups(tmp_path, {"real": folder}, "folder")
    assert groups["real"] == [f"{folder}/seq1/cam0"] * 2 + [f"{folder}/seq1/cam1"] + [f"{folder}/seq2"] * 3
    assert notes == []


def test_a_folder_within_an_archive_is_a_group_and_so_is_what_lies_in_none(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "0.tar", ["a/1.png", "a/2.png", "b/c/1.png", "top.png", "other.png"])
    assert listed_groups(tmp_path, {"real": shard}, "folder")[0]["real"] == [
        f"{shard}::a",
        f"{shard}::a",
        f"{shard}::b/c",
        f"{shard}",
        f"{shard}",
    ]


def test_the_members_of_a_sample_in_an_archive_are_a_group(tmp_path: Path) -> None:
    # WebDataset: the key goes up to the first dot of the name, and another archive has other samples.
    names = ["0001.left.png", "0001.right.png", "0001.json", "0002.left.png", "day.1/0001.png", "day.1/0001.depth.png"]
    shards = [write_tar(tmp_path / f"{number}.tar", names) for number in range(2)]
    groups = listed_groups(tmp_path, {"real": tmp_path / "*.tar"}, "tar")[0]["real"]
    assert groups is not None
    assert groups == [
        f"{shard}::{key}" for shard in shards for key in ("0001", "0001", "0002", "day.1/0001", "day.1/0001")
    ]


def test_equal_values_of_a_column_are_a_group(tmp_path: Path) -> None:
    table = write_list(tmp_path / "real.csv", {"scene": ["quay", "quay", "fair", "quay"], "take": [7, 8, 7, 7.5]})
    for number, (rule, expected) in enumerate(
        (
            ("column:scene", ["quay", "quay", "fair", "quay"]),
            ("scene", ["quay", "quay", "fair", "quay"]),
            ("take", ["7", "8", "7", "7.5"]),
        )
    ):
        (inner := tmp_path / str(number)).mkdir()
        assert listed_groups(inner, {"real": table}, rule)[0]["real"] == expected


def test_what_has_no_value_in_a_column_counts_one_by_one_and_is_told(tmp_path: Path) -> None:
    for value in ("a", "7"):
        (inner := tmp_path / value).mkdir()
        table = write_list(inner / "real.csv", {"scene": [value, "", value, ""]})
        groups, (note,) = listed_groups(inner, {"real": table}, "scene")
        assert groups["real"] == [value, f"{inner}/1.png", value, f"{inner}/3.png"]
        assert note == (
            "real: 2 of 4 images are in no group and count one by one, as column scene is empty, for example for "
            f"{inner}/1.png"
        )


def test_what_a_pattern_captures_is_a_group(folder: Path, tmp_path: Path) -> None:
    groups, notes = listed_groups(tmp_path, {"real": folder}, r"pattern:/(seq\d+)/")
    assert groups["real"] == ["seq1"] * 3 + ["seq2"] * 3
    assert notes == []


def test_what_a_pattern_does_not_match_counts_one_by_one_and_is_told(folder: Path, tmp_path: Path) -> None:
    groups, (note,) = listed_groups(tmp_path, {"real": folder}, r"pattern:(cam\d)")
    assert groups["real"] == [
        "cam0",
        "cam0",
        "cam1",
        *(f"{folder}/seq2/{name}" for name in ("c.png", "d.png", "e.jpg")),
    ]
    assert note == (
        "real: 3 of 6 images are in no group and count one by one, as the pattern does not match, for example for "
        f"{folder}/seq2/c.png"
    )


def test_a_capture_that_takes_no_part_in_a_match_is_no_group(folder: Path, tmp_path: Path) -> None:
    groups, notes = listed_groups(tmp_path, {"real": folder}, r"pattern:seq\d/(?:(cam\d)/)?")
    assert groups["real"] == [
        "cam0",
        "cam0",
        "cam1",
        *(f"{folder}/seq2/{name}" for name in ("c.png", "d.png", "e.jpg")),
    ]
    assert len(notes) == 1


def test_values_from_python_are_groups_and_none_is_an_image_on_its_own(folder: Path, tmp_path: Path) -> None:
    values = ["a", None, "a", "b", "b", None]
    forms: list[Any] = [values, np.array(values, object), pd.Series(values), pd.Series(values).replace({None: np.nan})]
    for number, form in enumerate(forms):
        (inner := tmp_path / str(number)).mkdir()
        groups = listed_groups(inner, {"real": folder}, {"real": form})[0]["real"]
        assert groups == ["a", f"{folder}/seq1/cam0/b.png", "a", "b", "b", f"{folder}/seq2/e.jpg"]
    (inner := tmp_path / "numbers").mkdir()
    numbers: Group = {"real": (np.arange(6) // 2).tolist()}
    assert listed_groups(inner, {"real": folder}, numbers)[0]["real"] == list("001122")
    (inner := tmp_path / "missing").mkdir()
    missing: Group = {"real": [pd.NA, pd.NaT, np.float32("nan"), "", 7.0, "7"]}
    groups = listed_groups(inner, {"real": folder}, missing)[0]["real"]
    assert groups is not None
    assert len(set(groups[:4])) == 4
    assert groups[4:] == ["7", "7"]


def test_the_objects_of_an_image_are_a_group_by_default(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "images", ["a.jpg", "b#2.jpg", "c.jpg"])
    boxes = [(1, 5), (1, 5), (1, 6), (2, 7), (2, 8), (3, 9)]
    content = {
        "images": [{"file_name": path.name, "id": number} for number, path in enumerate(sorted(folder.iterdir()), 1)],
        "annotations": [{"image_id": image, "id": own, "bbox": [1, 1, 9, 9], "category_id": 1} for image, own in boxes],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    source = f"{tmp_path}/coco.json::images"
    for number, (group, expected) in enumerate(
        (("auto", [f"{folder}/{name}" for name in ["a.jpg"] * 3 + ["b#2.jpg"] * 2 + ["c.jpg"]]), ("none", None))
    ):
        (inner := tmp_path / str(number)).mkdir()
        assert listed_groups(inner, {"real": source}, group, objects=True)[0]["real"] == expected


@pytest.mark.parametrize("group", ["none", "auto"])
def test_the_listing_tells_of_no_groups_where_none_or_bursts_are_wanted(
    group: str, folder: Path, tmp_path: Path
) -> None:
    assert listed_groups(tmp_path, {"real": folder}, group) == ({"real": None}, [])


def test_each_dataset_may_have_a_rule_of_its_own_and_auto_is_for_the_others(folder: Path, tmp_path: Path) -> None:
    table = write_list(tmp_path / "synthetic.csv", {"scene": ["x", "y"]})
    sources = {"real": folder, "synthetic": table, "third": table, "fourth": table}
    group: Group = {"real": r"pattern:(seq\d)", "synthetic": "scene", "fourth": ["p", "q"]}
    groups, _ = listed_groups(tmp_path, sources, group)
    assert groups == {
        "real": ["seq1"] * 3 + ["seq2"] * 3,
        "synthetic": ["x", "y"],
        "third": None,
        "fourth": ["p", "q"],
    }


WRONG: dict[str, tuple[Group, str]] = {
    "a column that the dataset lacks": ("column:place", "real has no column place: it has no columns"),
    "a word that is no rule": ("burst", "real has no column burst: it has no columns"),
    "a column without a name": ("column:", "give column:NAME"),
    "a pattern without a regular expression": ("pattern:", "give pattern:REGEX"),
    "a pattern without a capture group": (r"pattern:seq\d", "has 0 capture groups: put one pair of parentheses"),
    "a pattern with two capture groups": (r"pattern:(seq)(\d)", "has 2 capture groups: put one pair of parentheses"),
    "an invalid regular expression": ("pattern:(seq", "is no regular expression (missing )"),
    "a pattern that never matches": ("pattern:(scene)", "matches no image of real, such as {folder}/seq1/cam0/a.png"),
    "all images in one group": ("pattern:(seq)", "all 6 images of real are one group, seq: one group is one sample"),
    "no rule at all": ("", "is empty: give folder, tar, column:NAME, pattern:REGEX, none or auto"),
    "an archive where there is none": ("tar", "real has no image in a tar archive"),
    "too few values": ({"real": ["a"] * 5}, "has 5 values for dataset real, which lists 6 images"),
    "values that are all the same": ({"real": ["a"] * 6}, "all 6 images of real are one group, a"),
    "a dataset that is none": ({"reel": "folder"}, "`group` names dataset reel, and there are real"),
    "values for all datasets at once": (
        ["a"] * 6,
        "values per image are for one dataset: give `group` as {{NAME: values}}",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_rule_that_cannot_be_meant_is_one_helpful_error(case: str, folder: Path, tmp_path: Path) -> None:
    group, words = WRONG[case]
    with pytest.raises(OptionError) as caught:
        listed_groups(tmp_path, {"real": folder}, group)
    assert words.format(folder=folder) in caught.value.message
    assert caught.value.argument == "group" or "`group`" in caught.value.message
    assert "None" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_that_a_dataset_lacks_is_answered_with_those_that_it_has(tmp_path: Path) -> None:
    table = write_list(tmp_path / "real.csv", {"scene": ["x", "y"], "take": [1, 2]})
    with pytest.raises(OptionError, match="dataset real has no column place: its columns are scene, take") as caught:
        listed_groups(tmp_path, {"real": table}, "place")
    assert caught.value.value == "place"


def test_a_single_image_may_be_the_only_group(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "real", ["a/1.png"])
    assert listed_groups(tmp_path, {"real": folder}, "folder")[0]["real"] == [f"{folder}/a"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("auto", GroupRule("auto")),
        ("tar", GroupRule("tar")),
        ("column:folder", GroupRule("column", "folder")),
        ("scene id", GroupRule("column", "scene id")),
        ("folder:name", GroupRule("column", "folder:name")),
        ("pattern:a:(b)", GroupRule("pattern", "a:(b)")),
        (r"pattern:(?:x|y)(\d)", GroupRule("pattern", r"(?:x|y)(\d)")),
    ],
)
def test_a_rule_is_read_as_it_was_meant(text: str, rule: GroupRule) -> None:
    assert parse_group_rule(text) == rule


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["auto"], {"real": "auto", "synthetic": "auto"}),
        (["folder"], {"real": "folder", "synthetic": "folder"}),
        (["real=folder"], {"real": "folder", "synthetic": "auto"}),
        (["synthetic=scene", "none"], {"real": "none", "synthetic": "scene"}),
        (["real=folder", "synthetic=tar"], {"real": "folder", "synthetic": "tar"}),
        # An equals sign that follows no dataset's name is the rule's own.
        ([r"pattern:job=(\d+)"], {"real": r"pattern:job=(\d+)", "synthetic": r"pattern:job=(\d+)"}),
        ([r"real=pattern:job=(\d+)"], {"real": r"pattern:job=(\d+)", "synthetic": "auto"}),
    ],
)
def test_the_command_line_takes_a_rule_for_all_and_one_per_dataset(
    arguments: list[str], expected: dict[str, str]
) -> None:
    assert parse_named("group", arguments, ["real", "synthetic"]) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["real=folder", "real=tar"], "dataset real has two values"),
        (["folder", "tar"], "folder and tar are both for all datasets: write NAME=VALUE, where NAME is one of real"),
    ],
)
def test_two_rules_for_one_dataset_are_an_error(arguments: list[str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        parse_named("group", arguments, ["real", "synthetic"])


def recorded(folder: Path, real: Sequence[str], synthetic: Sequence[str]) -> tuple[RunStore, list[str]]:
    """A run of embedded images in some groups, and what is told of these."""
    random = np.random.default_rng(0)
    values = {"real": real, "synthetic": synthetic}
    run = write_embedded_run(
        folder / "run", {name: {"P5": random.normal(size=(len(own), 4))} for name, own in values.items()}
    )
    for name, own in values.items():
        write_groups(run, name, own)
    progress = RecordingProgress()
    record_groups(run, {"real": "column:scene", "synthetic": "folder"}, progress)
    return run, progress.notes


def test_groups_in_both_datasets_are_told_and_recorded(tmp_path: Path) -> None:
    run, notes = recorded(
        tmp_path, ["quay", "quay", "fair", "mall", "park", "zoo"], ["fair", "zoo", "x", "quay", "park"]
    )
    assert run.record.shared_groups == {"real-vs-synthetic": 4, "synthetic-vs-real": 4}
    (note,) = [note for note in notes if "both" in note]
    assert note.startswith("4 groups are in both real and synthetic (")
    named = note[note.index("(") + 1 : note.index(")")].split(", ")
    assert set(named[:3]) < {"quay", "fair", "park", "zoo"}
    assert named[3:] == ["..."]
    assert note.endswith("they count as the same scenes, which are never compared with themselves")


def test_groups_of_one_dataset_alone_are_not_shared(tmp_path: Path) -> None:
    run, notes = recorded(tmp_path, ["a", "a", "b"], ["c", "d", "d"])
    assert run.record.shared_groups == {}
    assert not any("both" in note for note in notes)
    groups = {name: dataset.groups for name, dataset in run.record.datasets.items()}
    assert groups["real"] is not None
    assert groups["synthetic"] is not None
    assert (groups["real"].rule, groups["real"].unit, groups["real"].count) == ("column:scene", "group", 2)
    assert (groups["synthetic"].rule, groups["synthetic"].unit, groups["synthetic"].longest) == ("folder", "folder", 2)
    assert run.record.describe_count("synthetic", 3, 2) == "3 images in 2 folders"


def few_hundred() -> dict[str, dict[str, Any]]:
    """300 real images, 30 of which are of a kind that 300 synthetic ones lack."""
    random = np.random.default_rng(0)
    vectors = {name: {"P5": random.normal(size=(300, 6))} for name in ("real", "synthetic")}
    vectors["real"]["P5"][:30] = vectors["real"]["P5"][:30] / 4 + 9 * np.eye(6)[0]
    return vectors


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    return compare_vectors(tmp_path_factory.mktemp("plain") / "run", few_hundred(), broken={"real": 3})


def test_a_few_hundred_images_can_be_listed_without_a_message_or_a_ranking(plain: gapscope.Run) -> None:
    for pair in plain.pairs:
        assert plain.metrics["limits"][pair.name] == {"smallest_gap": 18, "message": None}
        assert plain.metrics["levels"]["P5"]["pairs"][pair.name]["ranking"] == []
    rows = plain.outliers("P5", "real", "synthetic")["row"]
    assert set(range(3, 33)) <= {*rows.tolist()}
    assert "group" not in plain.outliers("P5", "real", "synthetic")


def test_groups_of_one_give_what_no_groups_give_byte_for_byte(plain: gapscope.Run, tmp_path: Path) -> None:
    # Names in another order than the images.
    random = np.random.default_rng(1)
    names = {name: [f"{name} {number}" for number in random.permutation(300)] for name in plain.datasets}
    grouped = compare_vectors(tmp_path / "run", few_hundred(), broken={"real": 3}, group=names)
    manifests = {path.name for path in (plain.path / "manifests").iterdir()}
    assert manifests == {path.name for path in (grouped.path / "manifests").iterdir()}
    for name in manifests:
        assert (plain.path / "manifests" / name).read_bytes() == (grouped.path / "manifests" / name).read_bytes(), name
    for key in ("headlines", "limits", "duplicates", "levels", "confounders", "across_levels"):
        assert plain.metrics[key] == grouped.metrics[key], key
    assert plain.record.scaler == grouped.record.scaler
    assert grouped.record.grouped_pairs == []


SCENES, FRAMES = 10, 6
RULES = ("real=folder", r"synthetic=pattern:take(\d+)")
COPY = "99.png"


def write_scenes(folder: Path, names: Sequence[str], seed: int) -> Path:
    """A folder per scene, which has a light of its own, and in which the camera moves a little from frame to frame."""
    random = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True)
        pixels = random.integers(0, 256, (6, 9, 3)) * random.uniform(0.3, 1)
        scene = Image.fromarray(pixels.astype(np.uint8)).resize((110, 72), Image.Resampling.BICUBIC)
        for frame in range(FRAMES):
            scene.crop((2 * frame, frame // 2, 2 * frame + 80, frame // 2 + 60)).save(
                folder / name / f"{frame:02d}.png"
            )
    return folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ten scenes each; one frame of a real one was copied into another real one, and into a synthetic one."""
    folder = tmp_path_factory.mktemp("scenes")
    real = write_scenes(folder / "real", [f"scene{number}" for number in range(SCENES)], 1)
    synthetic = write_scenes(folder / "synthetic", [f"take{number}" for number in range(SCENES)], 2)
    for copy in (real / "scene7", synthetic / "take5"):
        shutil.copy(real / "scene0" / "03.png", copy / COPY)
    return {"real": str(real), "synthetic": str(synthetic)}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of every comparison here: one level, no thumbnails, and each image is embedded once."""
    cache = str(tmp_path_factory.mktemp("cache"))
    return {"levels": ["P5"], "thumbnails": "off", "cache": cache, "reference": "real"}


@pytest.fixture(scope="module")
def grouped(scenes: dict[str, str], options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    """The scenes, compared with a rule per dataset."""
    group = parse_named("group", RULES, list(scenes))
    return quick_compare(scenes, tmp_path_factory.mktemp("grouped") / "run", group=group, **options)


def test_every_image_is_in_the_group_that_its_rule_says(grouped: gapscope.Run, scenes: dict[str, str]) -> None:
    for name, prefix in (("real", f"{scenes['real']}/scene"), ("synthetic", "")):
        groups = read_groups(grouped.store, name)
        assert groups.names is not None
        assert sorted(groups.names.to_pylist()) == [f"{prefix}{number}" for number in range(SCENES)]
        for uri, group in zip(grouped.index(name)["uri"], groups.names.take(groups.group).to_pylist(), strict=True):
            assert f"{group.removeprefix(scenes['real'])}/" in uri
    records = [grouped.record.datasets[name].groups for name in grouped.datasets]
    assert [(each.rule, each.unit, each.count, each.longest) for each in records if each is not None] == [
        ("folder", "folder", SCENES, FRAMES + 1),
        (r"pattern:take(\d+)", "group", SCENES, FRAMES + 1),
    ]
    assert grouped.record.config.group == dict(rule.split("=", 1) for rule in RULES)
    assert grouped.metrics["datasets"]["real"]["groups"] == SCENES


def test_scenes_with_a_light_of_their_own_raise_no_warning_where_they_are_known(grouped: gapscope.Run) -> None:
    known = grouped.metrics["confounders"]["real-vs-synthetic"]
    assert known["warning"] is None
    # Trees that see the same scenes in every fold know each by its light.
    real, synthetic = (
        file_properties(grouped.store, name, ImageGroups.singles(rows_read(grouped.store, name)))
        for name in grouped.datasets
    )
    unknown = confounders(real, synthetic, Pair("real", "synthetic"))
    assert unknown["warning"] is not None
    assert unknown["auc"] > known["auc"] + 0.2


def test_frames_of_one_clip_repeat_each_other_and_copies_across_clips_are_duplicates(
    grouped: gapscope.Run, scenes: dict[str, str]
) -> None:
    duplicates = grouped.metrics["duplicates"]
    assert duplicates["repeats"]["real"] >= SCENES * FRAMES - 5
    table = grouped.duplicates
    copies = [
        f"{scenes['real']}/scene0/03.png",
        f"{scenes['real']}/scene7/{COPY}",
        f"{scenes['synthetic']}/take5/{COPY}",
    ]
    exact = table[table["match"] == "exact"]
    assert {frozenset(pair) for pair in zip(exact["uri"], exact["copy_uri"], strict=True)} == {
        frozenset((one, other)) for one in copies for other in copies if one < other
    }
    # Neighboring frames of the copied one may be near enough to its copies, and nothing else is.
    scene_of = {uri: uri.rpartition("/")[0] for uri in [*table["uri"], *table["copy_uri"]]}
    assert all(scene_of[one] != scene_of[other] for one, other in zip(table["uri"], table["copy_uri"], strict=True))
    assert set(scene_of.values()) <= {uri.rpartition("/")[0] for uri in copies}
    assert duplicates["pairs"]["synthetic-vs-synthetic"] == {"exact": 0, "near": 0}


def test_the_console_counts_groups(grouped: gapscope.Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(grouped)
    shown = capsys.readouterr().out
    images = SCENES * FRAMES + 1
    assert f"{images} real images in {SCENES} folders against {images} synthetic images in {SCENES} groups" in shown
    assert f"0% (0 of {images} images, 0 of {SCENES} folders)" in shown
    assert "real images are near copies of another image of their own folder" in shown
    page = (grouped.path / "report" / "data" / "facts.js").read_text()
    assert f"{images} images in {SCENES} folders" in page
    assert f"{images} images in {SCENES} groups" in page


def arguments_of(scenes: dict[str, str], run: Path, options: dict[str, Any], rules: Sequence[str]) -> list[str]:
    """The command that `quick_compare` stands for."""
    every = {**OPTIONS, **options, "levels": ",".join(options["levels"])}
    flags = [word for name, value in every.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    groups = [word for rule in rules for word in ("--group", rule)]
    return ["compare", *(f"{name}={source}" for name, source in scenes.items()), "--out", str(run), *flags, *groups]


def test_the_same_command_changes_nothing(
    grouped: gapscope.Run, scenes: dict[str, str], options: dict[str, Any]
) -> None:
    files, record = read_run_files(grouped.path), gapscope.open_run(grouped.path).record
    result = CliRunner().invoke(app, arguments_of(scenes, Path(str(grouped.path)), options, RULES))
    assert result.exit_code == 0, result.output
    assert f"real: {SCENES * FRAMES + 1} images in {SCENES} folders" in result.stderr
    assert read_run_files(grouped.path) == files
    again = gapscope.open_run(grouped.path).record
    for name in ("config", "datasets", "scaler", "grouped_pairs", "shared_groups"):
        assert getattr(again, name) == getattr(record, name)


@pytest.mark.parametrize("update", [False, True])
def test_other_groups_make_another_run(
    update: bool, grouped: gapscope.Run, scenes: dict[str, str], options: dict[str, Any]
) -> None:
    files = read_run_files(grouped.path)
    synthetic: GroupValues = [*"ab"] * 30 + ["a"] if update else "folder"
    words = r"group\.synthetic was pattern:take\(\\d\+\), now " + ("values:" if update else "folder")
    with pytest.raises(RunError, match=words) as caught:
        quick_compare(
            scenes, Path(str(grouped.path)), group={"real": "folder", "synthetic": synthetic}, update=update, **options
        )
    assert "group.real" not in str(caught.value)
    assert read_run_files(grouped.path) == files


def test_a_rule_that_was_refused_does_not_stick_to_the_run(
    scenes: dict[str, str], options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="matches no image of real"):
        quick_compare(scenes, tmp_path / "run", group="pattern:(sceen)", **options)
    run = quick_compare(scenes, tmp_path / "run", group="folder", **options)
    assert run.metrics["datasets"]["real"]["groups"] == SCENES
    assert run.record.config.group == {"real": "folder", "synthetic": "folder"}


def test_an_update_takes_values_for_the_images_that_were_added(
    scenes: dict[str, str], options: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(scenes["real"], tmp_path / "real")
    sources = scenes | {"real": str(tmp_path / "real")}
    values = [number // 2 for number in range(SCENES * FRAMES + 1)]
    quick_compare(sources, tmp_path / "run", group={"real": values, "synthetic": "folder"}, **options)
    # One image comes into the middle of the listing, and another one goes.
    shutil.copy(tmp_path / "real" / "scene0" / "03.png", tmp_path / "real" / "scene4" / "00a.png")
    (tmp_path / "real" / "scene2" / "01.png").unlink()
    listed = [entry.uri for entry in open_source("real", sources["real"]).entries()]
    group_of = {uri: f"group {number // 2}" for number, uri in enumerate(listed)}
    more: Group = {"real": list(group_of.values()), "synthetic": "folder"}
    run = quick_compare(sources, tmp_path / "run", group=more, update=True, **options)
    groups = run.groups("real")
    assert dict(zip(groups["uri"], groups["group"], strict=True)) == group_of
    assert gapscope.verify(run.path).sound


@pytest.mark.parametrize("names", [("x", "y"), ("x", "x")])
def test_two_clips_of_one_scene_each_are_compared_and_whole(names: tuple[str, str], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = {name: {"P5": random.normal(size=(5, 8))} for name in ("a", "b")}
    group = {name: [value] * 5 for name, value in zip(("a", "b"), names, strict=True)}
    run = compare_vectors(tmp_path / "run", vectors, group=group)
    limits = run.metrics["limits"]["a-vs-b"]
    assert limits["smallest_gap"] is None
    assert "too few to list anything" in str(limits["message"])
    assert len(run.outliers("P5", "a", "b")) == 0
    faults = [str(fault) for fault in gapscope.verify(run.path).faults if "neighbors" in str(fault)]
    assert faults == []


def test_an_update_adds_a_dataset_with_groups_of_its_own(
    grouped: gapscope.Run, scenes: dict[str, str], options: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(str(grouped.path), out)
    third = write_scenes(tmp_path / "third", ["x", "y", "z"], 3)
    values = [letter for letter in "xyz" for _ in range(FRAMES)]
    group: dict[str, GroupValues] = {"third": values}
    group.update(parse_named("group", RULES, list(scenes)))
    run = quick_compare({**scenes, "third": str(third)}, out, group=group, update=True, **options)
    assert run.datasets == ("real", "synthetic", "third")
    assert run.metrics["datasets"]["third"]["groups"] == 3
    assert len(run.record.grouped_pairs) == 9
    for pair in run.pairs:
        metrics = run.metrics["levels"]["P5"]["pairs"][pair.name]
        assert (metrics["groups"], metrics["reference_groups"]) == tuple(
            3 if name == "third" else SCENES for name in pair
        )
    # What was there before is as it was.
    assert run.record.scaler == grouped.record.scaler
    for name in ("real", "synthetic"):
        assert run.record.datasets[name].groups == grouped.record.datasets[name].groups
    pair_name = "real-vs-synthetic"
    before, after = (each.metrics["levels"]["P5"]["pairs"][pair_name]["ranking"] for each in (grouped, run))
    assert after == before


def test_bursts_are_found_told_and_counted_where_no_rule_is_given(
    scenes: dict[str, str], options: dict[str, Any], tmp_path: Path
) -> None:
    flat = tmp_path / "video"
    flat.mkdir()
    for number, path in enumerate(sorted(Path(scenes["real"]).rglob("0*.png"))):
        shutil.copy(path, flat / f"{number:04d}.png")
    stills = tmp_path / "stills"
    random = np.random.default_rng(7)
    stills.mkdir()
    for number in range(7):
        Image.fromarray(random.integers(0, 256, (6, 9, 3)).astype(np.uint8)).resize((80, 60)).save(
            stills / f"{number}.png"
        )
    datasets = {"video": str(flat), "stills": str(stills)}
    result = CliRunner().invoke(app, arguments_of(datasets, tmp_path / "run", options | {"reference": "video"}, []))
    assert result.exit_code == 0, result.output
    assert (
        f"video looks like {SCENES} clips of about {FRAMES} frames: p-values count clips; --group none counts images"
    ) in result.stderr
    images = SCENES * FRAMES
    assert f"{images} video images in {SCENES} clips against 7 stills images" in result.stdout
    assert f"images, 0 of {SCENES} clips)" in result.stdout
    record = gapscope.open_run(tmp_path / "run").record
    assert [each.groups.rule for each in record.datasets.values() if each.groups is not None] == ["bursts", "none"]
    assert record.config.group == {"video": "auto", "stills": "auto"}
    groups = read_groups(gapscope.open_run(tmp_path / "run").store, "video")
    np.testing.assert_array_equal(groups.lengths, [FRAMES] * SCENES)
    assert (np.diff(groups.group[np.argsort(groups.rows)]) != 0).sum() == SCENES - 1


BAD = {
    "a column that is not there": (["place"], "--group place: dataset real has no column place"),
    "two rules for all": (["folder", "tar"], "--group tar: folder and tar are both for all datasets"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_rule_is_one_clear_line_and_exit_code_2(
    case: str, scenes: dict[str, str], options: dict[str, Any], tmp_path: Path
) -> None:
    rules, words = BAD[case]
    result = CliRunner().invoke(app, arguments_of(scenes, tmp_path / "run", options, rules))
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("gapscope: ")]
    assert words in line
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()
