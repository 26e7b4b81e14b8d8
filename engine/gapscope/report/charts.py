"""The measures that the page draws by level: values, their intervals, and their noise floors."""

import math
from typing import Any

from gapscope.report.measures import Format, number_or_none, pair_numbers
from gapscope.run import Run

# Key, label, format, help. Those of a pair itself come first, then those under its `measures`.
_SHARES: tuple[tuple[str, str, Format, str], ...] = (
    ("outlier_share", "OutlierList outliers", "percent", "Share of query images on the outlier list"),
    ("share_outside", "Outside the reference", "percent", "Estimated share of query images, listed or not (Storey)"),
    ("coverage", "Coverage", "percent", "Share of reference images that have a query image near by"),
    (
        "reference_neighbors",
        "Reference among neighbors",
        "percent",
        "Mean share of reference images among a query image's nearest",
    ),
)
_MEASURES: tuple[tuple[str, str, Format, str], ...] = (
    ("frechet", "Fréchet distance", "number", "Distance of the two sets' means and spreads; 0 if alike"),
    ("kid", "Kernel distance (KID)", "number", "Distance of the two distributions; 0 if alike"),
    ("precision", "Precision", "percent", "Share of query images that lie among the reference's"),
    ("recall", "Recall", "percent", "Share of reference images that lie among the query's"),
    ("density", "Density", "number", "How crowded the reference is around query images; 1 if alike"),
    ("coverage", "Coverage", "percent", "Share of reference images that have a query image near by"),
    ("two_sample", "Neighbor test", "percent", "Share of an image's nearest that are of its own dataset"),
)
_EXPECTED = {"reference_neighbors": "reference_neighbors_expected"}


def charts(run: Run) -> list[dict[str, Any]]:
    """Return one chart per measure that the run has: key, label, format, help and `rows`.

    `rows` holds, per level and pair, None or [value, low, high, floor, ratio, p], where all but the value may be None.
    """
    found = [[pair_numbers(run, level, *pair) for pair in run.pairs] for level in run.levels]
    measures = [[pair.get("measures") or {} for pair in pairs] for pairs in found]
    # What is measured with an interval takes the place of the same number without one.
    better = {key for pairs in measures for one in pairs for key in one}
    made = [
        _chart(shown, [[_own(pair, shown[0]) for pair in pairs] for pairs in found])
        for shown in _SHARES
        if shown[0] not in better
    ]
    known = [*_MEASURES, *((key, key.replace("_", " "), "number", "") for key in sorted(better - _NAMES))]
    made += [_chart(shown, [[_measured(one.get(shown[0])) for one in pairs] for pairs in measures]) for shown in known]
    return [chart for chart in made if any(cell for row in chart["rows"] for cell in row)]


_NAMES = {key for key, *_ in _MEASURES}


def histograms(run: Run) -> list[list[dict[str, Any] | None]]:
    """Return, per level and pair, the histogram of outside scores: edges, and counts of query and reference."""
    return [[_histogram(pair_numbers(run, level, *pair).get("scores")) for pair in run.pairs] for level in run.levels]


def _chart(shown: tuple[str, str, Format, str], rows: list[list[list[float | None] | None]]) -> dict[str, Any]:
    key, label, form, help_text = shown
    return {"key": key, "label": label, "format": form, "help": help_text, "rows": rows}


def _own(pair: dict[str, Any], key: str) -> list[float | None] | None:
    floor = pair.get(_EXPECTED.get(key, ""))
    return _cell(pair.get(key), pair.get(f"{key}_low"), pair.get(f"{key}_high"), floor, None, None)


def _measured(one: Any) -> list[float | None] | None:
    if not isinstance(one, dict):
        return None
    return _cell(*(one.get(name) for name in ("value", "low", "high", "floor", "ratio", "p")))


def _cell(*values: Any) -> list[float | None] | None:
    cell = [number_or_none(value) for value in values]
    return None if cell[0] is None else cell


def _histogram(scores: Any) -> dict[str, Any] | None:
    if not isinstance(scores, dict):
        return None
    edges, query, reference = (list(scores.get(name) or []) for name in ("edges", "query", "reference"))
    if not len(edges) - 1 == len(query) == len(reference) > 0 or not all(map(math.isfinite, edges)):
        return None
    return {"edges": edges, "query": query, "reference": reference}
