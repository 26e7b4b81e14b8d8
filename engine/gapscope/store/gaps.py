"""gaps.json and gaps.csv: the kinds of image that a dataset lacks, or that differ, the worst first."""

import csv
import io
from collections.abc import Sequence
from typing import Literal, TypedDict

import msgspec
import pyarrow as pa

from gapscope.errors import DamageError, one_line
from gapscope.store.atomic import replacing, write_json, write_text
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, write_whole

NAME = "gaps.json"
TABLE = "gaps.csv"

Sort = Literal["absent", "rare", "looks-different", "arranged-differently", "only-here"]
"""What sort of gap a kind is."""

COLUMNS = (
    "id",
    "sort",
    "query",
    "reference",
    "name",
    "name_source",
    "images",
    "groups",
    "share",
    "levels",
    "readings",
    "q",
    "examples",
    "counterparts",
)
"""The columns of gaps.csv; lists are joined by a semicolon."""

MEMBERS_SCHEMA = pa.schema([("kind", pa.string()), ("dataset", pa.string()), ("row", pa.int64()), ("uri", pa.string())])


class LevelEvidence(TypedDict):
    """How a kind stands at a level.

    `listed` is the share of its groups that the level lists; `lacking` what is missing of the reference among the
    nearest of its images, 0 where there is as much as the datasets' sizes say; `outside` the share of its groups that
    lie outside of 95% of the reference. `counterparts` is how many groups of the reference have their nearest in the
    kind, for each that there would be if it were as frequent there; None where the level does not see content.
    """

    listed: float
    lacking: float
    outside: float
    counterparts: float | None


class Picture(TypedDict):
    """An image that stands for a kind, and its nearest in the reference, which is None where there is none."""

    uri: str
    row: int
    counterpart: str | None
    counterpart_row: int | None
    distance: float | None


class Gap(TypedDict):
    """A kind of image of the query that the reference lacks, has too few of, or shows differently.

    Attributes:
        id: `K1` for the worst, and so on; the manifests' column `kind` has it.
        sort: of gap.
        query: the dataset that the kind is of.
        reference: the dataset that it is held against.
        name: what it is called; empty for no name.
        name_source: `folder`, `category`, `network`, or `column` and the column's name; empty for no name.
        name_share: of a name by the network, how sure the network is; None elsewhere.
        images: of the kind.
        groups: which count as one each.
        share: of the query's groups.
        levels: at which it shows, fine to coarse.
        readings: that list any of it.
        q: the chance that none of it differs, over all levels, directions and readings; None where no list with a
            guarantee holds any of it: it is a suggestion.
        level: at which its pictures are held against their counterparts.
        typical: how many of the pictures are typical; the others are diverse.
        pictures: typical ones first.
        spacing: how far an image of the kind typically is from the nearest of its own dataset, at that level.
        mirror: the id of the kind that the other direction made of its counterparts; None for none.
        title: what sort of gap it is, with the datasets' names.
        advice: one sentence on what to do.
        evidence: by level.
    """

    id: str
    sort: Sort
    query: str
    reference: str
    name: str
    name_source: str
    name_share: float | None
    images: int
    groups: int
    share: float
    levels: list[str]
    readings: list[str]
    q: float | None
    level: str
    typical: int
    pictures: list[Picture]
    spacing: float
    mirror: str | None
    title: str
    advice: str
    evidence: dict[str, LevelEvidence]


class Look(TypedDict):
    """A pair of datasets that differ in look as a whole: at some levels nearly everything is listed as it is."""

    query: str
    reference: str
    levels: list[str]
    share: float
    sentence: str


class LevelRoles(TypedDict):
    """Which levels of a dataset are fine and which coarse, by how much content each sees, 0 to 1."""

    seen: dict[str, float]
    content: list[str]
    fine: list[str]
    coarse: list[str]


class Gaps(TypedDict):
    """The content of gaps.json: the kinds, the looks, what each pair says in one sentence, and the levels' roles."""

    kinds: list[Gap]
    looks: list[Look]
    sentences: dict[str, str]
    levels: dict[str, LevelRoles]


def write_gaps(run: Location, gaps: Gaps) -> None:
    """Write gaps.json and gaps.csv."""
    write_json(run / NAME, gaps)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for gap in gaps["kinds"]:
        cells: dict[str, object] = {
            **gap,
            "q": "" if gap["q"] is None else f"{gap['q']:.3g}",
            "share": f"{gap['share']:.6g}",
            "levels": _joined(gap["levels"]),
            "readings": _joined(gap["readings"]),
            "examples": _joined([picture["uri"] for picture in gap["pictures"]]),
            "counterparts": _joined([picture["counterpart"] or "" for picture in gap["pictures"]]),
        }
        table.writerow([cells[name] for name in COLUMNS])
    write_text(run / TABLE, text.getvalue())


def remove_gaps(run: Location) -> None:
    """Remove gaps.json and gaps.csv, where there are any; the kinds' images are among the manifests."""
    for name in (NAME, TABLE):
        (run / name).unlink(missing_ok=True)


def write_members(run: Location, members: pa.Table) -> None:
    """Write manifests/kinds.parquet and .csv: which images each kind has, with the columns of `MEMBERS_SCHEMA`."""
    path = members_path(run)
    with replacing(path) as temporary:
        write_whole(temporary, members)
    with replacing(path.with_suffix(".csv")) as temporary:
        members.to_pandas().to_csv(temporary, index=False)


def members_path(run: Location) -> Location:
    """Path of the table of the kinds' images; the CSV lies beside it."""
    return run / "manifests" / "kinds.parquet"


def read_members(run: RunStore) -> pa.Table:
    """Return which images each kind has: kind, dataset, row and uri."""
    with readable(members_path(run.path)) as file:
        return read_whole(file)


def _joined(values: Sequence[str]) -> str:
    # A name that holds the separator would be read as two.
    return ";".join(value.replace(";", "%3B") for value in values)


def read_gaps(run: RunStore) -> Gaps:
    """Read gaps.json.

    Raises:
        DamageError: the file is missing or damaged, or speaks of datasets or levels that the run does not have.
    """
    path = run.path / NAME
    try:
        gaps = msgspec.json.decode(path.read_bytes(), type=Gaps)
        _check(run, gaps)
    except FileNotFoundError:
        raise DamageError(f"{path} is missing; see `gapscope verify {run.path}`") from None
    except ValueError as error:
        raise DamageError(f"{path} is damaged ({one_line(error)}); see `gapscope verify {run.path}`") from error
    return gaps


def _check(run: RunStore, gaps: Gaps) -> None:
    pairs = set(run.pairs)
    for gap in gaps["kinds"]:
        if (gap["query"], gap["reference"]) not in pairs:
            raise ValueError(f"{gap['id']} is of datasets that the run does not compare")
        if {*gap["levels"], gap["level"], *gap["evidence"]} - {*run.levels}:
            raise ValueError(f"{gap['id']} is of levels that the run does not have")
        listed = [run.record.datasets[name].listed for name in (gap["query"], gap["reference"])]
        for picture in gap["pictures"]:
            for row, count in zip((picture["row"], picture["counterpart_row"]), listed, strict=True):
                if row is not None and not 0 <= row < count:
                    raise ValueError(f"{gap['id']} names an image that its dataset does not have")
