"""The numbers per level and pair, as a table with a header that says what each one is."""

import math
from typing import Any, Literal

from gapscope.run import Run

Format = Literal["count", "percent", "number"]

MEASURES: tuple[tuple[str, str, Format, str], ...] = (
    ("images", "images", "count", "Query images that were read and compared"),
    ("outliers", "outliers", "count", "Query images that the outlier list holds"),
    ("outlier_share", "outlier share", "percent", "OutlierList outliers among all query images"),
    ("outside", "outside", "count", "Outliers unlike anything in the reference"),
    ("under_represented", "under-represented", "count", "Outliers of a kind that the reference has too few of"),
    (
        "share_outside",
        "estimated share outside",
        "percent",
        "Estimated share of query images outside the reference, listed one by one or not (Storey)",
    ),
    ("coverage", "coverage", "percent", "Reference images that have a query image as near as their own neighbors"),
    (
        "reference_neighbors",
        "reference among neighbors",
        "percent",
        "Mean share of reference images among a query image's 30 nearest",
    ),
    (
        "reference_neighbors_expected",
        "expected if alike",
        "percent",
        "What that share would be if the two datasets did not differ",
    ),
    ("reference_images", "reference images", "count", "Reference images that were read and compared"),
)

_ENDS_OF_INTERVAL = ("_low", "_high")


def numbers_table(run: Run) -> dict[str, Any]:
    """Return `columns` (key, label, format, help) and `rows`: per level, per pair, one value or None per column."""
    found = [[pair_numbers(run, level, *pair) for pair in run.pairs] for level in run.levels]
    known = {key for key, *_ in MEASURES}
    more = {
        key: None
        for pairs in found
        for pair in pairs
        for key in pair
        if key not in known and _is_number(pair[key]) and not key.endswith(_ENDS_OF_INTERVAL)
    }
    columns = [*MEASURES, *((key, key.replace("_", " "), "number", key) for key in more)]
    return {
        "columns": [list(column) for column in columns],
        "rows": [[[number_or_none(pair.get(key)) for key, *_ in columns] for pair in pairs] for pairs in found],
    }


def pair_numbers(run: Run, level: str, query: str, reference: str) -> dict[str, Any]:
    """Return what metrics.json holds of a level and ordered pair, nothing where it is not there."""
    pairs: dict[str, dict[str, Any]] = run.metrics["levels"].get(level, {}).get("pairs", {})
    return next((pair for pair in pairs.values() if (pair["query"], pair["reference"]) == (query, reference)), {})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_or_none(value: Any) -> float | None:
    """Return a number that is finite; None for all else."""
    return value if _is_number(value) and math.isfinite(value) else None
