"""The images that exports of single images hold, and the datasets that these are outliers against."""

from collections.abc import Iterator

import numpy as np

from gapscope.report.selection import PlottedPoints, read_plotted_points
from gapscope.sources import Entry
from gapscope.store.index import read_entries
from gapscope.store.run_store import RunStore


def plotted_entries(run: RunStore, max_points: int) -> tuple[PlottedPoints, list[Entry]]:
    """Return the images that are points on the maps, and their entries, in the same order."""
    plotted = read_plotted_points(run, max_points)
    entries = np.empty(len(plotted.image), dtype=object)
    for number, name in enumerate(run.datasets):
        chosen = plotted.dataset == number
        entries[chosen] = read_entries(run, name, plotted.row[chosen])
    return plotted, list(entries)


def outlier_references(plotted: PlottedPoints, level: str) -> Iterator[str]:
    """Yield, per image, the names of the datasets that it is an outlier against at a level, or nothing."""
    names: dict[int, list[str]] = {}
    for outliers in plotted.outlier_lists:
        if outliers.level == level:
            for image in outliers.image.tolist():
                names.setdefault(image, []).append(plotted.run.datasets[outliers.reference])
    for image in plotted.image.tolist():
        yield ", ".join(names.get(image, []))
