"""One sentence per ordered pair: how many images of a dataset the other lacks, and at which level that shows."""

from collections.abc import Mapping, Sequence
from typing import Literal

from gapscope.compare.limits import ListingLimit
from gapscope.compare.outlier_table import SATURATED
from gapscope.compare.registry import format_share
from gapscope.compare.style_aside import MIN_CONTENT
from gapscope.settings import ValueRange
from gapscope.store.datasets import Pair
from gapscope.store.metrics import DuplicateCounts, LevelMetrics, PairMetrics, StyleAsideMetrics
from gapscope.store.run_record import RunRecord

_STEPS = 20
"""Gaps of levels within a twentieth of each other rank alike."""
_MATCHES: dict[Literal["exact", "near"], str] = {"exact": "an exact", "near": "a near"}


def level_ranking(pair: Pair, levels: Mapping[str, LevelMetrics]) -> list[str]:
    """Return the levels in the order of what they say of a pair, the most telling first.

    By the gap as it is, the share of the reference that is missing among an image's nearest, which can be compared over
    levels; where that is nearly the same, by what is listed style aside, then by whether there is a list or only a
    ranking, and the coarser ones first.

    Args:
        pair: of datasets.
        levels: numbers per level, fine to coarse.
    """
    names = list(levels)

    def key(name: str) -> tuple[float, ...]:
        style_aside = levels[name]["style_aside"].get(pair.name)
        gap = round(levels[name]["pairs"][pair.name]["gap"] * _STEPS)
        if style_aside is None:
            return gap, 0, 0, names.index(name)
        share = round(style_aside["outlier_share"] * _STEPS)
        return gap, share, style_aside["basis"] != "ranking", names.index(name)

    return sorted(names, key=key, reverse=True)


_BASES = ("ranking", "suggested", "calibrated")


def leading_levels(pair: Pair, levels: Mapping[str, LevelMetrics], ranking: Sequence[str]) -> tuple[str, str | None]:
    """Return the level that stands for a pair as it is, and the one that does style aside; None without that reading.

    As it is, the most telling level that lists anything; style aside, the one that lists most, or whose ranking rests
    on most.

    Args:
        pair: of datasets.
        levels: numbers per level.
        ranking: the levels, the most telling first.
    """
    as_is = next((name for name in ranking if levels[name]["pairs"][pair.name]["outliers"]), ranking[0])
    aside = {name: levels[name]["style_aside"][pair.name] for name in ranking if levels[name]["style_aside"]}
    if not aside:
        return as_is, None
    return as_is, max(aside, key=lambda name: _listed_and_sure(aside[name]))


def _listed_and_sure(numbers: StyleAsideMetrics) -> tuple[float, ...]:
    """Return how much is listed, and where that is the same, how sure it is and what the level sees, to compare by."""
    sees_content = numbers["content"] is None or numbers["content"] >= MIN_CONTENT
    share = round(numbers["outlier_share"], 2)
    return bool(numbers["outliers"]), share, _BASES.index(numbers["basis"]), sees_content


def headline(pair: Pair, levels: Mapping[str, LevelMetrics], ranking: Sequence[str], record: RunRecord) -> str:
    """Return a sentence on what a pair's levels say, that of the most telling level first.

    Args:
        pair: of datasets.
        levels: numbers per level, fine to coarse.
        ranking: the levels, the most telling first.
        record: of the run, which knows what images and groups are called.
    """
    query, reference = pair
    by_level = {name: levels[name]["pairs"][pair.name] for name in levels}
    level, aside = leading_levels(pair, levels, ranking)
    metrics = by_level[level]
    images = _named_count(query, metrics["images"], metrics["groups"], record)
    without_look = _without_look(pair, levels, aside)
    if not metrics["outliers"]:
        beyond = [name for name in ranking if is_beyond_noise(by_level[name])]
        as_a_whole = f", though they differ as a whole at {_in_words(beyond, by_level)}" if beyond else ""
        others = [own["style_aside"][pair.name] for own in levels.values() if own["style_aside"]]
        if all(own["basis"] == "calibrated" and not own["outliers"] for own in others):
            without_look = ""
        return f"None of the {images} stands out from {reference} at any level{as_a_whole}{without_look}"
    share = format_share(metrics["outlier_share"])
    listed = f"{metrics['outliers']:,} of {images}"
    if metrics["groups"] != metrics["images"]:
        unit = record.group_unit(query)
        groups = f"{metrics['outlier_groups']:,} of {metrics['groups']:,} {unit}s"
        listed = f"{metrics['outliers']:,} of {metrics['images']:,} {query} {record.row_unit(query)}s, {groups},"
    if metrics["outlier_share"] > SATURATED:
        saturated = [name for name in ranking if by_level[name]["outlier_share"] > SATURATED]
        return (
            f"Nearly everything differs at {_in_words(saturated, by_level)}: {share} of {images} "
            f"are not like {reference}, or too rare in it, at {level} as it is{without_look}"
        )
    return f"{listed} ({share}) are not like {reference}, or too rare in it, at {level}{without_look}"


def _in_words(names: Sequence[str], levels: Mapping[str, object]) -> str:
    """Return levels in words, fine to coarse."""
    if len(names) == len(levels) > 1:
        return "every level"
    in_order = [name for name in levels if name in names]
    return in_order[0] if len(in_order) == 1 else f"{', '.join(in_order[:-1])} and {in_order[-1]}"


