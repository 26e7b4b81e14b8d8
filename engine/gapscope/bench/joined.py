"""Results of one benchmark from several machines or days side by side: JSON, and a page with a table and plots."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gapscope.bench.measures import Measure, measures_of, read_result
from gapscope.bench.page import COLORS, COLUMNS, HEAD, describe_machine
from gapscope.bench.scale_page import QUALITY
from gapscope.errors import OptionError

_PLOTTED = {key: COLUMNS[key] for key in ("seconds", "rows_per_second", "peak_gib", "peak_gpu_gib")} | {
    key: QUALITY[key] for key in ("trustworthiness", "command_gib", "worker_gib", "gpu_gib")
}
"""Measure of a case with `rows` to the title of its plot."""


def join_results(files: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write joined.json and joined.html: every measure that two or more results have, with the median of each.

    Args:
        files: results of one benchmark, two or more; each is named by its path without `.json`.
        out: folder to write to.

    Returns:
        The content of joined.json: `results`, per name its machine and settings, and `measures`, per measure its unit,
        whether higher is better, and the `medians` by name.

    Raises:
        OptionError: a file cannot be read, two are one, or no measure is in two of them.
    """
    if len(set(files)) < max(2, len(files)):
        raise OptionError(f"{', '.join(map(str, files))}: give two results or more, each once")
    results = {str(file.with_suffix("")): read_result(file) for file in files}
    measured = {name: measures_of(result) for name, result in results.items()}
    joined = {
        "results": {
            name: {"machine": result.get("machine", {}), "settings": result.get("settings", {})}
            for name, result in results.items()
        },
        "measures": [
            _joined(key, {name: own[key] for name, own in measured.items() if key in own})
            for key in dict.fromkeys(key for own in measured.values() for key in own)
            if sum(key in own for own in measured.values()) > 1
        ],
    }
    if not joined["measures"]:
        raise OptionError(f"{', '.join(map(str, files))} have no measure in common")
    out.mkdir(parents=True, exist_ok=True)
    (out / "joined.json").write_text(json.dumps(joined, indent=2) + "\n", encoding="utf-8")
    (out / "joined.html").write_text(_page(joined, results), encoding="utf-8")
    return joined


def _joined(key: str, measures: Mapping[str, Measure]) -> dict[str, Any]:
    quantity = next(iter(measures.values())).quantity
    return {
        "measure": key,
        "unit": quantity.unit,
        "higher_is_better": quantity.higher_is_better,
        "medians": {name: median(measure.repeats) for name, measure in measures.items()},
    }


def _page(joined: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> str:
    machines = "".join(f"<li>{escape(name)}: {escape(_machine(result))}</li>" for name, result in results.items())
    head = "".join(f"<th>{escape(title)}</th>" for title in ("measure", "unit", *results))
    rows = "".join(_row(measure, list(results)) for measure in joined["measures"])
    figure = _figure(results)
    plots = "" if figure is None else figure.to_html(include_plotlyjs=True, full_html=False)
    return (
        f"{HEAD}<title>Results side by side</title><h1>Results side by side</h1><ul>{machines}</ul>{plots}"
        "<p>Medians over the repeats; the best of each row is bold.</p>"
        f"<table><tr>{head}</tr>{rows}</table></html>\n"
    )


def _machine(result: Mapping[str, Any]) -> str:
    return describe_machine(result["machine"]) if "machine" in result else "of an unknown machine"


def _row(measure: Mapping[str, Any], names: Sequence[str]) -> str:
    medians = measure["medians"]
    differ = len(set(medians.values())) > 1
    best = (max if measure["higher_is_better"] else min)(medians.values())
    cells = ""
    for name in names:
        value = medians.get(name)
        shown = "" if value is None else f"{value:,.4g}"
        cells += f"<td>{f'<b>{shown}</b>' if differ and value == best else shown}</td>"
    return f"<tr><td>{escape(measure['measure'])}</td><td>{escape(measure['unit'])}</td>{cells}</tr>"


def _figure(results: Mapping[str, Mapping[str, Any]]) -> go.Figure | None:
    """Return a plot over the number of rows for every measure that cases have; None where no case has rows."""
    series: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for name, result in results.items():
        for case in result.get("cases", ()):
            line = f"{name}: {case['case']}" if "case" in case else name
            for key in _PLOTTED if isinstance(case.get("rows"), int) else ():
                values = case.get(key)
                numbers = [value for value in (values if isinstance(values, list) else [values]) if value is not None]
                if numbers:
                    series.setdefault(key, {}).setdefault(line, []).append((case["rows"], median(numbers)))
    if not series:
        return None
    plotted = [key for key in _PLOTTED if key in series]
    lines = list(dict.fromkeys(line for own in series.values() for line in own))
    figure = make_subplots(rows=-(-len(plotted) // 2), cols=2, subplot_titles=[_PLOTTED[key] for key in plotted])
    for place, key in enumerate(plotted):
        for line, points in series[key].items():
            rows, values = zip(*sorted(points), strict=True)
            figure.add_scatter(
                x=rows,
                y=values,
                mode="lines+markers",
                name=line,
                legendgroup=line,
                showlegend=line not in {trace.name for trace in figure.data},
                line={"color": COLORS[lines.index(line) % len(COLORS)]},
                row=place // 2 + 1,
                col=place % 2 + 1,
            )
        if key in ("seconds", "rows_per_second"):
            figure.update_yaxes(type="log", row=place // 2 + 1, col=place % 2 + 1)
    figure.update_xaxes(type="log", title="rows")
    figure.update_layout(height=400 * -(-len(plotted) // 2), template="plotly_white")
    return figure
