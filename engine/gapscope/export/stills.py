"""Exports PNG and SVG pictures of every level's map, for papers and for comments by continuous integration."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.registry import format_share
from gapscope.errors import OptionError
from gapscope.progress import Progress
from gapscope.report.palette import light
from gapscope.report.selection import PlottedPoints, read_plotted_points
from gapscope.settings import ReportSettings
from gapscope.store.metrics import PairMetrics, read_metrics
from gapscope.store.run_store import RunStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_EYE, _CENTER = np.array([0.98, 0.98, 0.54]), np.array([0.0, 0.0, -0.03])
"""The initial camera of the report's map, in units of the cube that encloses the map."""

_MAX_VECTOR_POINTS = 4000
"""More points than this are one embedded picture in the SVG, since viewers choke on that many shapes."""

_DPI = 200
_MAX_PAIRS = 4


def export_stills(run: RunStore, folder: Path, progress: Progress) -> None:
    """Write LEVEL.png and LEVEL.svg into `folder` for every level. The same run gives the same bytes.

    Matplotlib draws them, without a browser or a display.

    Raises:
        OptionError: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise OptionError(
            'Matplotlib is not installed; pip install "gapscope[stills]"', argument="to", value="stills"
        ) from error
    plotted, metrics = read_plotted_points(run, ReportSettings().max_points), read_metrics(run)
    with (
        mpl.rc_context({"svg.hashsalt": "gapscope", "svg.fonttype": "none"}),
        progress.task("stills", len(run.levels), "level") as task,
    ):
        for level in run.levels:
            numbers = metrics["levels"][level]
            of_reading = numbers["pairs"] if plotted.reading == "as-is" else numbers["style_aside"]
            figure = _draw_figure(plotted, level, of_reading)
            figure.savefig(folder / f"{level}.png", dpi=_DPI, metadata={"Software": None})
            figure.savefig(folder / f"{level}.svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
            task.advance(1)


def _draw_figure(plotted: PlottedPoints, level: str, metrics: Mapping[str, PairMetrics]) -> "Figure":
    from matplotlib.figure import Figure

    lines = _summary_lines(plotted.run, metrics)
    figure = Figure(figsize=(6.4, 5.0 + 0.22 * len(lines)), facecolor="white")
    text_share = (0.34 + 0.22 * len(lines)) / figure.get_figheight()
    axes = figure.add_axes((0.02, text_share, 0.96, 0.91 - text_share))
    axes.set_axis_off()
    _draw_points(axes, plotted, level)
    figure.text(0.03, 0.985, level, size=16, weight="bold", va="top")
    axes.figure.legend(
        handles=_legend_handles(plotted, level),
        loc="upper right",
        bbox_to_anchor=(0.985, 0.995),
        ncols=2,
        frameon=False,
        fontsize=8,
    )
    for row, text in enumerate(reversed(lines)):
        figure.text(0.03, (0.14 + 0.22 * row) / figure.get_figheight(), text, size=8.5, color="#30363c", va="bottom")
    return figure


def _draw_points(axes: "Axes", plotted: PlottedPoints, level: str) -> None:
    points, _ = plotted.points(level)
    positions, depth = _project(points)
    is_outlier = plotted.outliers(level)
    count = len(points)
    size = float(np.clip(26 - 5.2 * np.log10(max(count, 1)), 2.0, 16.0))
    colors = np.array([light(number) for number in range(len(plotted.run.datasets))], dtype=object)[plotted.dataset]
    # All datasets in one call and from far to near, so that no dataset covers the others; outliers on top.
    for listed, marker, scale, alpha in ((False, "o", 1.0, 0.6), (True, "D", 1.15, 0.95)):
        order = np.flatnonzero(is_outlier == listed)
        order = order[np.argsort(-depth[order], kind="stable")]
        axes.scatter(
            positions[order, 0],
            positions[order, 1],
            s=size * scale,
            c=list(colors[order]),
            marker=marker,
            alpha=alpha,
            linewidths=0.35 if listed else 0.0,
            edgecolors="white",
            rasterized=count > _MAX_VECTOR_POINTS,
        )
    axes.set_aspect("equal")
    axes.margins(0.04)


def _project(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n, 2) positions in the picture of the report's initial camera, and (n,) depths."""
    if not len(points):
        return np.zeros((0, 2)), np.zeros(0)
    low, high = points.min(axis=0), points.max(axis=0)
    cube = (points - (low + high) / 2) / max(float((high - low).max()), 1e-9)
    forward = _CENTER - _EYE
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    up = np.cross(right, forward)
    from_eye = cube - _EYE
    depth = from_eye @ forward
    return np.stack([from_eye @ right, from_eye @ up], axis=1) / np.maximum(depth, 1e-3)[:, None], depth


def _legend_handles(plotted: PlottedPoints, level: str) -> "list[Line2D]":
    from matplotlib.lines import Line2D

    is_outlier = plotted.outliers(level)
    handles = []
    for number, name in enumerate(plotted.run.datasets):
        for listed, marker, label in ((False, "o", name), (True, "D", "listed outliers")):
            count = int(((plotted.dataset == number) & (is_outlier == listed)).sum())
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="",
                    marker=marker,
                    markersize=4.5,
                    color=light(number),
                    label=f"{label} ({count:,})",
                )
            )
    # Matplotlib fills a legend column by column: names go into the first, outliers into the second.
    return [*handles[::2], *handles[1::2]]


def _summary_lines(run: RunStore, metrics: Mapping[str, PairMetrics]) -> list[str]:
    """Return a sentence each for the pairs with the largest shares of outliers."""
    pairs = [(pair, metrics[pair.name]) for pair in run.pairs]
    widest = sorted(pairs, key=lambda pair: -pair[1]["outlier_share"])[:_MAX_PAIRS]
    return [
        f"{numbers['outliers']:,} of {numbers['images']:,} {query} images "
        f"({format_share(numbers['outlier_share'])}) are outliers against {reference}"
        for (query, reference), numbers in widest
    ]
