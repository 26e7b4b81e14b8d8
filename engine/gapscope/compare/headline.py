"""One sentence per ordered pair: how much of a dataset the other lacks, and at which level most."""

from collections.abc import Mapping
from typing import Any


def headline(query: str, reference: str, by_level: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a sentence about the level that stands out most.

    That is the level that lists most images, or where none lists any, the one farthest above its noise floor.

    Args:
        query: the query dataset's name.
        reference: the reference dataset's name.
        by_level: level to the pair's numbers, fine to coarse.
    """
    level = max(by_level, key=lambda name: (by_level[name]["outliers"], _ratio(by_level[name]) or 0.0))
    numbers = by_level[level]
    ratio = _ratio(numbers)
    over = "" if ratio is None else f", where the distance of the two is {ratio:.1f} times the noise floor"
    images = f"{numbers['images']:,} {query} image{'' if numbers['images'] == 1 else 's'}"
    if not numbers["outliers"]:
        return f"None of the {images} stands out from {reference} at any level; {level} comes nearest{over}"
    share = numbers["outliers"] / numbers["images"]
    return (
        f"{numbers['outliers']:,} of {images} ({share:.1%}) lie outside {reference} "
        f"or are too rare in it at {level}{over}"
    )


def _ratio(numbers: Mapping[str, Any]) -> float | None:
    ratio: float | None = numbers.get("measures", {}).get("frechet", {}).get("ratio")
    return ratio
