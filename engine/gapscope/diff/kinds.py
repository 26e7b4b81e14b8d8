"""Which kinds of image that a dataset lacks are closed, smaller, larger or new, from one run to another."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import fisher_exact

from gapscope.diff.chance import SURE, holm
from gapscope.diff.comparable import check_comparable
from gapscope.run import Run
from gapscope.store.gaps import Gap, read_members
from gapscope.store.index import read_index, read_uris

CLOSED, SMALLER, LARGER, NEW, AS_BEFORE = "closed", "smaller", "larger", "new", "as before"
COLUMNS = (
    "verdict",
    "query",
    "reference",
    "name",
    "name_source",
    "sort",
    "before",
    "after",
    "groups_before",
    "groups_after",
    "share_before",
    "share_after",
)

_WORST_FIRST = (NEW, LARGER, AS_BEFORE, SMALLER, CLOSED)
_WIDTH = max(map(len, (CLOSED, SMALLER, LARGER, NEW)))
_NETWORK = "network"
"""The source of a name that is a guess: the same one need not be the same kind."""
_SAME_KIND = 0.3
"""How much of the smaller of two kinds lies in the other where both are one."""

Kinds = Mapping[str, Gap]
"""Kinds of a run by id, the worst first."""


def diff_kinds(before: Run, after: Run) -> pd.DataFrame:
    """Compare the kinds of two runs: a row per kind of either one, of the ordered pairs that both have.

    Two kinds are one where at least 30% of the smaller one's images are in the other. An image is known by its size in
    bytes and its uri or, where the runs have more in common that way, its uri below the folder that holds the whole
    dataset: a new version of a dataset seldom lies where the old one did. Kinds that this leaves are one where the
    user's own folders, categories or columns give both the same name. Those that share the most images are matched
    first, and each once.

    A kind of both runs is `smaller` or `larger` where its share of the query's groups differs by Fisher's exact test,
    corrected for how many kinds are tested (Holm), at 5%. `closed` says that the later run finds no such kind, and
    `new` that the earlier one does not; neither is tested.

    Returns:
        Columns verdict (`closed`, `smaller`, `larger`, `as before` or `new`), query, reference, name, name_source and
        sort (of the later run where it has the kind), before and after (the kind's id in either run), groups_before,
        groups_after, share_before and share_after (of the query's groups, 0 to 1). Where a run lacks the kind, its id
        is empty, and its groups and share are 0. The worst news comes first: new, larger, as before, smaller, closed.

    Raises:
        RunError: the runs embed differently, or have no pair of datasets in common.
        DamageError: gaps.json of a run is missing or damaged.

    Example:
        >>> import gapscope
        >>> kinds = diff_kinds(gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday"))
        >>> kinds[["verdict", "query", "before", "after", "groups_before"]].values.tolist()
        [['closed', 'real', 'K1', '', 20]]
    """
    check_comparable(before, after)
    pairs = {*before.pairs} & {*after.pairs}
    first, second = (
        {gap["id"]: gap for gap in run.gaps_record["kinds"] if (gap["query"], gap["reference"]) in pairs}
        for run in (before, after)
    )
    earlier = _match([*_sharing_images(before, after, first, second), *_sharing_names(first, second)])
    verdicts = _verdicts({other: (first[one], second[other]) for other, one in earlier.items()}, before, after)
    rows = [_row(verdicts.get(other, NEW), first.get(earlier.get(other, "")), gap) for other, gap in second.items()]
    rows += [_row(CLOSED, gap, None) for one, gap in first.items() if one not in earlier.values()]
    # Kinds of one verdict stay in the order of their run.
    rows.sort(key=lambda row: _WORST_FIRST.index(row["verdict"]))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(COLUMNS[-4:-2], "int64") | dict.fromkeys(COLUMNS[-2:], "float64"))


def describe_kinds(kinds: pd.DataFrame) -> list[str]:
    """Return what `diff_kinds` found as lines: how many kinds have which verdict, then each that is not as before.

    The reference is named where there are more than two datasets.

    Example:
        >>> cat = ["closed", "real", "synthetic", "cat", "folder", "absent", "K4", "", 28, 0, 0.078, 0.0]
        >>> dog = ["larger", "real", "synthetic", "dog", "network", "rare", "K2", "K1", 30, 60, 0.083, 0.167]
        >>> for line in describe_kinds(pd.DataFrame([dog, cat], columns=list(COLUMNS))):
        ...     print(line)
        kinds: 1 closed, 1 larger
          larger   looks like dog (K2 -> K1): 30 -> 60 of real, 8.3% -> 16.7%
          closed   cat (K4): was 28 of real, 7.8%
    """
    if kinds.empty:
        return ["kinds: neither run has any"]
    counts = kinds["verdict"].value_counts()
    said = [
        f"{counts[verdict]} {verdict}" for verdict in (CLOSED, SMALLER, LARGER, NEW, AS_BEFORE) if verdict in counts
    ]
    several = len({*kinds["query"], *kinds["reference"]}) > 2
    changed = kinds[kinds["verdict"] != AS_BEFORE].to_dict("records")
    return [f"kinds: {', '.join(said)}", *(f"  {describe_kind_change(kind, several=several)}" for kind in changed)]


def describe_kind_change(kind: Mapping[Hashable, Any], *, several: bool = False) -> str:
    """Return what became of a kind as a line.

    Args:
        kind: a row of `diff_kinds`.
        several: whether to name the reference.
    """
    name = f"looks like {kind['name']}" if kind["name_source"] == _NETWORK else kind["name"] or "no name"
    ids, groups, share = (
        " -> ".join(written(kind[column]) for column in columns if kind[column])
        for columns, written in (
            (("before", "after"), str),
            (("groups_before", "groups_after"), "{:,}".format),
            # In whole percent, as shares are elsewhere, many a change would not show.
            (("share_before", "share_after"), "{:.1%}".format),
        )
    )
    was = "was " if kind["verdict"] == CLOSED else ""
    against = f" against {kind['reference']}" if several else ""
    return f"{kind['verdict']:<{_WIDTH}}  {name} ({ids}): {was}{groups} of {kind['query']}{against}, {share}"


def _verdicts(both: Mapping[str, tuple[Gap, Gap]], before: Run, after: Run) -> dict[str, str]:
    """Return what became of each kind that both runs have."""
    p = holm({name: _change_p(one, before, other, after) for name, (one, other) in both.items()})
    return {
        name: AS_BEFORE if p[name] > SURE else SMALLER if other["share"] < one["share"] else LARGER
        for name, (one, other) in both.items()
    }


def _change_p(one: Gap, before: Run, other: Gap, after: Run) -> float:
    counts = [
        (gap["groups"], run.record.group_count(gap["query"]) - gap["groups"])
        for gap, run in ((one, before), (other, after))
    ]
    return float(fisher_exact(counts).pvalue)


def _row(verdict: str, one: Gap | None, other: Gap | None) -> dict[str, Any]:
    shown = other or one
    assert shown is not None
    row: dict[str, Any] = {"verdict": verdict}
    for name in ("query", "reference", "name", "name_source", "sort"):
        row[name] = shown[name]
    for when, gap in (("before", one), ("after", other)):
        own = (gap["id"], gap["groups"], gap["share"]) if gap else ("", 0, 0.0)
        row[when], row[f"groups_{when}"], row[f"share_{when}"] = own
    return row


def _match(candidates: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return which kind of the earlier run a kind of the later one was, from pairs of both, the likeliest first."""
    earlier: dict[str, str] = {}
    for one, other in candidates:
        if other not in earlier and one not in earlier.values():
            earlier[other] = one
    return earlier


def _sharing_images(before: Run, after: Run, first: Kinds, second: Kinds) -> list[tuple[str, str]]:
    """Return the kinds of one ordered pair that share enough images, those that share the most first."""
    queries = {gap["query"] for gap in first.values()} & {gap["query"] for gap in second.values()}
    if not queries:
        return []
    prefixes = {query: _prefixes(before, after, query) for query in queries}
    images = [
        _images(run, kinds, {query: both[number] for query, both in prefixes.items()})
        for number, (run, kinds) in enumerate(((before, first), (after, second)))
    ]
    sizes = [Counter(own["kind"]) for own in images]
    both = images[0].merge(images[1], on=["query", "reference", "image", "bytes"])
    shared = Counter(zip(both["kind_x"], both["kind_y"], strict=True))
    enough = [ids for ids, n in shared.items() if n >= _SAME_KIND * min(sizes[0][ids[0]], sizes[1][ids[1]])]
    order = [*first], [*second]
    return sorted(enough, key=lambda ids: (-shared[ids], order[0].index(ids[0]), order[1].index(ids[1])))


def _sharing_names(first: Kinds, second: Kinds) -> list[tuple[str, str]]:
    """Return the kinds of one ordered pair that the user calls the same."""
    return [
        (one, other)
        for one, gap in first.items()
        for other, later in second.items()
        if gap["name"] and gap["name_source"] != _NETWORK and _called(gap) == _called(later)
    ]


def _called(gap: Gap) -> tuple[str, ...]:
    return gap["query"], gap["reference"], gap["name"], gap["name_source"]


def _images(run: Run, kinds: Kinds, prefixes: Mapping[str, int]) -> pd.DataFrame:
    """Return kind, query, reference and image of every image of kinds; an image is its uri without its prefix.

    What was rendered again has the old names and other bytes, so an image has its size beside its name.
    """
    members = read_members(run.store).to_pandas()
    members = members[members["kind"].isin([*kinds]) & members["dataset"].isin([*prefixes])]
    sizes = {
        name: pc.fill_null(read_index(run.store, name, ["encoded_bytes"])["encoded_bytes"], -1).to_numpy()
        for name in prefixes
    }
    images = {
        "kind": members["kind"],
        "query": members["dataset"],
        "reference": [kinds[kind]["reference"] for kind in members["kind"]],
        "image": [uri[prefixes[name] :] for name, uri in zip(members["dataset"], members["uri"], strict=True)],
        "bytes": [sizes[name][row] for name, row in zip(members["dataset"], members["row"], strict=True)],
    }
    return pd.DataFrame(images).drop_duplicates()


def _prefixes(before: Run, after: Run, dataset: str) -> tuple[int, int]:
    """Return how many characters of a dataset's uris say in either run where it lies, and not which image it is."""
    uris = [read_uris(run.store, dataset) for run in (before, after)]
    lengths = [_folder_length(own) for own in uris]
    below = [pc.utf8_slice_codeunits(own, length) for own, length in zip(uris, lengths, strict=True)]
    # Where only parts of it were added or removed, the folder that holds all of it may be another.
    if _in_common(below) > _in_common(uris):
        return lengths[0], lengths[1]
    return 0, 0


def _in_common(uris: Sequence[pa.Array]) -> int:
    return int(pc.sum(pc.is_in(uris[0], uris[1])).as_py() or 0)


def _folder_length(uris: pa.Array) -> int:
    """Return how long the path of the folder is that holds all images, with the slash behind it; 0 for none."""
    # All uris lie between the first and the last one, so they begin with what these two have in common.
    folders = [uri.split("/")[:-1] for uri in pc.min_max(uris).as_py().values()]
    shared = takewhile(lambda parts: parts[0] == parts[1], zip(*folders, strict=False))
    return sum(len(part) + 1 for part, _ in shared)
