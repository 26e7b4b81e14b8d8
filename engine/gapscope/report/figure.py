"""A level's map as a Plotly figure, for notebooks."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gapscope.report.palette import light
from gapscope.report.selection import PlottedPoints, read_plotted_points
from gapscope.store.index import take_rows
from gapscope.store.run_store import RunStore

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LONGEST = 80


def level_figure(run: RunStore, level: str, max_points: int) -> "go.Figure":
    """Draw a level's map: a trace of ordinary images and one of listed outliers per dataset."""
    import plotly.graph_objects as go

    plotted = read_plotted_points(run, max_points)
    points, _ = plotted.points(level)
    outlier = plotted.outliers(level)
    size = float(np.clip(8.2 - 1.25 * np.log10(max(len(points), 1)), 2.2, 6.0))
    figure = go.Figure()
    for number, name in enumerate(run.datasets):
        for listed in (False, True):
            chosen = (plotted.dataset == number) & (outlier == listed)
            figure.add_scatter3d(
                x=points[chosen, 0],
                y=points[chosen, 1],
                z=points[chosen, 2],
                mode="markers",
                name=f"{name}, outliers" if listed else name,
                text=_names(plotted, number, chosen),
                hovertemplate="%{text}<extra>%{fullData.name}</extra>",
                marker={
                    "size": size + 1.6 if listed else size,
                    "symbol": "diamond" if listed else "circle",
                    "color": light(number),
                    "opacity": 1.0 if listed else 0.7,
                },
            )
    hidden = {"title": "", "showticklabels": False, "showspikes": False, "zeroline": False, "showbackground": False}
    figure.update_layout(
        title=f"{level}: {' vs '.join(run.datasets)}",
        scene={"xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data"},
        legend={"itemsizing": "constant"},
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        template="plotly_white",
    )
    return figure


def _names(plotted: PlottedPoints, dataset: int, chosen: NDArray[np.bool_]) -> list[str]:
    # Plotly reads tags in its texts; names come from strangers.
    uris = take_rows(plotted.run, plotted.run.datasets[dataset], plotted.row[chosen], ["uri"])["uri"].to_pylist()
    return [escape(uri if len(uri) <= _LONGEST else f"…{uri[-_LONGEST:]}") for uri in uris]
