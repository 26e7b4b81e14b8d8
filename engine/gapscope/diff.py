"""Has a gap closed from one run to another? Level by level, and only what is beyond the error bars of all numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from gapscope.compare.interval import Interval
from gapscope.compare.registry import METRICS, Metric
from gapscope.errors import RunError
from gapscope.run import Run
from gapscope.store.datasets import Pair
from gapscope.store.metrics import Measure, PairMetrics, StyleAsideMetrics

SMALLER, LARGER, SAME = "smaller", "larger", "no change"
NUMBERS = (METRICS["share_outside"], METRICS["kid"])
"""The numbers that are compared: those that do not grow or shrink with the number of images."""
AS_IS, STYLE_ASIDE = "as-is", "style-aside"
SURE = 0.05
"""How likely any verdict of a diff is at most where nothing changed."""

_BOTH_WAYS = "kid"
"""The number that is the same for a pair and the pair reversed."""
_NORMAL_95 = 1.96


class Change(NamedTuple):
    """A number of a level, ordered pair and reading, in the earlier and in the later run."""

    level: str
    query: str
    reference: str
    reading: str
    number: str
    before: Interval
    after: Interval


def diff_runs(before: Run, after: Run) -> pd.DataFrame:
    """Compare two runs: a row per level and ordered pair that both have, reading, and number.

    The numbers are `share_outside`, the estimated share of query images outside the reference, and `kid`, the kernel
    distance. Neither grows or shrinks with how many images there are, as a Frechet distance does. `judge` says which of
    them changed.

    As they are, both runs are measured by the scaler of the first one: a dataset that only one of them has, or another
    version of one, moves the scaler, and with it the numbers of all pairs. Where the second run has another scaler, its
    numbers are measured once more, on up to 5,000 groups of each dataset, from its embeddings. With style aside, each
    run keeps the scalers that take its own datasets' overall look out; only levels and pairs of which both runs have
    such numbers are compared.

    Returns:
        Columns level, query, reference, reading (`as-is` or `style-aside`), number, before, before_low, before_high,
        after, after_low, after_high, p (corrected for how many numbers there are), and verdict: `smaller`, `larger` or
        `no change`.

    Raises:
        RunError: the runs embed differently, or have no pair of datasets in common.

    Example:
        >>> import gapscope
        >>> changes = diff_runs(gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday"))
        >>> kid = (changes["query"] == "real") & (changes["number"] == "kid") & (changes["reading"] == "as-is")
        >>> changes.loc[kid, ["level", "number", "verdict"]].reset_index(drop=True)
          level number  verdict
        0    P3    kid  smaller
        1    P5    kid  smaller
    """
    check_comparable(before, after)
    pairs = [pair for pair in before.pairs if pair in after.pairs]
    changes: list[Change] = []
    for level in (level for level in before.levels if level in after.levels):
        remeasured = _remeasure(before, after, level, pairs)
        for pair in pairs:
            as_is = [_intervals(run.metrics["levels"][level]["pairs"][pair.name]) for run in (before, after)]
            as_is[1] = remeasured.get(pair, as_is[1])
            aside = [_intervals(_style_aside(run, level, pair)) for run in (before, after)]
            if not _alike_style_aside(before, after, level, pair):
                aside = [{}, {}]
            for reading, (first, second) in ((AS_IS, as_is), (STYLE_ASIDE, aside)):
                changes += [
                    Change(level, *pair, reading, number.name, first[number.name], second[number.name])
                    for number in NUMBERS
                    if number.name in first and number.name in second
                ]
    return judge(changes)


def judge(changes: Sequence[Change]) -> pd.DataFrame:
    """Return a row per number with its verdict: a change where p, corrected for all numbers of the diff, is at most 5%.

    p is that of the difference divided by its standard error, which is normal where nothing changed. A run's standard
    error is the half width of its 95% interval, on the side where the other run lies, divided by 1.96. The correction
    is that of Holm (1979), "A simple sequentially rejective multiple test procedure": whatever they have to do with
    each other, and where nothing changed, any of them has a verdict in at most 5% of the diffs. The kernel distance,
    which is the same for a pair and the pair reversed, counts once.

    Example:
        >>> table = judge([Change("P5", "a", "b", "as-is", "kid", (0.5, 0.4, 0.6), (0.1, 0.0, 0.2))])
        >>> table[["number", "before", "after", "verdict"]].values.tolist()
        [['kid', 0.5, 0.1, 'smaller']]
    """
    keys = [_tested(change) for change in changes]
    corrected = holm({key: change_p(change.before, change.after) for key, change in zip(keys, changes, strict=True)})
    rows = []
    for key, change in zip(keys, changes, strict=True):
        p = corrected[key]
        moved = SMALLER if change.after[0] < change.before[0] else LARGER
        rows.append([*change[:5], *change.before, *change.after, p, moved if p <= SURE else SAME])
    ends = [f"{which}{end}" for which in ("before", "after") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["level", "query", "reference", "reading", "number", *ends, "p", "verdict"])


def change_p(before: Interval, after: Interval) -> float:
    """Return the two-sided p-value of a difference that is normal, with the standard errors of `judge`.

    Example:
        >>> round(change_p((0.5, 0.4, 0.6), (0.3, 0.2, 0.4)), 4)
        0.0056
    """
    if after[0] == before[0]:
        return 1.0
    smaller = after[0] < before[0]
    widths = (before[0] - before[1], after[2] - after[0]) if smaller else (before[2] - before[0], after[0] - after[1])
    error = math.hypot(*widths) / _NORMAL_95
    return math.erfc(abs(after[0] - before[0]) / error / math.sqrt(2)) if error else 0.0


def holm(p: Mapping[Any, float]) -> dict[Any, float]:
    """Return p-values by the same keys, corrected for their number (Holm 1979).

    Example:
        >>> holm({"a": 0.01, "b": 0.5, "c": 0.02})
        {'a': 0.03, 'c': 0.04, 'b': 0.5}
    """
    corrected: dict[Any, float] = {}
    largest = 0.0
    for number, key in enumerate(sorted(p, key=lambda key: p[key])):
        largest = max(largest, min(1.0, (len(p) - number) * p[key]))
        corrected[key] = largest
    return corrected


def level_verdicts(changes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per level, ordered pair and reading, with what its numbers say together.

    `verdict` is `closing`, `widening`, `both` where numbers disagree, or `no change`.
    """
    words = {frozenset[str](): SAME, frozenset(["closing"]): "closing", frozenset(["widening"]): "widening"}
    columns = ["level", "query", "reference", "reading"]
    rows = []
    for key, part in changes.groupby(columns, sort=False):
        changed = part[part["verdict"] != SAME]
        directions = frozenset(map(_direction, changed["number"], changed["verdict"]))
        rows.append([*key, words.get(directions, "both")])
    return pd.DataFrame(rows, columns=[*columns, "verdict"])


def check_comparable(before: Run, after: Run) -> None:
    """Check that two runs embed alike, and compare two datasets of the same names.

    Raises:
        RunError: they do not.
    """
    if not {*before.pairs} & {*after.pairs}:
        raise RunError(
            f"{before.path} compares {', '.join(before.datasets)} and {after.path} {', '.join(after.datasets)}: "
            "a dataset must have the same name in both runs"
        )
    if not {*before.levels} & {*after.levels}:
        raise RunError(f"{before.path} and {after.path} have no level in common")
    first, second = (run.record.config.embed for run in (before, after))
    for name in ("model", "size", "fit", "pool"):
        if getattr(first, name) != getattr(second, name):
            raise RunError(
                f"{before.path} embeds with {name} {getattr(first, name)}, {after.path} with {getattr(second, name)}: "
                "compare like with like"
            )
    if before.record.model.weights_sha256 != after.record.model.weights_sha256:
        raise RunError(f"{before.path} and {after.path} embed with different weights: compare like with like")
    metrics = [run.record.config.neighbors.metric for run in (before, after)]
    if metrics[0] != metrics[1]:
        raise RunError(
            f"{before.path} measures {metrics[0]} distances, {after.path} {metrics[1]}: compare like with like"
        )


def describe_left_out(before: Run, after: Run) -> str | None:
    """Return which datasets only one of the two runs has, and that they are left out; None for none."""
    parts = [
        f"{', '.join(names)} (only in {run.path})"
        for run, other in ((before, after), (after, before))
        if (names := [name for name in run.datasets if name not in other.datasets])
    ]
    return f"left out: {' and '.join(parts)}" if parts else None


def _direction(number: str, verdict: str) -> str:
    better = {"lower": SMALLER, "higher": LARGER}.get(METRICS[number].better)
    return "closing" if verdict == better else "widening"


def _tested(change: Change) -> tuple[Any, ...]:
    """Return what is equal for two changes that are one."""
    pair = change.query, change.reference
    return change.level, change.reading, change.number, tuple(sorted(pair)) if change.number == _BOTH_WAYS else pair


def _remeasure(before: Run, after: Run, level: str, pairs: Sequence[Pair]) -> dict[Pair, dict[str, Interval]]:
    """Return the later run's numbers by the earlier one's scaler and k; nothing where it has them itself."""
    scaler, k = before.record.scaler[level], before.record.config.compare.k
    if (after.record.scaler[level], after.record.config.compare.k) == (scaler, k):
        return {}
    # Not at the top: torch takes a second, and runs of the same datasets do without.
    from gapscope.compare.remeasure import remeasure

    in_order = [pair for pair in after.pairs if pair in pairs]
    return remeasure(after.store, level, in_order, scaler, k)


def _alike_style_aside(before: Run, after: Run, level: str, pair: Pair) -> bool:
    """Return whether numbers style aside can be compared: by the same k, and by scalers that were trimmed alike."""
    numbers = [_style_aside(run, level, pair) for run in (before, after)]
    if numbers[0] is None or numbers[1] is None:
        return False
    same_k = before.record.config.compare.k == after.record.config.compare.k
    any_trimmed = numbers[0]["trimmed"] or numbers[1]["trimmed"]
    same_others = set(before.datasets) == set(after.datasets)
    return same_k and numbers[0]["trimmed"] == numbers[1]["trimmed"] and (same_others or not any_trimmed)


def _style_aside(run: Run, level: str, pair: Pair) -> StyleAsideMetrics | None:
    return run.metrics["levels"][level]["style_aside"].get(pair.name)


def _intervals(metrics: PairMetrics | None) -> dict[str, Interval]:
    """Return the numbers of `NUMBERS` that have an interval."""
    if metrics is None:
        return {}
    found = {number.name: _interval(metrics, number) for number in NUMBERS}
    return {name: interval for name, interval in found.items() if interval is not None}


def _interval(metrics: PairMetrics, number: Metric) -> Interval | None:
    if not number.measure:
        low, high = f"{number.name}_low", f"{number.name}_high"
        return metrics[number.name], metrics[low], metrics[high]  # type: ignore[literal-required]
    measure: Measure | None = metrics["measures"].get(number.name)
    if measure is None or measure["low"] is None or measure["high"] is None:
        return None
    return measure["value"], measure["low"], measure["high"]
