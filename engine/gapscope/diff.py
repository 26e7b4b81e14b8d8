"""Has a gap closed from one run to another? Level by level, and only what is beyond the error bars."""

from typing import Any

import pandas as pd

from gapscope.errors import RunError
from gapscope.run import Run

SMALLER, LARGER, SAME = "smaller", "larger", "no change"


def diff_runs(before: Run, after: Run) -> pd.DataFrame:
    """Hold two runs against each other: a row per level and ordered pair that both have, and number.

    The numbers are `share_outside`, the estimated share of query images outside the reference, and `kid`, the kernel
    distance. Neither grows or shrinks with how many images there are, as a Frechet distance does. A change counts where
    it is more than 1.96 standard errors of the difference; each run's error is its 95% interval's half width by 1.96,
    on the side that the other run lies on. Each run measures by its own scaler, which the datasets that both share pin
    down.

    Returns:
        Columns level, query, reference, number, before, before_low, before_high, after, after_low, after_high, and
        verdict: `smaller`, `larger` or `no change`.

    Raises:
        RunError: the runs embed differently, or have no pair of datasets in common.
    """
    _check_alike(before, after)
    rows = []
    for level in (level for level in before.levels if level in after.levels):
        for query, reference in (pair for pair in before.pairs if pair in after.pairs):
            pair = [run.metrics["levels"][level]["pairs"][f"{query}-vs-{reference}"] for run in (before, after)]
            for number, read in (("share_outside", _share), ("kid", _kid)):
                ends = [read(one) for one in pair]
                if ends[0] is None or ends[1] is None:
                    continue
                rows.append([level, query, reference, number, *ends[0], *ends[1], _verdict(ends[0], ends[1])])
    named = [f"{which}{end}" for which in ("before", "after") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["level", "query", "reference", "number", *named, "verdict"])


def level_verdicts(changes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per level and ordered pair: `closing`, `widening`, `both` where numbers disagree, or `no change`."""
    rows = []
    for (level, query, reference), part in changes.groupby(["level", "query", "reference"], sort=False):
        found = {*part["verdict"]} - {SAME}
        word = {frozenset(): SAME, frozenset([SMALLER]): "closing", frozenset([LARGER]): "widening"}
        rows.append([level, query, reference, word.get(frozenset(found), "both")])
    return pd.DataFrame(rows, columns=["level", "query", "reference", "verdict"])


_Ends = tuple[float, float, float]


def _share(numbers: dict[str, Any]) -> _Ends | None:
    if "share_outside_low" not in numbers:
        return None
    return numbers["share_outside"], numbers["share_outside_low"], numbers["share_outside_high"]


def _kid(numbers: dict[str, Any]) -> _Ends | None:
    found = numbers.get("measures", {}).get("kid")
    if found is None or found["low"] is None:
        return None
    return found["value"], found["low"], found["high"]


def _verdict(before: _Ends, after: _Ends) -> str:
    if after[0] == before[0]:
        return SAME
    smaller = after[0] < before[0]
    reach = (before[0] - before[1], after[2] - after[0]) if smaller else (before[2] - before[0], after[0] - after[1])
    # Half widths are 1.96 standard errors already.
    if abs(after[0] - before[0]) <= (reach[0] ** 2 + reach[1] ** 2) ** 0.5:
        return SAME
    return SMALLER if smaller else LARGER


def _check_alike(before: Run, after: Run) -> None:
    if not {*before.pairs} & {*after.pairs}:
        raise RunError(
            f"{before.path} compares {', '.join(before.datasets)} and {after.path} {', '.join(after.datasets)}: "
            "a dataset must have the same name in both runs"
        )
    if not {*before.levels} & {*after.levels}:
        raise RunError(f"{before.path} and {after.path} have no level in common")
    for what in ("model", "size", "fit"):
        here, there = (run.record.config["embed"].get(what) for run in (before, after))
        if here != there:
            raise RunError(
                f"{before.path} embeds with {what} {here}, {after.path} with {there}: compare like with like"
            )
    if before.record.model.get("weights_sha256") != after.record.model.get("weights_sha256"):
        raise RunError(f"{before.path} and {after.path} embed with different weights: compare like with like")
