"""Has a gap closed from one run to another? Level by level, and only what is beyond the error bars of all numbers."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from gapscope.compare.interval import Interval
from gapscope.compare.registry import METRICS, Metric
from gapscope.diff.chance import SURE, change_p, holm
from gapscope.diff.comparable import alike_style_aside, check_comparable
from gapscope.run import Run
from gapscope.store.datasets import Pair
from gapscope.store.metrics import Measure, PairMetrics

SMALLER, LARGER, SAME = "smaller", "larger", "no change"
NUMBERS = (METRICS["share_outside"], METRICS["kid"])
"""The numbers that are compared: those that do not grow or shrink with the number of images."""
AS_IS, STYLE_ASIDE = "as-is", "style-aside"

_BOTH_WAYS = "kid"
"""The number that is the same for a pair and the pair reversed."""


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
        as_is = [as_is_intervals(run, level, pairs, before) for run in (before, after)]
        for pair in pairs:
            alike = alike_style_aside(before, after, level, pair)
            aside = [style_aside_intervals(run, level, pair) if alike else {} for run in (before, after)]
            of_pair = [intervals[pair] for intervals in as_is]
            for reading, (first, second) in ((AS_IS, of_pair), (STYLE_ASIDE, aside)):
                changes += [
                    Change(level, *pair, reading, number.name, first[number.name], second[number.name])
                    for number in NUMBERS
                    if number.name in first and number.name in second
                ]
    return judge(changes)


def as_is_intervals(run: Run, level: str, pairs: Sequence[Pair], first: Run) -> dict[Pair, dict[str, Interval]]:
    """Return the numbers of `NUMBERS` that a level has as it is, by the scaler and k of another run.

    Where these are the run's own, they are those of metrics.json; else they are measured once more.

    Args:
        run: the run.
        level: that both runs have.
        pairs: of the run's datasets.
        first: the run whose scaler and k are taken.

    Returns:
        By pair and number; a number without an interval is left out.
    """
    numbers = {pair: _intervals(run.metrics["levels"][level]["pairs"][pair.name]) for pair in pairs}
    scaler, k = first.record.scaler[level], first.record.config.compare.k
    if (run.record.scaler[level], run.record.config.compare.k) == (scaler, k):
        return numbers
    # Not at the top: torch takes a second, and runs of the same datasets do without.
    from gapscope.compare.remeasure import remeasure

    in_order = [pair for pair in run.pairs if pair in pairs]
    return numbers | remeasure(run.store, level, in_order, scaler, k)


def style_aside_intervals(run: Run, level: str, pair: Pair) -> dict[str, Interval]:
    """Return the numbers of `NUMBERS` that a level and pair have style aside, by the run's own scalers."""
    return _intervals(run.metrics["levels"][level]["style_aside"].get(pair.name))


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


def interval_at(row: Mapping[Hashable, Any], when: Literal["before", "after"]) -> Interval:
    """Return the number of a row of `diff_runs` in one of both runs, with the ends of its interval."""
    return row[when], row[f"{when}_low"], row[f"{when}_high"]


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


def widens(number: str, verdict: str) -> bool:
    """Return whether a change of a number, `smaller` or `larger`, means a wider gap.

    Example:
        >>> widens("share_outside", "larger"), widens("share_outside", "no change")
        (True, False)
    """
    return verdict != SAME and _direction(number, verdict) == "widening"


def _direction(number: str, verdict: str) -> str:
    better = {"lower": SMALLER, "higher": LARGER}.get(METRICS[number].better)
    return "closing" if verdict == better else "widening"


def _tested(change: Change) -> tuple[Any, ...]:
    """Return what is equal for two changes that are one."""
    pair = change.query, change.reference
    return change.level, change.reading, change.number, tuple(sorted(pair)) if change.number == _BOTH_WAYS else pair


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
