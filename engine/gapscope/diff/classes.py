"""Which classes have a smaller or larger gap in a later run than in an earlier one."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gapscope.compare.registry import format_share
from gapscope.diff.chance import SURE, change_p, holm
from gapscope.diff.comparable import check_comparable
from gapscope.diff.numbers import STYLE_ASIDE
from gapscope.run import Run
from gapscope.store.datasets import Pair

APPEARED, VANISHED, SMALLER, LARGER, SAME = "appeared", "vanished", "smaller", "larger", "no change"
_KEYS = ["query", "reference", "reading", "level", "class"]
_ENDS = ["gap", "gap_low", "gap_high"]
_WIDTH = max(map(len, (APPEARED, VANISHED, SMALLER, LARGER)))


def diff_classes(before: Run, after: Run) -> pd.DataFrame:
    """Compare the classes of two runs: a row per class, level, reading and ordered pair of both.

    A class is `smaller` or `larger` where its gap differs, by the intervals of both runs, corrected for all rows (Holm)
    at 5%. `appeared` says that the reference has the class only in the later run, and `vanished` that it had it only in
    the earlier one; these say nothing of the gap, and are not tested. A class that the query has in one run alone is
    left out. Style aside, only levels are compared at which neither run has trimmed its
    scalers: which images these leave out moves all classes.

    Returns:
        Columns query, reference, reading, level, class, gap_before with its interval, gap_after likewise,
        reference_images_before and _after, p, and verdict.

    Raises:
        RunError: the runs embed differently, or have no pair of datasets in common.

    Example:
        >>> import gapscope
        >>> runs = gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")
        >>> diff_classes(*runs).columns[-2:].tolist()
        ['p', 'verdict']
    """
    check_comparable(before, after)
    tables = [run.classes() for run in (before, after)]
    both = tables[0].merge(tables[1], on=_KEYS, suffixes=("_before", "_after"))
    pairs = {*before.pairs} & {*after.pairs}
    keys = zip(both["query"], both["reference"], both["reading"], both["level"], strict=True)
    kept = [
        Pair(query, reference) in pairs and not (reading == STYLE_ASIDE and _trimmed((before, after), level, query))
        for query, reference, reading, level in keys
    ]
    both = both[np.array(kept, bool)].dropna(subset=["gap_before", "gap_after"])
    ends = [both[[f"{end}_{when}" for end in _ENDS]].to_numpy().tolist() for when in ("before", "after")]
    tested = {
        place: change_p(tuple(first), tuple(second))
        for place, (first, second) in enumerate(zip(*ends, strict=True))
        # An end is missing where there are too few to tell.
        if not any(map(math.isnan, (*first, *second)))
    }
    p = holm(tested)
    both["p"] = [p.get(place) for place in range(len(both))]
    both["verdict"] = [_verdict(row, p.get(place, 1.0)) for place, row in enumerate(both.to_dict("records"))]
    columns = [f"{name}_{when}" for when in ("before", "after") for name in (*_ENDS, "reference_images")]
    return both[[*_KEYS, *columns, "p", "verdict"]].reset_index(drop=True)


def _trimmed(runs: tuple[Run, Run], level: str, dataset: str) -> bool:
    return any(run.record.style_scaler[level][dataset].trimmed for run in runs)


def _verdict(row: Mapping[Hashable, Any], p: float) -> str:
    had, has = bool(row["reference_images_before"]), bool(row["reference_images_after"])
    if had != has and (row["gap_before"] or row["gap_after"]):
        return APPEARED if has else VANISHED
    if p > SURE:
        return SAME
    return SMALLER if row["gap_after"] < row["gap_before"] else LARGER


def describe_classes(changes: pd.DataFrame) -> list[str]:
    """Return what `diff_classes` found as lines: how many classes have which verdict, then each that changed.

    A class is told of at the level and in the reading where its gap changed most.

    Example:
        >>> describe_classes(pd.DataFrame(columns=["verdict"]))
        []
    """
    if changes.empty:
        return []
    changed = changes[changes["verdict"] != SAME]
    size = (changed["gap_after"] - changed["gap_before"]).abs()
    most = changed.assign(size=size).sort_values("size", ascending=False, kind="stable")
    told = most.drop_duplicates(["query", "reference", "class"])
    unchanged = changes.drop_duplicates(["query", "reference", "class"]).shape[0] - len(told)
    counts = [
        f"{count} {verdict}"
        for verdict in (LARGER, VANISHED, SMALLER, APPEARED)
        if (count := int((told["verdict"] == verdict).sum()))
    ]
    several = len({*changes["query"], *changes["reference"]}) > 2
    lines = [_describe(row, several=several) for row in told.to_dict("records")]
    return [f"classes: {', '.join([*counts, f'{unchanged} no change'])}", *(f"  {line}" for line in lines)]


def _describe(row: Mapping[Hashable, Any], *, several: bool) -> str:
    gaps = " -> ".join(
        f"{format_share(row[f'gap_{when}'])}"
        + (
            f" [{format_share(row[f'gap_low_{when}'])}, {format_share(row[f'gap_high_{when}'])}]"
            if not math.isnan(row[f"gap_low_{when}"])
            else ""
        )
        for when in ("before", "after")
    )
    against = f" against {row['reference']}" if several else ""
    where = f"{row['level']}{', style aside' if row['reading'] == 'style-aside' else ''}"
    images = f"{row['reference_images_before']:,} -> {row['reference_images_after']:,} in {row['reference']}"
    return f"{row['verdict']:<{_WIDTH}}  {row['class']} of {row['query']}{against}: gap {gaps} at {where}; {images}"
