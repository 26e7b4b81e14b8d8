"""What the page shows before anything is chosen: per ordered pair two shares, a sentence, and the first pictures."""

from dataclasses import dataclass

from gapscope.compare.headline import leading_levels
from gapscope.compare.outlier_table import SATURATED
from gapscope.report.lists import OutlierList, Ranking
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore

PICTURES = 6
"""Pictures per pair, of as many groups."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What the page says first of an ordered pair.

    Attributes:
        as_is: number of the level whose share is shown as it is: the most telling one that lists anything.
        style_aside: likewise style aside, where the most is listed; None without that reading.
        reading: in which the pair is shown first: style aside where nearly everything differs as it is.
        level: number of the level that is shown first, in that reading.
        is_saturated: whether nearly everything differs as it is, at that level.
        pictures: page numbers of the first images of that reading, listed or, where nothing is, ranked.
        is_ranking: whether they are from a ranking.
    """

    as_is: int
    style_aside: int | None
    reading: Reading
    level: int
    is_saturated: bool
    pictures: list[int]
    is_ranking: bool


def openings(
    run: RunStore,
    metrics: Metrics,
    index: PointIndex,
    outlier_lists: list[OutlierList],
    rankings: list[Ranking],
    selection: Selection,
) -> list[Opening]:
    """Return what the page says first of every ordered pair."""
    return [_opening(run, metrics, index, outlier_lists, rankings, selection, pair) for pair in run.pairs]


def _opening(
    run: RunStore,
    metrics: Metrics,
    index: PointIndex,
    outlier_lists: list[OutlierList],
    rankings: list[Ranking],
    selection: Selection,
    pair: Pair,
) -> Opening:
    order = metrics["level_rankings"][pair.name]
    as_is, style_aside = leading_levels(pair, metrics["levels"], order)
    is_saturated = metrics["levels"][as_is]["pairs"][pair.name]["outlier_share"] > SATURATED
    readings = run.record.config.compare.listed_readings
    reading = "style-aside" if "style-aside" in readings and is_saturated else readings[0]
    level = as_is if reading == "as-is" or style_aside is None else style_aside
    query, reference = (index.datasets.index(name) for name in pair)
    page_numbers = selection.page_numbers(len(index))

    def first(images: list[OutlierList] | list[Ranking]) -> list[int]:
        found = [page_numbers[own.image[index.turn(own.image) == 0]] for own in images]
        return [int(number) for own in found for number in own[own >= 0][:PICTURES]]

    pictures = first(
        [
            own
            for own in outlier_lists
            if (own.reading, own.level, own.query, own.reference) == (reading, level, query, reference)
        ]
    )
    ranked = first([own for own in rankings if (own.reading, own.level, own.pair) == (reading, level, pair)])
    return Opening(
        as_is=run.levels.index(as_is),
        style_aside=None if style_aside is None else run.levels.index(style_aside),
        reading=reading,
        level=run.levels.index(level),
        is_saturated=is_saturated,
        pictures=pictures or ranked,
        is_ranking=not pictures,
    )
