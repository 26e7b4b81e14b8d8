"""Has a gap closed from one run to another? Level by level, and only what is beyond the error bars."""

import pandas as pd

from gapscope.compare.registry import METRICS, Metric
from gapscope.errors import RunError
from gapscope.run import Run
from gapscope.store.metrics import PairMetrics

SMALLER, LARGER, SAME = "smaller", "larger", "no change"
NUMBERS = (METRICS["share_outside"], METRICS["kid"])
"""The numbers that are compared: those that do not grow or shrink with the number of images."""

_Interval = tuple[float, float, float]
"""A number, and the ends of its 95% interval."""


def diff_runs(before: Run, after: Run) -> pd.DataFrame:
    """Compare two runs: a row per level and ordered pair that both have, and number.

    The numbers are `share_outside`, the estimated share of query images outside the reference, and `kid`, the kernel
    distance. Neither grows or shrinks with how many images there are, as a Frechet distance does. A change counts where
    it is more than 1.96 standard errors of the difference. A run's standard error is the half width of its 95%
    interval, on the side where the other run lies, divided by 1.96. Each run standardizes by its own scaler, which
    depends mostly on the datasets that both share.

    Returns:
        Columns level, query, reference, number, before, before_low, before_high, after, after_low, after_high, and
        verdict: `smaller`, `larger` or `no change`.

    Raises:
        RunError: the runs embed differently, or have no pair of datasets in common.

    Example:
        >>> import gapscope
        >>> changes = diff_runs(gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday"))
        >>> kid = (changes["query"] == "real") & (changes["number"] == "kid")
        >>> changes.loc[kid, ["level", "number", "verdict"]]
          level number  verdict
        1    P3    kid  smaller
        5    P5    kid  smaller
    """
    _check_comparable(before, after)
    rows: list[list[object]] = []
    for level in (level for level in before.levels if level in after.levels):
        for pair in (pair for pair in before.pairs if pair in after.pairs):
            metrics = [run.metrics["levels"][level]["pairs"][pair.name] for run in (before, after)]
            for number in NUMBERS:
                first, second = (_interval(side, number) for side in metrics)
                if first is not None and second is not None:
                    rows.append([level, *pair, number.name, *first, *second, _verdict(first, second)])
    ends = [f"{which}{end}" for which in ("before", "after") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["level", "query", "reference", "number", *ends, "verdict"])


def level_verdicts(changes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per level and ordered pair: `closing`, `widening`, `both` where numbers disagree, or `no change`."""
    words = {frozenset[str](): SAME, frozenset(["closing"]): "closing", frozenset(["widening"]): "widening"}
    rows = []
    for (level, query, reference), part in changes.groupby(["level", "query", "reference"], sort=False):
        changed = part[part["verdict"] != SAME]
        directions = frozenset(map(_direction, changed["number"], changed["verdict"]))
        rows.append([level, query, reference, words.get(directions, "both")])
    return pd.DataFrame(rows, columns=["level", "query", "reference", "verdict"])


def _direction(number: str, verdict: str) -> str:
    better = {"lower": SMALLER, "higher": LARGER}.get(METRICS[number].better)
    return "closing" if verdict == better else "widening"


def _interval(metrics: PairMetrics, number: Metric) -> _Interval | None:
    if not number.measure:
        low, high = f"{number.name}_low", f"{number.name}_high"
        return metrics[number.name], metrics[low], metrics[high]  # type: ignore[literal-required]
    measure = metrics["measures"].get(number.name)
    if measure is None or measure["low"] is None or measure["high"] is None:
        return None
    return measure["value"], measure["low"], measure["high"]


def _verdict(before: _Interval, after: _Interval) -> str:
    if after[0] == before[0]:
        return SAME
    smaller = after[0] < before[0]
    widths = (before[0] - before[1], after[2] - after[0]) if smaller else (before[2] - before[0], after[0] - after[1])
    # Half widths are 1.96 standard errors already.
    if abs(after[0] - before[0]) <= (widths[0] ** 2 + widths[1] ** 2) ** 0.5:
        return SAME
    return SMALLER if smaller else LARGER


def _check_comparable(before: Run, after: Run) -> None:
    if not {*before.pairs} & {*after.pairs}:
        raise RunError(
            f"{before.path} compares {', '.join(before.datasets)} and {after.path} {', '.join(after.datasets)}: "
            "a dataset must have the same name in both runs"
        )
    if not {*before.levels} & {*after.levels}:
        raise RunError(f"{before.path} and {after.path} have no level in common")
    first, second = (run.record.config.embed for run in (before, after))
    for name in ("model", "size", "fit"):
        if getattr(first, name) != getattr(second, name):
            raise RunError(
                f"{before.path} embeds with {name} {getattr(first, name)}, {after.path} with {getattr(second, name)}: "
                "compare like with like"
            )
    if before.record.model.weights_sha256 != after.record.model.weights_sha256:
        raise RunError(f"{before.path} and {after.path} embed with different weights: compare like with like")
