"""Whether one result of a benchmark is worse than another beyond the noise of their repeats."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from scipy.stats import mannwhitneyu

from gapscope.bench.measures import Measure, measures_of

LEAST = 0.05
"""Smallest relative change of the median that counts."""
ALPHA = 0.05
"""Largest probability of such ranks where nothing changed."""
_FEWEST = 3

Word = Literal["worse", "better", "same", "unsure"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One measure, before and after.

    Attributes:
        old: the earlier repeats.
        new: the later ones.
        change: of the median, as a share of the earlier one; positive is more.
        p: of the ranks, one-sided, towards the side to which the median moved; None where repeats are too few.
        word: `worse` or `better` where both the median and the ranks say so, `unsure` where repeats are too few.
    """

    old: Measure
    new: Measure
    change: float
    p: float | None
    word: Word


def compare_results(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Verdict]:
    """Compare every measure that both results have.

    A measure is worse if its median moved by at least 5% to the worse side, and the one-sided Mann-Whitney test of its
    repeats gives p <= 0.05: with three repeats each, every new one worse than every old one. Fewer than three say
    nothing about noise. Each measure is judged on its own, so of measures that did not change up to one in twenty may
    have such ranks by chance, and is called worse if its median moved as far, too.
    """
    before, after = measures_of(old), measures_of(new)
    return [_verdict(before[name], after[name]) for name in before if name in after]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return in words where the machines of two results differ, in what speed depends on."""
    ours, theirs = old.get("machine", {}), new.get("machine", {})
    return [
        f"{name}: {ours.get(name)} and {theirs.get(name)}"
        for name in ("processor", "cores", "memory_gib", "gpu", "python")
        if ours.get(name) != theirs.get(name)
    ]


def _verdict(old: Measure, new: Measure) -> Verdict:
    before, after = median(old.repeats), median(new.repeats)
    change = (after - before) / abs(before) if before else float(after != before)
    if min(len(old.repeats), len(new.repeats)) < _FEWEST:
        return Verdict(old=old, new=new, change=change, p=None, word="unsure")
    side = "greater" if change > 0 else "less"
    p = float(mannwhitneyu(new.repeats, old.repeats, alternative=side, method="exact").pvalue)
    word: Word = "same"
    # Ranks of three against three give exactly 0.05, as far as floating point goes.
    if abs(change) >= LEAST and p <= ALPHA + 1e-9:
        word = "better" if (change > 0) == old.quantity.higher_is_better else "worse"
    return Verdict(old=old, new=new, change=change, p=p, word=word)
