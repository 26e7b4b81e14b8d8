"""What probes say, in words."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.probes.sample import MAX_CLASSES, MAX_IMAGES, MIN_GROUPS, LeftOut, ProbeSample
from gapscope.compare.registry import format_share
from gapscope.store.class_metrics import ProbeMetrics
from gapscope.store.datasets import Pair

_N_NAMED = 3


def best_level(levels: Mapping[str, Mapping[str, ProbeMetrics]]) -> str | None:
    """Return the level whose ceiling is highest, as it is where that is read; None where no ceiling says anything.

    Args:
        levels: by level and reading.
    """
    first = {name: next(iter(readings.values())) for name, readings in levels.items()}
    telling = [name for name, numbers in first.items() if numbers["share"] is not None]
    return max(telling, key=lambda name: first[name]["ceiling"], default=None)


def probe_sentence(pair: Pair, left_out: LeftOut, levels: Mapping[str, Mapping[str, ProbeMetrics]]) -> str:
    """Return what the level with the best ceiling says; where none says anything, why.

    Args:
        pair: tested on its query, trained on its reference.
        left_out: of the pair's sample.
        levels: by level and reading.
    """
    query, reference = pair
    level = best_level(levels)
    missing = f"not in {reference}: {_named(left_out.only[0])}" if left_out.only[0] else ""
    if not levels:
        reason = (
            f"no probe: it needs two classes that both {query} and {reference} have, with at least {MIN_GROUPS} images "
            "or groups of each"
        )
        return "; ".join(filter(None, [reason, missing]))
    if level is None:
        first = {name: next(iter(readings.values())) for name, readings in levels.items()}
        best = max(first, key=lambda name: first[name]["ceiling"])
        reason = (
            f"no probe: at no level can the classes of {query} be told apart; trained on {query} itself, a probe names "
            f"{format_share(first[best]['ceiling'])} rightly at {best}, where chance is "
            f"{format_share(first[best]['chance'])}"
        )
        return "; ".join(filter(None, [reason, missing]))
    parts: list[str] = []
    for reading, numbers in levels[level].items():
        if (share := numbers["share"]) is None:
            continue
        look = " with the look taken out" if reading == "style-aside" else ""
        if parts:
            parts.append(f"{_percent(share)}{look}")
        else:
            ends = f"[{_percent(numbers['share_low'] or 0)}, {_percent(numbers['share_high'] or 0)}]"
            parts.append(f"trained on {reference}, {_percent(share)} of what training on {query} reaches{look} {ends}")
    worst = next(iter(levels[level].values()))["classes"][0]
    if worst["beyond_noise"]:
        parts.append(f"worst: {worst['name']}")
    return "; ".join(filter(None, [*parts, missing]))


def probe_note(pair: Pair, sample: ProbeSample, per_class: NDArray[np.int64]) -> str:
    """Return what was left out or sampled; nothing if all classes and images are in.

    Args:
        pair: of datasets.
        sample: its images.
        per_class: (c,) how many of each class probes are trained on.
    """
    parts = [f"only in {name}: {_named(only)}" for name, only in zip(pair, sample.left_out.only, strict=True) if only]
    if sample.left_out.few:
        parts.append(f"too few to train or test on: {_named(sample.left_out.few)}")
    if sample.left_out.smaller:
        parts.append(f"only the {MAX_CLASSES} largest classes; {sample.left_out.smaller:,} are left out")
    if sample.left_out.sampled:
        parts.append(f"a sample of {MAX_IMAGES // len(sample.names):,} images of a class at most")
    if (per_class < sample.available).any():
        parts.append(f"trained on {int(per_class.max()):,} images of a class at most")
    return "; ".join(parts)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _N_NAMED:,} more" if len(names) > _N_NAMED else ""
    return ", ".join(names[:_N_NAMED]) + more


def _percent(share: float) -> str:
    # Unlike most shares it may be more than all.
    return format_share(share) if share < 1 else f"{share:.0%}"
