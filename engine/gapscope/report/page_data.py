"""What the page says in words and tables: datasets, numbers, rejected images, and where it all came from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.report.charts import charts, histograms
from gapscope.report.columns import Column
from gapscope.report.lists import OneSidedCluster
from gapscope.report.measures import number_or_none, numbers_table
from gapscope.report.neighbor_lists import score_neighbor
from gapscope.report.palette import DARK, LIGHT
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.report.tiles import Tiles
from gapscope.run import Run
from gapscope.store.index import rows_rejected
from gapscope.store.results import pair_name

MAX_REJECTS = 200
"""Rejected images that the page names; the index in the run has them all."""


def page_data(
    run: Run,
    places: PointIndex,
    one_sided: list[list[OneSidedCluster]],
    chosen: Selection,
    tiles: Tiles,
    columns: list[Column],
) -> dict[str, Any]:
    """Return all of the page's data that is not one value per image."""
    shown = places.dataset[chosen.image[chosen.drawn]]
    return {
        "datasets": [
            {
                "name": name,
                "listed": run.metrics["datasets"][name]["listed"],
                "read": run.metrics["datasets"][name]["read"],
                "rejected": run.metrics["datasets"][name]["rejected"],
                "placed": int((places.dataset == number).sum()),
                "drawn": int((shown == number).sum()),
            }
            for number, name in enumerate(run.datasets)
        ],
        "levels": [{"name": level["name"], "stride": level["stride"]} for level in run.record.model["levels"]],
        "pairs": [[run.datasets.index(query), run.datasets.index(reference)] for query, reference in run.pairs],
        "placed": len(places),
        "drawn": int(chosen.drawn.sum()),
        "outliers": chosen.outliers,
        "outliersDrawn": chosen.outliers_drawn,
        "palette": {"light": LIGHT, "dark": DARK},
        "fdr": run.record.config["compare"]["fdr"],
        "sheets": [[sheet.name, sheet.start, sheet.stop, sheet.side, sheet.across] for sheet in tiles.sheets],
        "tiles": {"images": tiles.images, "bytes": tiles.bytes, "wanted": tiles.wanted},
        "k": [score_neighbor(run, name) for name in run.datasets],
        "columns": [column.head for column in columns],
        "numbers": numbers_table(run),
        "charts": charts(run),
        "histograms": histograms(run),
        "heads": [_of_pair(run, "headlines", pair) for pair in run.pairs],
        "confounders": [_confounders(_of_pair(run, "confounders", pair)) for pair in run.pairs],
        "clusters": [
            _clusters(run, level, found, chosen.numbers(len(places)))
            for level, found in zip(run.levels, one_sided, strict=True)
        ],
        "layouts": [_layout(run, level) for level in run.levels],
        "rejects": _rejects(run),
        "provenance": _provenance(run),
    }


def _of_pair(run: Run, what: str, pair: tuple[str, str]) -> Any:
    # Runs of older versions say nothing of their pairs.
    return run.metrics.get(what, {}).get(pair_name(*pair))


def _confounders(found: Any) -> dict[str, Any] | None:
    """Return how well the files alone tell a pair's datasets apart, a warning or None, and rows of what differs."""
    if not isinstance(found, dict):
        return None
    rows = [
        [str(fact["name"]), number_or_none(fact["effect"]), _text(fact["query"]), _text(fact["reference"])]
        for fact in found.get("facts", [])
    ]
    return {"auc": number_or_none(found.get("auc")), "warning": found.get("warning"), "rows": rows}


def _clusters(run: Run, level: str, one_sided: list[OneSidedCluster], numbers: NDArray[np.int32]) -> dict[str, Any]:
    return {
        "count": run.metrics["levels"][level]["clusters"]["count"],
        "oneSided": [
            [one.cluster, one.images, one.dataset, one.share, [int(at) for at in numbers[one.typical] if at >= 0]]
            for one in one_sided
        ],
    }


def _layout(run: Run, level: str) -> dict[str, float]:
    """Return what is known of how faithful a level's map is."""
    found = {key: number_or_none(value) for key, value in run.metrics["levels"][level].get("layout", {}).items()}
    return {key: value for key, value in found.items() if value is not None}


def _rejects(run: Run) -> dict[str, Any]:
    counts: list[list[Any]] = []
    rows: list[list[Any]] = []
    for number, name in enumerate(run.datasets):
        statuses = run.metrics["datasets"][name]["statuses"]
        counts += [[number, status, count] for status, count in statuses.items()]
        if len(rows) < MAX_REJECTS:
            rejected = rows_rejected(run.path, name).slice(0, MAX_REJECTS - len(rows)).to_pylist()
            rows += [[number, one["uri"], one["status"], one["error"] or ""] for one in rejected]
    return {"counts": counts, "rows": rows}


def _provenance(run: Run) -> list[list[Any]]:
    """Return groups of a title and lines, each a label and a text."""
    record = run.record
    return [
        ["Run", [["folder", run.path.name], ["created", record.created], ["device", record.device]]],
        ["Datasets", [[name, str(place)] for name, place in record.config["datasets"].items()]],
        *[[stage, _lines(record.config[stage])] for stage in ("sources", "embed", "layout", "compare")],
        ["model", _lines(record.model)],
        ["versions", _lines(record.versions)],
        ["times", [[title, _time(**taken)] for title, taken in record.times.items()]],
    ]


def _time(*, seconds: float, done: int, unit: str) -> str:
    """Return how much of what was done in which time, and how fast where that means something."""
    plural = unit if done == 1 else f"{unit}s"
    rate = f", {done / seconds:,.0f} {plural}/s" if unit == "image" and seconds else ""
    return f"{done:,} {plural} in {seconds:,.1f} s{rate}"


def _lines(value: dict[str, Any]) -> list[list[str]]:
    return [[str(key), _text(inner)] for key, inner in value.items()]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "not set" if value is None else str(value)