def _without_look(pair: Pair, levels: Mapping[str, LevelMetrics], level: str | None) -> str:
    """Return what is listed with each set's overall look taken out, at the level that stands for that."""
    if level is None:
        return ""
    taken_out = "; with each set's overall look taken out"
    own = levels[level]["style_aside"][pair.name]
    if own["outliers"]:
        suggested = ", a suggestion" if own["basis"] == "suggested" else ""
        return f"{taken_out}, {format_share(own['outlier_share'])} at {level}{suggested}"
    if own["basis"] == "ranking":
        return f"{taken_out}, none can be told from the look that remains: there is only a ranking"
    return f"{taken_out}, 0% at any level"


def is_beyond_noise(metrics: PairMetrics) -> bool | None:
    """Return whether two datasets differ as a whole, by the neighbor test; None where it was not made."""
    measure = metrics["measures"].get("two_sample")
    return None if measure is None else measure["beyond_noise"]


def limit_message(pair: Pair, limit: ListingLimit, record: RunRecord, fdr: float) -> str | None:
    """Return what to say where there are few groups; None elsewhere."""
    if not limit.few:
        return None
    sides = [_named_count(name, record.datasets[name].read or 0, record.group_count(name), record) for name in pair]
    unit = record.group_unit(pair.query)
    against = f"{sides[0]} against {sides[1]}"
    if limit.smallest_gap is None:
        return f"{against} are too few to list anything at {fdr:.0%}"
    return (
        f"{against}: no single {unit} can be sure at {fdr:.0%}, only gaps of {limit.smallest_gap:,} {unit}s and more "
        "can be listed"
    )


def describe_groups(record: RunRecord, dataset: str) -> str | None:
    """Return which of a dataset's images count as one, and why; None where they count one by one."""
    own = record.datasets[dataset].groups
    if own is None or own.rule == "none":
        return None
    if not record.has_groups(dataset):
        return None if own.rule == "objects" else f"{dataset}: every image is a group of its own, by {own.rule}"
    # Backticks let the command line spell the argument as its option.
    if own.rule == "bursts":
        plural = "" if own.count == 1 else "s"
        about = f"of about {own.typical:,} frames" if own.typical > 1 else f"of up to {own.longest:,} frames"
        looks = f"{dataset} looks like {own.count:,} clip{plural} {about}"
        return f"{looks}: p-values count clips; `group='none'` counts images"
    counted = record.describe_count(dataset, record.datasets[dataset].read or 0, own.count)
    if own.rule == "objects":
        return f"{dataset}: {counted}, and p-values count images; `group='none'` counts objects"
    return f"{dataset}: {counted}, by {own.rule}, and p-values count {own.unit}s"


def describe_shared(record: RunRecord, pair: Pair, examples: Sequence[str] = ()) -> str:
    """Return how many groups both datasets of a pair have, with the names of some."""
    count = record.shared_groups[pair.name]
    named = f" ({', '.join(examples)}{', ...' if count > len(examples) else ''})" if examples else ""
    datasets = f"in both {pair.query} and {pair.reference}{named}"
    if count == 1:
        return f"1 group is {datasets}: it counts as the same scene, which is never compared with itself"
    return f"{count:,} groups are {datasets}: they count as the same scenes, which are never compared with themselves"


def describe_repeats(record: RunRecord, dataset: str, repeats: int) -> str | None:
    """Return how many of a dataset's images repeat another one of their group; None for none."""
    if not repeats:
        return None
    unit, group = record.row_unit(dataset), record.group_unit(dataset)
    if repeats == 1:
        return (
            f"1 {dataset} {unit} is a near copy of another {unit} of its own {group}; it does not count as a duplicate"
        )
    return (
        f"{repeats:,} {dataset} {unit}s are near copies of another {unit} of their own {group}; they do not count as "
        "duplicates"
    )


def describe_duplicates(record: RunRecord, pair: Pair, counts: DuplicateCounts) -> str | None:
    """Return how many copies there are within a dataset, or of one in another; None for none.

    Args:
        record: of the run.
        pair: of datasets, or of a dataset with itself.
        counts: as metrics.json has them.
    """
    found = {match: counts[match] for match in _MATCHES if counts[match]}
    if not found:
        return None
    if pair.query == pair.reference:
        parts = [f"{count:,} {match} {'copy' if count == 1 else 'copies'}" for match, count in found.items()]
        return f"duplicates {pair.query}: {' and '.join(parts)} too many"
    (match, count), *others = found.items()
    images = f"{count:,} {pair.query} {record.row_unit(pair.query)}{' has' if count == 1 else 's have'}"
    parts = [f"{images} {_MATCHES[match]} copy", *(f"{more:,} {_MATCHES[name]} one" for name, more in others)]
    return f"duplicates {pair.query} and {pair.reference}: {' and '.join(parts)} in {pair.reference}"


def _named_count(dataset: str, images: int, groups: int, record: RunRecord) -> str:
    number, _, rest = record.describe_count(dataset, images, groups).partition(" ")
    return f"{number} {dataset} {rest}"


_KINDS = {
    "float": "floats",
    "uint16": "16-bit grays",
    "uint16 color": "16-bit colors",
    "": "values of other than 8 bits",
}


def describe_value_range(value_range: ValueRange) -> str:
    """Return in words which values of a dataset's images are black and white.

    Example:
        >>> describe_value_range(ValueRange("uint16", 0, 4095, "as the values use 12 bits"))
        'of its 16-bit grays, 0 is taken as black and 4,095 as white, as the values use 12 bits'
    """
    kind = _KINDS.get(value_range.kind, f"{value_range.kind} values")
    low, high = (f"{end:,.0f}" if end == round(end) else f"{end:g}" for end in (value_range.low, value_range.high))
    return f"of its {kind}, {low} is taken as black and {high} as white, {value_range.basis}"
