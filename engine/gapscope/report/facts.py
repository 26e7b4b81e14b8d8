"""What the page says in words and tables: datasets, numbers, rejected images, and where it all came from."""

from typing import Any

from gapscope.report.measures import numbers_table
from gapscope.report.places import Places
from gapscope.report.sample import Chosen
from gapscope.report.tiles import sheets
from gapscope.run import Run

MAX_REJECTS = 200
"""Rejected images that the page names; the index in the run has them all."""


def facts(run: Run, places: Places, chosen: Chosen) -> dict[str, Any]:
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
        "fdr": run.record.config["compare"]["fdr"],
        "sheets": [
            [sheet.name, sheet.start, sheet.stop, sheet.side, sheet.across] for sheet in sheets(len(chosen.image))
        ],
        "numbers": numbers_table(run),
        "clusters": [_clusters(run, level) for level in run.levels],
        "rejects": _rejects(run),
        "provenance": _provenance(run),
    }


def _clusters(run: Run, level: str) -> dict[str, Any]:
    found = run.metrics["levels"][level]["clusters"]
    return {
        "count": found["count"],
        "oneSided": [
            [one["cluster"], one["images"], run.datasets.index(one["dataset"]), one["share"]]
            for one in found["one_sided"]
        ],
    }


def _rejects(run: Run) -> dict[str, Any]:
    counts: list[list[Any]] = []
    rows: list[list[Any]] = []
    for number, name in enumerate(run.datasets):
        statuses = run.metrics["datasets"][name]["statuses"]
        counts += [[number, status, count] for status, count in statuses.items()]
        if len(rows) < MAX_REJECTS:
            index = run.index(name)
            rejected = index[index["status"] != "ok"].head(MAX_REJECTS - len(rows))
            found = zip(rejected["uri"], rejected["status"], rejected["error"], strict=True)
            rows += [[number, str(uri), str(status), str(error or "")] for uri, status, error in found]
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
    ]


def _lines(value: dict[str, Any]) -> list[list[str]]:
    return [[str(key), _text(inner)] for key, inner in value.items()]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "not set" if value is None else str(value)
