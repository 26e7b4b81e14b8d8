"""One sentence per ordered pair: how many images of a dataset the other lacks, and at which level most."""

from collections.abc import Mapping

from gapscope.store.datasets import Pair
from gapscope.store.metrics import PairMetrics


def headline(pair: Pair, by_level: Mapping[str, PairMetrics]) -> str:
    """Return a sentence about the level that stands out most.

    That is the level that lists most images, or where none lists any, the one farthest above its noise floor.

    Args:
        pair: of datasets.
        by_level: the pair's numbers per level, fine to coarse.
    """
    query, reference = pair
    level = max(by_level, key=lambda name: (by_level[name]["outliers"], frechet_ratio(by_level[name]) or 0.0))
    metrics = by_level[level]
    ratio = frechet_ratio(metrics)
    distance = "" if ratio is None else f", where the distance of the two is {ratio:.1f} times the noise floor"
    images = f"{metrics['images']:,} {query} image{'' if metrics['images'] == 1 else 's'}"
    if not metrics["outliers"]:
        return f"None of the {images} stands out from {reference} at any level; {level} comes nearest{distance}"
    share = metrics["outliers"] / metrics["images"]
    return (
        f"{metrics['outliers']:,} of {images} ({share:.1%}) lie outside {reference} "
        f"or are too rare in it at {level}{distance}"
    )


def frechet_ratio(metrics: PairMetrics) -> float | None:
    """Return how many times its noise floor the Frechet distance is; None where it cannot be told."""
    measure = metrics["measures"].get("frechet")
    return None if measure is None else measure["ratio"]
