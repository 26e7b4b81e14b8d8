"""What the exports have in common that show single images."""

from collections.abc import Iterator

import numpy as np

from gapscope.report.selection import PlottedPoints, read_plotted_points
from gapscope.run import Run
from gapscope.sources import Entry


def drawn_entries(run: Run, max_points: int) -> tuple[PlottedPoints, list[Entry]]:
    """Return the images that maps show, and what their sources list of them, in the same order."""
    drawn = read_plotted_points(run, max_points)
    entries = np.empty(len(drawn.image), dtype=object)
    for number, name in enumerate(run.datasets):
        here = drawn.dataset == number
        entries[here] = run.entries(name, drawn.row[here])
    return drawn, list(entries)


def outlier_words(drawn: PlottedPoints, level: str) -> Iterator[str]:
    """Yield, per image, the datasets that it is an outlier against at a level, or nothing."""
    against: dict[int, list[str]] = {}
    for one in drawn.listed:
        if one.level == level:
            for image in one.image.tolist():
                against.setdefault(image, []).append(drawn.run.datasets[one.reference])
    for image in drawn.image.tolist():
        yield ", ".join(against.get(image, []))
