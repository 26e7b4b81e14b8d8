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
        "levels": [{"name": level, "stride": _stride(run, level)} for level in run.levels],
        "pairs": [[run.datasets.index(query), run.datasets.index(reference)] for query, reference in run.pairs],
        "placed": len(places),
        "drawn": int(chosen.drawn.sum()),
        "outliers": chosen.outliers,
        "outliersDrawn": chosen.outliers_drawn,
        "fdr": run.record.config.get("compare", {}).get("fdr"),
        "sheets": [
            [sheet.name, sheet.start, sheet.stop, sheet.side, sheet.across] for sheet in sheets(len(chosen.image))
        ],
        "numbers": numbers_table(run),
        "clusters": [_clusters(run, level) for level in run.levels],
        "rejects": _rejects(run),
        "provenance": _provenance(run),
    }


def _stride(run: Run, level: str) -> int | None:
    levels = run.record.model.get("levels")
    found = levels.get(level) if isinstance(levels, dict) else None
    if isinstance(levels, list):
        found = next((one for one in levels if isinstance(one, dict) and one.get("name") == level), None)
    stride = found.get("stride") if isinstance(found, dict) else None
    return stride if isinstance(stride, int) else None


def _clusters(run: Run, level: str) -> dict[str, Any]:
    found = run.metrics["levels"].get(level, {}).get("clusters", {})
    return {
        "count": found.get("count", 0),
        "oneSided": [
            [one["cluster"], one["images"], run.datasets.index(one["dataset"]), one["share"]]
            for one in found.get("one_sided", [])
        ],
    }


def _rejects(run: Run) -> dict[str, Any]:
    counts: list[list[Any]] = []
    rows: list[list[Any]] = []
    for number, name in enumerate(run.datasets):
        statuses = run.metrics["datasets"][name].get("statuses", {})
        counts += [[number, status, count] for status, count in statuses.items() if status != "ok" and count]
        if len(rows) < MAX_REJECTS:
            index = run.index(name)
            rejected = index[index["status"] != "ok"].head(MAX_REJECTS - len(rows))
            found = zip(rejected["uri"], rejected["status"], rejected["error"], strict=True)
            rows += [[number, str(uri), str(status), str(error or "")] for uri, status, error in found]
    return {"counts": counts, "rows": rows}


def _provenance(run: Run) -> list[list[Any]]:
    """Return groups of a title and lines, each a label and a text."""
    record = run.record
    config = [[key, value] for key, value in record.config.items() if key != "datasets"]
    return [
        ["Run", [["folder", run.path.name], ["created", record.created]]],
        ["Datasets", [[name, str(place)] for name, place in record.config.get("datasets", {}).items()]],
        *([[str(key), _lines(value)] for key, value in config if isinstance(value, dict)]),
        *(
            [["other settings", plain]]
            if (plain := [[k, _text(v)] for k, v in config if not isinstance(v, dict)])
            else []
        ),
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
