"""Small charts as SVG: a number over versions, and a number before and after, each with its interval."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from gapscope.compare.interval import Interval
from gapscope.pages.markup import Html, element

_WIDTH, _HEIGHT, _PAD = 200.0, 48.0, 5.0
_MANY = 24
_DUMBBELL_WIDTH, _DUMBBELL_HEIGHT = 208.0, 34.0


@dataclass(frozen=True)
class Scale:
    """The ends of an axis.

    Attributes:
        low: its lower end.
        high: its upper end, which is above `low`.
    """

    low: float
    high: float

    @classmethod
    def of(cls, intervals: Iterable[Interval | None]) -> "Scale":
        """Return the scale from 0, or lower, on which all intervals lie.

        Example:
            >>> Scale.of([(0.25, 0.2, 0.3), None])
            Scale(low=0.0, high=0.3)
        """
        ends = [end for interval in intervals if interval is not None for end in interval]
        low, high = min([0.0, *ends]), max([0.0, *ends])
        return cls(low, high if high > low else low + 1.0)

    def share(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def sparkline(intervals: Sequence[Interval | None], titles: Sequence[str], scale: Scale, label: str) -> Html:
    """Return a number over versions: a point per version, a line between neighbors, and the intervals as a band.

    Args:
        intervals: per version; None where there is no number.
        titles: per version, what is shown where the pointer is.
        scale: of the vertical axis.
        label: what the chart says, for who cannot see it.
    """
    step = (_WIDTH - 2 * _PAD) / max(1, len(intervals) - 1)
    x = [_PAD + number * step for number in range(len(intervals))]
    last = max((number for number, interval in enumerate(intervals) if interval is not None), default=-1)

    def y(value: float) -> float:
        return _HEIGHT - _PAD - scale.share(value) * (_HEIGHT - 2 * _PAD)

    parts = [_base_line(y(0.0))]
    for present, group in groupby(enumerate(intervals), key=lambda item: item[1] is not None):
        run = [(x[number], interval) for number, interval in group if interval is not None]
        if present and len(run) > 1:
            ends = [*((at, y(high)) for at, (_, _, high) in run), *((at, y(low)) for at, (_, low, _) in reversed(run))]
            parts.append(element("polygon", points=_points(ends), class_="band"))
            parts.append(element("polyline", points=_points((at, y(own[0])) for at, own in run), class_="line"))
        elif present:
            parts.append(_whisker(*(run[0][0], y(run[0][1][1])), *(run[0][0], y(run[0][1][2]))))
    for number, (interval, said) in enumerate(zip(intervals, titles, strict=True)):
        # The whole column answers to the pointer: a point is too small to be hit.
        width = max(step, 2.0)
        hit = element("rect", x=x[number] - width / 2, y=0, width=width, height=_HEIGHT, class_="hit")
        radius = 3.4 if number == last else 1.4 if len(intervals) > _MANY else 2.4
        dot = None if interval is None else element("circle", cx=x[number], cy=y(interval[0]), r=radius, class_="dot")
        parts.append(element("g", element("title", said), hit, dot))
    box = f"0 0 {_WIDTH:g} {_HEIGHT:g}"
    return element("svg", *parts, class_="chart spark", viewBox=box, role="img", aria_label=label)


def dumbbell(before: Interval, after: Interval, scale: Scale, titles: tuple[str, str], label: str) -> Html:
    """Return a number before, as a ring, and after, as a dot below it, each with its interval, on one horizontal axis.

    Args:
        before: the number in the earlier version.
        after: in the later one.
        scale: of the axis.
        titles: of both, shown where the pointer is.
        label: what the chart says, for who cannot see it.
    """

    def x(value: float) -> float:
        return _PAD + scale.share(value) * (_DUMBBELL_WIDTH - 2 * _PAD)

    upper, lower = _DUMBBELL_HEIGHT * 0.3, _DUMBBELL_HEIGHT * 0.7
    zero = x(0.0)
    parts = [
        element("line", x1=zero, x2=zero, y1=0, y2=_DUMBBELL_HEIGHT, class_="base"),
        element("line", x1=x(before[0]), y1=upper, x2=x(after[0]), y2=lower, class_="base"),
    ]
    for interval, at, said, name in ((before, upper, titles[0], "hollow"), (after, lower, titles[1], "dot")):
        parts.append(
            element(
                "g",
                element("title", said),
                element(
                    "rect",
                    x=0,
                    y=at - _DUMBBELL_HEIGHT * 0.2,
                    width=_DUMBBELL_WIDTH,
                    height=_DUMBBELL_HEIGHT * 0.4,
                    class_="hit",
                ),
                _whisker(x(interval[1]), at, x(interval[2]), at),
                element("circle", cx=x(interval[0]), cy=at, r=4, class_=name),
            )
        )
    box = f"0 0 {_DUMBBELL_WIDTH:g} {_DUMBBELL_HEIGHT:g}"
    return element("svg", *parts, class_="chart dumbbell", viewBox=box, role="img", aria_label=label)


def _base_line(y: float) -> Html:
    return element("line", x1=_PAD, x2=_WIDTH - _PAD, y1=y, y2=y, class_="base")


def _whisker(x1: float, y1: float, x2: float, y2: float) -> Html:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="whisker")


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
