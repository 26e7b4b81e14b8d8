"""The results of `reduce` as a page with a table and plots, which opens from disk with no network."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLUMNS = {
    "seconds": "seconds",
    "peak_gib": "peak memory, GiB",
    "peak_gpu_gib": "peak GPU memory, GiB",
    "trustworthiness": "trustworthiness",
    "neighbor_recall": "neighbors kept",
}
"""What a case's table shows, and what it is called."""
_PLOTS = ("seconds", "peak_gib", "peak_gpu_gib", "trustworthiness")


def middle(case: Mapping[str, Any], measure: str) -> float | None:
    """Return the median of a measure's repeats; None where the case has none."""
    values = [value for value in case.get(measure, []) if value is not None]
    return median(values) if values else None


def write_page(file: Path, result: Mapping[str, Any]) -> None:
    """Write the page of a result of `reduce`."""
    machine, settings = result["machine"], result["settings"]
    about = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"
    about += f"; {machine['gpu']}" if machine["gpu"] else "; no GPU"
    words = f"{about}. Embeddings: {settings['embeddings']}, {settings['dims']} dimensions. {machine['time']}."
    head = "".join(f"<th>{escape(name)}</th>" for name in ("way", "rows", *COLUMNS.values(), "repeats"))
    rows = "".join(_row(case) for case in result["cases"])
    figure = _figure(result["cases"]).to_html(include_plotlyjs=True, full_html=False)
    file.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Embeddings to maps</title>'
        "<style>body{font:16px system-ui;margin:2rem;max-width:72rem}td,th{padding:.2rem .8rem;text-align:right}"
        "td:first-child,th:first-child{text-align:left}</style>"
        f"<h1>Embeddings to maps</h1><p>{escape(words)} Medians of the repeats, each in a process of its own.</p>"
        f"<table><tr>{head}</tr>{rows}</table>{figure}</html>\n",
        encoding="utf-8",
    )


def _row(case: Mapping[str, Any]) -> str:
    why = case.get("not_run") or case.get("failed")
    if why:
        cells = f'<td colspan="{len(COLUMNS) + 1}">{escape(why)}</td>'
    else:
        values = (middle(case, measure) for measure in COLUMNS)
        cells = "".join(f"<td>{'' if value is None else f'{value:.3g}'}</td>" for value in values)
        cells += f"<td>{len(case['seconds'])}</td>"
    return f"<tr><td>{escape(case['case'])}</td><td>{case['rows']:,}</td>{cells}</tr>"


def _figure(cases: list[dict[str, Any]]) -> go.Figure:
    ran = [case for case in cases if case.get("seconds")]
    shown = [measure for measure in _PLOTS if any(middle(case, measure) is not None for case in ran)]
    figure = make_subplots(rows=2, cols=2, subplot_titles=[COLUMNS[measure] for measure in shown])
    names = list(dict.fromkeys(case["case"] for case in ran))
    colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"]
    for at, measure in enumerate(shown):
        for name, color in zip(names, colors, strict=False):
            here = [case for case in ran if case["case"] == name and middle(case, measure) is not None]
            figure.add_scatter(
                x=[case["rows"] for case in here],
                y=[middle(case, measure) for case in here],
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=at == 0,
                line={"color": color},
                row=at // 2 + 1,
                col=at % 2 + 1,
            )
    figure.update_xaxes(type="log", title="embeddings")
    figure.update_yaxes(type="log", row=1, col=1)
    figure.update_layout(height=800, template="plotly_white")
    return figure
