"""The numbers of a run as the page shows them: a table, charts by level, and histograms of scores."""

from collections.abc import Mapping
from typing import TypedDict

from gapscope.compare.registry import METRICS, Metric
from gapscope.settings import Reading
from gapscope.store.metrics import Histogram, Measure, Metrics, PairMetrics
from gapscope.store.run_store import RunStore

Cell = list[float | bool | None]
"""Value, low, high, floor, whether it is beyond noise, and p of a number; all but the value may be None."""

_FIRST_CHARTS = ("outlier_share", "share_outside", "gap", "kid", "two_sample")
"""Sizes that do not move with the number of images, which are shown before all others."""

_OF_GROUPS = ("groups", "reference_groups", "outlier_groups")
"""Columns that say nothing where every image is a group of its own."""


class NumbersTable(TypedDict):
    """`columns`: name, label, format and help of each; `rows`: per level, per pair, one value per column."""

    columns: list[list[str]]
    rows: list[list[list[float | None]]]


class Chart(TypedDict):
    """A number by level: `rows` holds, per level and pair, a `Cell`, or None where there is none."""

    key: str
    label: str
    format: str
    help: str
    rows: list[list[Cell | None]]


def pair_metrics(run: RunStore, metrics: Metrics, reading: Reading) -> list[list[PairMetrics]]:
    """Return the numbers of every level, fine to coarse, and ordered pair, in a reading."""

    def numbers(level: str) -> Mapping[str, PairMetrics]:
        return metrics["levels"][level]["pairs" if reading == "as-is" else "style_aside"]

    return [[numbers(level)[pair.name] for pair in run.pairs] for level in run.levels]


def numbers_table(run: RunStore, metrics: Metrics, reading: Reading) -> NumbersTable:
    """Return the counts and shares of every level and pair."""
    columns = [metric for metric in METRICS.values() if metric.name in PairMetrics.__annotations__]
    levels = pair_metrics(run, metrics, reading)
    pairs = [pair for level in levels for pair in level]
    if all(pair["groups"] == pair["images"] and pair["reference_groups"] == pair["reference_images"] for pair in pairs):
        columns = [metric for metric in columns if metric.name not in _OF_GROUPS]
    return {
        "columns": [[metric.name, metric.label, metric.format, metric.help] for metric in columns],
        "rows": [[[_number(pair, metric.name) for metric in columns] for pair in level] for level in levels],
    }


def charts(run: RunStore, metrics: Metrics, reading: Reading) -> list[Chart]:
    """Return one chart per share and measure that a reading has; first those that do not move with the numbers."""
    levels = pair_metrics(run, metrics, reading)
    shares = [metric for metric in METRICS.values() if metric.format == "percent" and not metric.measure]
    measures = [metric for metric in METRICS.values() if metric.measure]
    drawn = [metric for metric in shares if metric.name not in {other.floor for other in shares}]
    made = [_chart(metric, [[_share(pair, metric) for pair in pairs] for pairs in levels]) for metric in drawn]
    made += [
        _chart(metric, [[_measure(pair["measures"].get(metric.name)) for pair in pairs] for pairs in levels])
        for metric in measures
    ]
    shown = [chart for chart in made if any(cell for row in chart["rows"] for cell in row)]
    order = {key: number for number, key in enumerate(_FIRST_CHARTS)}
    return sorted(shown, key=lambda chart: order.get(chart["key"], len(order)))


def histograms(run: RunStore, metrics: Metrics, reading: Reading) -> list[list[Histogram]]:
    """Return, per level and pair, the histogram of outside scores: edges, and counts of query and reference."""
    return [[pair["scores"] for pair in pairs] for pairs in pair_metrics(run, metrics, reading)]


def _chart(metric: Metric, rows: list[list[Cell | None]]) -> Chart:
    label = metric.label[0].upper() + metric.label[1:]
    return {"key": metric.name, "label": label, "format": metric.format, "help": metric.help, "rows": rows}


def _number(pair: PairMetrics, name: str) -> float | None:
    value = pair.get(name)
    return float(value) if isinstance(value, int | float) else None


def _share(pair: PairMetrics, metric: Metric) -> Cell:
    floor = _number(pair, metric.floor) if metric.floor else None
    low, high = _number(pair, f"{metric.name}_low"), _number(pair, f"{metric.name}_high")
    return [_number(pair, metric.name), low, high, floor, None, None]


def _measure(measure: Measure | None) -> Cell | None:
    if measure is None:
        return None
    ends = measure["low"], measure["high"]
    return [measure["value"], *ends, measure["floor"], measure["beyond_noise"], measure.get("p")]
