"""From run to run, in kinds: which are closed, smaller, larger or new, and which kinds of two runs are one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from kind_runs import PLAIN, compare_kinds, points
from typer.testing import CliRunner
from vector_run import compare_vectors

import gapscope
from gapscope import Run, diff_kinds
from gapscope.diff.kinds import COLUMNS, describe_kinds
from gapscope.store.gaps import members_path
from gapscope.store.index import index_path
from gapscope.store.location import readable
from gapscope.store.tables import read_whole, write_whole
from gapscope_cli.main import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def lacking(folder: Path) -> Run:
    """A run in which the renders have neither cats nor dogs."""
    return compare_kinds(folder / "lacking", {"cat": 60, "dog": 20}, {})


def moved(run: Run, to: Path, rename: Callable[[str], str], dataset: str = "real") -> Run:
    """The same run, but for the uris of a dataset."""
    shutil.copytree(str(run.path), to)
    for path in (index_path(to, dataset), members_path(to)):
        with readable(path) as file:
            table = read_whole(file)
        of = table["dataset"].to_pylist() if "dataset" in table.column_names else [dataset] * len(table)
        uris = [rename(uri) if own == dataset else uri for uri, own in zip(table["uri"].to_pylist(), of, strict=True)]
        at = table.schema.get_field_index("uri")
        write_whole(path, table.set_column(at, table.schema.field(at), pa.array(uris, table.schema.field(at).type)))
    return gapscope.open_run(to)


def test_a_gap_that_was_filled_is_closed_and_one_that_was_made_is_new(folder: Path, lacking: Run) -> None:
    filled = compare_kinds(folder / "filled", {"cat": 60, "dog": 20}, {"cat": 60, "dog": 0, "bird": 25})
    forth = diff_kinds(lacking, filled)
    assert forth.columns.tolist() == list(COLUMNS)
    before, after = (run.gaps.set_index("name") for run in (lacking, filled))
    assert forth[["verdict", "query", "reference", "name", "before", "after"]].values.tolist() == [
        ["new", "synthetic", "real", "bird", "", after["id"]["bird"]],
        ["as before", "real", "synthetic", "dog", before["id"]["dog"], after["id"]["dog"]],
        ["closed", "real", "synthetic", "cat", before["id"]["cat"], ""],
    ]
    for column in ("groups", "share"):
        assert forth[f"{column}_before"].tolist() == [0, before[column]["dog"], before[column]["cat"]]
        assert forth[f"{column}_after"].tolist() == [after[column]["bird"], after[column]["dog"], 0]
    back = diff_kinds(filled, lacking)
    assert back[["verdict", "name"]].values.tolist() == [["new", "cat"], ["as before", "dog"], ["closed", "bird"]]

    said = CliRunner().invoke(app, ["diff", str(lacking.path), str(filled.path)])
    assert said.exit_code == 0, said.output
    bird, cat = after.loc["bird"], before.loc["cat"]
    assert said.stdout.splitlines()[:4] == [
        "kinds: 1 closed, 1 new, 1 as before",
        f"  new      bird ({bird['id']}): {bird['groups']} of synthetic, {bird['share']:.1%}",
        f"  closed   cat ({cat['id']}): was {cat['groups']} of real, {cat['share']:.1%}",
        "",
    ]


def test_only_a_share_that_differs_beyond_chance_is_smaller_or_larger(folder: Path) -> None:
    many, few, fewer = (compare_kinds(folder / str(count), {"cat": count}, {}) for count in (60, 24, 20))
    for before, after, verdict in (
        (many, few, "smaller"),
        (few, many, "larger"),
        (few, fewer, "as before"),
        (few, few, "as before"),
    ):
        kinds = diff_kinds(before, after)
        assert kinds[["verdict", "name", "before", "after"]].values.tolist() == [[verdict, "cat", "K1", "K1"]]
    (groups, share), (then, then_share) = ((run.gaps["groups"][0], run.gaps["share"][0]) for run in (many, few))
    assert describe_kinds(diff_kinds(many, few)) == [
        "kinds: 1 smaller",
        f"  smaller  cat (K1 -> K1): {groups} -> {then} of real, {share:.1%} -> {then_share:.1%}",
    ]


def unnamed(run: Run) -> Run:
    for gap in run.gaps_record["kinds"]:
        gap["name"] = gap["name_source"] = ""
    return run


@pytest.mark.parametrize(
    ("rename", "same"),
    [
        (lambda uri: uri.replace("/real/", "s3://bucket/v2/real/"), True),
        # The images are others where only the ends of their paths are equal.
        (lambda uri: f"/real/{int(uri[6:-4]) % 2}/{uri[6:]}", False),
        # Without some of it, what all of a dataset has in common is more.
        (lambda uri: uri if int(uri[6:-4]) >= PLAIN else f"/other/{uri[6:]}", True),
    ],
)
def test_kinds_are_one_where_their_images_are_wherever_the_dataset_lies(
    folder: Path, tmp_path: Path, lacking: Run, rename: Callable[[str], str], same: bool
) -> None:
    elsewhere = unnamed(moved(lacking, tmp_path / "moved", rename))
    for before, after in ((Run(lacking.store), elsewhere), (elsewhere, Run(lacking.store))):
        verdicts = sorted(diff_kinds(unnamed(before), unnamed(after))["verdict"])
        assert verdicts == (["as before"] * 2 if same else ["closed"] * 2 + ["new"] * 2)


def test_kinds_of_other_images_are_one_by_the_users_name_and_not_by_a_guess(tmp_path: Path, lacking: Run) -> None:
    again = moved(lacking, tmp_path / "again", lambda uri: uri.replace(".png", "-again.png"))
    kinds = diff_kinds(lacking, again)
    assert kinds[["verdict", "name"]].values.tolist() == [["as before", name] for name in lacking.gaps["name"]]

    before, after = Run(lacking.store), again
    for run in (before, after):
        for gap in run.gaps_record["kinds"]:
            gap["name_source"] = "network" if gap["name"] == "dog" else gap["name_source"]
    kinds = diff_kinds(before, after)
    assert kinds[["verdict", "name"]].values.tolist() == [["new", "dog"], ["as before", "cat"], ["closed", "dog"]]
    assert describe_kinds(kinds)[1].startswith("  new      looks like dog (K")


def test_of_two_kinds_that_share_images_with_one_it_is_that_which_shares_more(tmp_path: Path, lacking: Run) -> None:
    """A third of the cats has become a kind of its own in place of the dogs."""
    swapped = moved(lacking, tmp_path / "swapped", lambda uri: uri)
    path = members_path(swapped.path)
    with readable(path) as file:
        members = read_whole(file).to_pandas()
    cat, dog = (swapped.gaps.set_index("name")["id"][name] for name in ("cat", "dog"))
    members = members[members["kind"] == cat]
    members.loc[members.index[40:], "kind"] = dog
    write_whole(path, pa.Table.from_pandas(members, preserve_index=False))
    kinds = diff_kinds(unnamed(Run(lacking.store)), unnamed(gapscope.open_run(swapped.path)))
    assert kinds[["verdict", "before", "after"]].values.tolist() == [
        ["new", "", dog],
        ["as before", cat, cat],
        ["closed", dog, ""],
    ]


def test_without_kinds_one_line_says_so_and_other_runs_are_refused(folder: Path) -> None:
    alike = compare_kinds(folder / "alike", {}, {})
    kinds = diff_kinds(alike, alike)
    assert (len(kinds), kinds.columns.tolist()) == (0, list(COLUMNS))
    said = CliRunner().invoke(app, ["diff", str(alike.path), str(alike.path)]).stdout.splitlines()
    assert said[:2] == ["kinds: neither run has any", ""]
    other = compare_vectors(folder / "other", {name: {"P3": points(3, {})[0]} for name in ("photos", "paintings")})
    with pytest.raises(gapscope.RunError, match="same name in both runs"):
        diff_kinds(alike, other)


def test_the_reference_is_named_where_there_are_several(lacking: Run) -> None:
    kinds = diff_kinds(lacking, lacking).assign(verdict="larger")
    several = kinds.assign(reference=["drawn", "rendered"])
    assert "of real," in describe_kinds(kinds)[1]
    assert ["of real against drawn," in line for line in describe_kinds(several)[1:]] == [True, False]


def test_what_was_rendered_again_under_the_old_names_is_not_the_same_image(tmp_path: Path, lacking: Run) -> None:
    again = moved(lacking, tmp_path / "again", lambda uri: uri)
    path = index_path(again.path, "real")
    with readable(path) as file:
        table = read_whole(file)
    at = table.schema.get_field_index("encoded_bytes")
    sizes = pa.array(range(len(table)), table.schema.field(at).type)
    write_whole(path, table.set_column(at, table.schema.field(at), sizes))
    kinds = diff_kinds(unnamed(Run(lacking.store)), unnamed(gapscope.open_run(again.path)))
    assert sorted(kinds["verdict"]) == ["closed"] * 2 + ["new"] * 2
