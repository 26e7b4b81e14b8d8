"""Writes the results of `reduce` as an HTML page with a table and plots, which needs neither network nor server."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLUMNS = {
    "seconds": "seconds",
    "cold_seconds": "seconds, cold",
    "rows_per_second": "rows per second",
    "peak_gib": "peak memory, GiB",
    "peak_gpu_gib": "peak GPU memory, GiB",
    "trustworthiness": "trustworthiness",
    "neighbor_recall": "neighbors kept",
}
"""Measure to column title, in the order of the table."""

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Of lines in plots: those of Okabe and Ito, which the color-blind can tell apart, and a gray."""

_PLOTS = ("seconds", "peak_gib", "peak_gpu_gib", "trustworthiness")


HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    "<style>body{font:16px system-ui;margin:2rem;max-width:72rem}td,th{padding:.2rem .8rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}table{margin-bottom:1.5rem}</style>"
)
"""How every page of results begins."""


def describe_machine(machine: Mapping[str, Any]) -> str:
    """Return what a result was measured on, and when, as sentences."""
    gpu = machine["gpu"] or "no GPU"
    hardware = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {gpu}"
    return f"{hardware}. {machine['time']}."


def middle(case: Mapping[str, Any], measure: str) -> float | None:
    """Return the median of a measure's repeats; None if the case has none.

    Example:
        >>> middle({"seconds": [3.0, 1.0, 2.0]}, "seconds")
        2.0
    """
    values = [value for value in case.get(measure, []) if value is not None]
    return median(values) if values else None


def write_page(file: Path, result: Mapping[str, Any]) -> None:
    """Write the page for a result of `reduce`."""
    settings = result["settings"]
    embeddings = f"Embeddings: {settings['embeddings']}, {settings['dims']} dimensions."
    summary = f"{describe_machine(result['machine'])} {embeddings}"
    head = "".join(f"<th>{escape(name)}</th>" for name in ("method", "rows", *COLUMNS.values(), "repeats"))
    rows = "".join(_row(case) for case in result["cases"])
    figure = _figure(result["cases"]).to_html(include_plotlyjs=True, full_html=False)
    file.write_text(
        f"{HEAD}<title>Embeddings to maps</title><h1>Embeddings to maps</h1><p>{escape(summary)} "
        "Medians over the repeats; each repeat ran in its own process, after a small map. Cold is the first map "
        "of a process, with what it imports and compiles.</p>"
        f"<table><tr>{head}</tr>{rows}</table>{figure}</html>\n",
        encoding="utf-8",
    )


def _row(case: Mapping[str, Any]) -> str:
    reason = case.get("not_run") or case.get("failed")
    if reason:
        cells = f'<td colspan="{len(COLUMNS) + 1}">{escape(reason)}</td>'
    else:
        values = (middle(case, measure) for measure in COLUMNS)
        cells = "".join(f"<td>{'' if value is None else f'{value:.3g}'}</td>" for value in values)
        cells += f"<td>{len(case['seconds'])}</td>"
    return f"<tr><td>{escape(case['case'])}</td><td>{case['rows']:,}</td>{cells}</tr>"


def _figure(cases: list[dict[str, Any]]) -> go.Figure:
    measured = [case for case in cases if case.get("seconds")]
    measures = [measure for measure in _PLOTS if any(middle(case, measure) is not None for case in measured)]
    figure = make_subplots(rows=2, cols=2, subplot_titles=[COLUMNS[measure] for measure in measures])
    names = list(dict.fromkeys(case["case"] for case in measured))
    for index, measure in enumerate(measures):
        for name, color in zip(names, COLORS, strict=False):
            named = [case for case in measured if case["case"] == name and middle(case, measure) is not None]
            figure.add_scatter(
                x=[case["rows"] for case in named],
                y=[middle(case, measure) for case in named],
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=index == 0,
                line={"color": color},
                row=index // 2 + 1,
                col=index % 2 + 1,
            )
    figure.update_xaxes(type="log", title="embeddings")
    figure.update_yaxes(type="log", row=1, col=1)
    figure.update_layout(height=800, template="plotly_white")
    return figure
