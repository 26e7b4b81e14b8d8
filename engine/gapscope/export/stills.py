"""PNG and SVG pictures of every level's map, for papers and for comments of continuous integration."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import OptionError
from gapscope.progress import Progress
from gapscope.report.palette import light
from gapscope.report.selection import PlottedPoints, read_plotted_points
from gapscope.run import Run
from gapscope.settings import ReportSettings
from gapscope.store.results import pair_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_EYE, _CENTER = np.array([0.98, 0.98, 0.54]), np.array([0.0, 0.0, -0.03])
"""Where the page's camera stands at first, in units of the cube that holds the map."""

_VECTORS = 4000
"""Up to this many points are shapes in an SVG; more are one embedded picture, or viewers would choke on the file."""

_DPI = 200
_PAIRS_NAMED = 4


def export_stills(run: Run, folder: Path, progress: Progress) -> None:
    """Write LEVEL.png and LEVEL.svg per level. The same run makes the same bytes.

    PlottedPoints by Matplotlib, which needs neither a browser nor a screen.

    Raises:
        OptionError: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise OptionError(
            'Matplotlib is not installed; pip install "gapscope[stills]"', argument="to", value="stills"
        ) from error
    drawn = read_plotted_points(run, ReportSettings().max_points)
    with (
        mpl.rc_context({"svg.hashsalt": "gapscope", "svg.fonttype": "none"}),
        progress.task("stills", len(run.levels), "level") as task,
    ):
        for level in run.levels:
            figure = _still(drawn, level)
            figure.savefig(folder / f"{level}.png", dpi=_DPI, metadata={"Software": None})
            figure.savefig(folder / f"{level}.svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
            task.advance(1)


def _still(drawn: PlottedPoints, level: str) -> "Figure":
    from matplotlib.figure import Figure

    words = _words(drawn.run, level)
    figure = Figure(figsize=(6.4, 5.0 + 0.22 * len(words)), facecolor="white")
    text_share = (0.34 + 0.22 * len(words)) / figure.get_figheight()
    axes = figure.add_axes((0.02, text_share, 0.96, 0.91 - text_share))
    axes.set_axis_off()
    _draw(axes, drawn, level)
    figure.text(0.03, 0.985, level, size=16, weight="bold", va="top")
    axes.figure.legend(
        handles=_handles(drawn, level),
        loc="upper right",
        bbox_to_anchor=(0.985, 0.995),
        ncols=2,
        frameon=False,
        fontsize=8,
    )
    for line, text in enumerate(reversed(words)):
        figure.text(0.03, (0.14 + 0.22 * line) / figure.get_figheight(), text, size=8.5, color="#30363c", va="bottom")
    return figure


def _draw(axes: "Axes", drawn: PlottedPoints, level: str) -> None:
    points, _ = drawn.points(level)
    across, depth = _projected(points)
    outlier = drawn.outliers(level)
    count = len(points)
    size = float(np.clip(26 - 5.2 * np.log10(max(count, 1)), 2.0, 16.0))
    colors = np.array([light(number) for number in range(len(drawn.run.datasets))], dtype=object)[drawn.dataset]
    # The nearest last, all datasets in one go, so that none is painted over the others. Outliers above.
    for listed, marker, scale, alpha in ((False, "o", 1.0, 0.6), (True, "D", 1.15, 0.95)):
        here = np.flatnonzero(outlier == listed)
        here = here[np.argsort(-depth[here], kind="stable")]
        axes.scatter(
            across[here, 0],
            across[here, 1],
            s=size * scale,
            c=list(colors[here]),
            marker=marker,
            alpha=alpha,
            linewidths=0.35 if listed else 0.0,
            edgecolors="white",
            rasterized=count > _VECTORS,
        )
    axes.set_aspect("equal")
    axes.margins(0.04)


def _projected(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n, 2) places as the page's camera first sees them, and (n,) distances from it."""
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


def _handles(drawn: PlottedPoints, level: str) -> "list[Line2D]":
    from matplotlib.lines import Line2D

    outlier = drawn.outliers(level)
    handles = []
    for number, name in enumerate(drawn.run.datasets):
        for listed, marker, label in ((False, "o", name), (True, "D", "listed outliers")):
            count = int(((drawn.dataset == number) & (outlier == listed)).sum())
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
    # Legends fill their columns downwards; names belong in the first, outliers in the second.
    return [*handles[::2], *handles[1::2]]


def _words(run: Run, level: str) -> list[str]:
    numbers = run.metrics["levels"][level]["pairs"]
    found = [(pair, numbers[pair_name(*pair)]) for pair in run.pairs if pair_name(*pair) in numbers]
    widest = sorted(found, key=lambda one: -one[1]["outlier_share"])[:_PAIRS_NAMED]
    return [
        f"{one['outliers']:,} of {one['images']:,} {query} images ({one['outlier_share']:.1%}) are outliers against "
        f"{reference}"
        for (query, reference), one in widest
    ]
