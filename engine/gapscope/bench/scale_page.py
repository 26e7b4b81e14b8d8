"""Writes the results of `scale` as an HTML page with a table and plots, which needs neither network nor server."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gapscope.bench.page import COLORS, HEAD, describe_machine

_MIN_SECONDS = 1.0
"""A stage that never takes as long is not drawn."""


def write_scale_page(file: Path, result: Mapping[str, Any]) -> None:
    """Write the page for a result of `scale`."""
    settings = result["settings"]
    summary = (
        f"{describe_machine(result['machine'])} Embeddings: {settings['embeddings']}, {settings['dims']} dimensions, "
        f"two datasets, one level; device {settings['device']}, cluster {settings['cluster']}, "
        f"{settings['landmarks']:,} landmarks."
    )
    measured = [case for case in result["cases"] if "failed" not in case]
    plots = _figure(measured).to_html(include_plotlyjs=True, full_html=False) if measured else ""
    file.write_text(
        f"{HEAD}<title>How the job grows</title><h1>How the job grows</h1><p>{escape(summary)}</p>"
        f"{_table(result)}{_quality(result['cases'])}{plots}</html>\n",
        encoding="utf-8",
    )


def _table(result: Mapping[str, Any]) -> str:
    cases = [case for case in result["cases"] if "failed" not in case]
    stages = list(dict.fromkeys(stage for case in cases for stage in case["stages"]))
    head = "".join(f"<th>{case['rows']:,} rows, s</th>" for case in cases)
    rows = [
        f"<tr><td>{escape(stage)}</td>"
        + "".join(f"<td>{case['stages'].get(stage, {}).get('seconds', 0):.1f}</td>" for case in cases)
        + f"<td>{result['exponent'].get(stage, '')}</td></tr>"
        for stage in stages
    ]
    rows.append(
        "<tr><td>all</td>"
        + "".join(f"<td>{case['seconds']:.1f}</td>" for case in cases)
        + f"<td>{result['exponent'].get('all', '')}</td></tr>"
    )
    return f"<table><tr><th>stage</th>{head}<th>exponent</th></tr>{''.join(rows)}</table>"


QUALITY = {
    "recall_within": "neighbors found within datasets",
    "recall_between": "neighbors found between datasets",
    "trustworthiness": "trustworthiness",
    "command_gib": "peak memory of the command, GiB",
    "worker_gib": "peak memory of a worker, GiB",
    "gpu_gib": "peak GPU memory, GiB",
}
"""Measure of a size to its title."""


def _quality(cases: list[dict[str, Any]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in QUALITY.values())
    rows = []
    for case in cases:
        if "failed" in case:
            cells = f'<td colspan="{len(QUALITY)}">{escape(case["failed"])}</td>'
        else:
            values = (case.get(name) for name in QUALITY)
            cells = "".join(f"<td>{'' if value is None else f'{value:.3g}'}</td>" for value in values)
        rows.append(f"<tr><td>{case['rows']:,}</td>{cells}</tr>")
    return f"<table><tr><th>rows</th>{head}</tr>{''.join(rows)}</table>"


def _figure(cases: list[dict[str, Any]]) -> go.Figure:
    figure = make_subplots(rows=1, cols=2, subplot_titles=["seconds", "peak memory, GiB"])
    rows = [case["rows"] for case in cases]
    stages = dict.fromkeys(stage for case in cases for stage in case["stages"])
    shown = [
        stage
        for stage in stages
        if max(case["stages"].get(stage, {}).get("seconds", 0) for case in cases) >= _MIN_SECONDS
    ]
    for stage, color in zip(shown, COLORS * 3, strict=False):
        seconds = [case["stages"].get(stage, {}).get("seconds") for case in cases]
        figure.add_scatter(x=rows, y=seconds, mode="lines+markers", name=stage, line={"color": color}, row=1, col=1)
    for name, color in (("command_gib", "#000000"), ("worker_gib", "#0072b2"), ("gpu_gib", "#d55e00")):
        if any(name in case for case in cases):
            figure.add_scatter(
                x=rows,
                y=[case.get(name) for case in cases],
                mode="lines+markers",
                name=QUALITY[name],
                line={"color": color},
                row=1,
                col=2,
            )
    figure.update_xaxes(type="log", title="rows")
    figure.update_yaxes(type="log", row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=1, col=2)
    figure.update_layout(height=520, template="plotly_white")
    return figure
