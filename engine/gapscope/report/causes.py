"""Columns as causes, and which of their values are wanted more, as the page shows them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.report.columns import Column
from gapscope.report.names import Names
from gapscope.store.cause_metrics import Cause, WantedColumn
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore

_SHOWN_VALUES = 200
"""Values of a column that the page shows; a table of more could not be read."""


def cause_facts(run: RunStore, metrics: Metrics, names: Names) -> dict[str, object]:
    """Return, per ordered pair, how many columns were looked at, and the strongest wanted sentence."""
    return {
        "causes": [len(metrics["causes"].get(pair.name, [])) for pair in run.pairs],
        "wanted": [len(metrics["wanted"].get(pair.name, [])) for pair in run.pairs],
        "wantedSentences": [_first_sentence(metrics["wanted"].get(pair.name, []), names) for pair in run.pairs],
    }


def _first_sentence(wanted: Sequence[WantedColumn], names: Names) -> str | None:
    return next((names.text(own["sentence"]) for own in wanted if own["named"] and own["sentence"]), None)


def cause_data(run: RunStore, metrics: Metrics, columns: Sequence[Column], names: Names) -> dict[str, object]:
    """Return, per ordered pair, the columns as causes and as wanted values, in the order of metrics.json.

    `on` is the name of the column on the page, None where the page has no such column.
    """
    titles = {column.source: str(column.head["name"]) for column in columns}
    return {
        "pairs": [
            {
                "causes": [_column(run, own, titles, names) for own in metrics["causes"].get(pair.name, [])],
                "wanted": [_column(run, own, titles, names) for own in metrics["wanted"].get(pair.name, [])],
            }
            for pair in run.pairs
        ]
    }


def _column(run: RunStore, own: Cause | WantedColumn, titles: Mapping[str, str], names: Names) -> dict[str, Any]:
    numbers = {key: _finite(value) for key, value in own.items() if key != "values"}
    values = [{key: _finite(value) for key, value in one.items()} for one in own["values"][:_SHOWN_VALUES]]
    return {
        **numbers,
        "column": names.text(own["column"]) or "(no name)",
        "on": titles.get(own["column"]),
        "level": run.levels.index(own["level"]) if own["level"] in run.levels else None,
        "values": [{**one, "label": names.value(str(one["label"]))} for one in values],
        "left": len(own["values"]) - len(values),
        "note": names.text(own["note"]),
        "sentence": names.text(str(numbers.get("sentence", ""))),
    }


def _finite(value: object) -> object:
    """Return a value that JSON has: an open end of a range is None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
