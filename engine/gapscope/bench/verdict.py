"""Tests whether one result of a benchmark is worse than another, beyond the noise of their repeats."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from scipy.stats import mannwhitneyu

from gapscope.bench.measures import Measure, measures_of

MIN_CHANGE = 0.05
"""Smallest relative change of the median that counts as a change."""

ALPHA = 0.05
"""Significance level: the largest p-value that counts as a change."""

_MIN_REPEATS = 3

Outcome = Literal["worse", "better", "same", "unsure"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One measure in two results.

    Attributes:
        old: the measure in the earlier result.
        new: the measure in the later result.
        change: relative change of the median; positive if it increased.
        p: p-value of the one-sided Mann-Whitney test, in the direction in which the median moved; None if there are too
            few repeats.
        word: `worse` or `better` if both the median and the test agree, `unsure` if there are too few repeats.
    """

    old: Measure
    new: Measure
    change: float
    p: float | None
    word: Outcome


def compare_results(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Verdict]:
    """Compare every measure that both results have.

    A measure is worse if its median moved by at least 5% in the worse direction and the one-sided Mann-Whitney test of
    its repeats gives p <= 0.05. With three repeats each, that means that every new value is worse than every old one;
    with fewer than three, nothing is known about the noise. There is no correction for multiple tests: up to one in
    twenty measures that did not change may pass the test by chance, and is called worse if its median also moved by 5%.

    Example:
        >>> old, new = {"seconds": [1.0, 1.1, 1.2]}, {"seconds": [1.4, 1.5, 1.6]}
        >>> [verdict.word for verdict in compare_results(old, new)]
        ['worse']
    """
    before, after = measures_of(old), measures_of(new)
    return [_verdict(before[name], after[name]) for name in before if name in after]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a line for each property of the two results' machines that affects speed and differs.

    Example:
        >>> differences({"machine": {"cores": 2}}, {"machine": {"cores": 8}})
        ['cores: 2 and 8']
    """
    old_machine, new_machine = old.get("machine", {}), new.get("machine", {})
    return [
        f"{name}: {old_machine.get(name)} and {new_machine.get(name)}"
        for name in ("processor", "cores", "memory_gib", "gpu", "python")
        if old_machine.get(name) != new_machine.get(name)
    ]


def _verdict(old: Measure, new: Measure) -> Verdict:
    old_median, new_median = median(old.repeats), median(new.repeats)
    change = (new_median - old_median) / abs(old_median) if old_median else float(new_median != old_median)
    if min(len(old.repeats), len(new.repeats)) < _MIN_REPEATS:
        return Verdict(old=old, new=new, change=change, p=None, word="unsure")
    alternative = "greater" if change > 0 else "less"
    p = float(mannwhitneyu(new.repeats, old.repeats, alternative=alternative, method="exact").pvalue)
    word: Outcome = "same"
    # Three repeats that all beat three others give p = 0.05 exactly, up to floating-point error.
    if abs(change) >= MIN_CHANGE and p <= ALPHA + 1e-9:
        word = "better" if (change > 0) == old.quantity.higher_is_better else "worse"
    return Verdict(old=old, new=new, change=change, p=p, word=word)
