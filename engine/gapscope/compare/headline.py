"""One sentence per ordered pair: how many images of a dataset the other lacks, and at which level most."""

from collections.abc import Mapping, Sequence
from typing import Literal

from gapscope.compare.limits import ListingLimit
from gapscope.store.datasets import Pair
from gapscope.store.metrics import DuplicateCounts, PairMetrics
from gapscope.store.run_record import RunRecord

_MATCHES: dict[Literal["exact", "near"], str] = {"exact": "an exact", "near": "a near"}


def headline(pair: Pair, by_level: Mapping[str, PairMetrics], record: RunRecord) -> str:
    """Return a sentence about the level that stands out most.

    That is the level that lists most groups, which are images by default, or where none lists any, the one farthest
    above its noise floor.

    Args:
        pair: of datasets.
        by_level: the pair's numbers per level, fine to coarse.
        record: of the run, which knows what images and groups are called.
    """
    query, reference = pair
    level = max(by_level, key=lambda name: (by_level[name]["outlier_groups"], frechet_ratio(by_level[name]) or 0.0))
    metrics = by_level[level]
    ratio = frechet_ratio(metrics)
    distance = "" if ratio is None else f", where the distance of the two is {ratio:.1f} times the noise floor"
    images = _named_count(query, metrics["images"], metrics["groups"], record)
    if not metrics["outliers"]:
        return f"None of the {images} stands out from {reference} at any level; {level} comes nearest{distance}"
    share = metrics["outlier_groups"] / metrics["groups"]
    if metrics["groups"] != metrics["images"]:
        unit = record.group_unit(query)
        listed = f"{metrics['outlier_groups']:,} of {metrics['groups']:,} {unit}s"
        images = f"{metrics['images']:,} {query} {record.row_unit(query)}s, {listed}"
    return (
        f"{metrics['outliers']:,} of {images} ({share:.1%}) lie outside {reference} "
        f"or are too rare in it at {level}{distance}"
    )


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


def frechet_ratio(metrics: PairMetrics) -> float | None:
    """Return how many times its noise floor the Frechet distance is; None where it cannot be told."""
    measure = metrics["measures"].get("frechet")
    return None if measure is None else measure["ratio"]
