"""Which kinds of image that a dataset lacks are closed, smaller, larger or new, from one run to another."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd
from scipy.stats import fisher_exact

from gapscope.diff.chance import SURE, holm
from gapscope.diff.comparable import check_comparable
from gapscope.diff.matching import NETWORK, match, same_names, shared_images
from gapscope.run import Run
from gapscope.store.gaps import Gap

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

Counts = tuple[int, int]
"""How many groups a kind has, and how many the query has in all."""
_Key = TypeVar("_Key")


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
    earlier = match([*shared_images(before, after, first, second), *same_names(first, second)])
    verdicts = share_verdicts(
        {other: (_counts(first[one], before), _counts(second[other], after)) for other, one in earlier.items()}
    )
    rows = [_row(verdicts.get(other, NEW), first.get(earlier.get(other, "")), gap) for other, gap in second.items()]
    rows += [_row(CLOSED, gap, None) for one, gap in first.items() if one not in earlier.values()]
    return kinds_table(rows)


def kinds_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as the table of `diff_kinds`: the worst news first, and else in their order."""
    ordered = sorted(rows, key=lambda row: _WORST_FIRST.index(row["verdict"]))
    table = pd.DataFrame(ordered, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(COLUMNS[-4:-2], "int64") | dict.fromkeys(COLUMNS[-2:], "float64"))


def share_verdicts(counts: Mapping[_Key, tuple[Counts, Counts]]) -> dict[_Key, str]:
    """Return what became of each kind that both runs have, from its counts in the earlier and in the later one.

    Example:
        >>> share_verdicts({"cat": ((60, 200), (20, 200)), "dog": ((30, 200), (28, 200))})
        {'cat': 'smaller', 'dog': 'as before'}
    """
    p = holm({key: _change_p(*both) for key, both in counts.items()})
    return {
        key: AS_BEFORE if p[key] > SURE else SMALLER if after[0] / after[1] < before[0] / before[1] else LARGER
        for key, (before, after) in counts.items()
    }


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


def shown_name(name: str, source: str) -> str:
    """Return a kind's name as it is shown: a guess says so.

    Example:
        >>> shown_name("dog", "network"), shown_name("", "")
        ('looks like dog', 'no name')
    """
    return f"looks like {name}" if source == NETWORK else name or "no name"


def describe_kind_change(kind: Mapping[Hashable, Any], *, several: bool = False) -> str:
    """Return what became of a kind as a line.

    Args:
        kind: a row of `diff_kinds`.
        several: whether to name the reference.
    """
    name = shown_name(kind["name"], kind["name_source"])
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


def _counts(gap: Gap, run: Run) -> Counts:
    return gap["groups"], run.record.group_count(gap["query"])


def _change_p(before: Counts, after: Counts) -> float:
    return float(fisher_exact([(groups, of - groups) for groups, of in (before, after)]).pvalue)


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
