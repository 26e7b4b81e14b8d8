"""What metrics.json holds of the boxes of annotated objects: their number, sizes, places and classes."""

from typing import Literal, TypedDict

BoxUnit = Literal["count", "share", "log-ratio"]


class BoxHistogram(TypedDict):
    """Shares of the objects, or of the images, between edges, in the query and in the reference; each sums to 1.

    `labels` name the bins where these are no ranges of numbers, such as 0, 1, 2, 3 to 4 objects; `edges` is then empty.
    """

    edges: list[float]
    labels: list[str]
    query: list[float]
    reference: list[float]


class BoxMetric(TypedDict):
    """One number of boxes, in two datasets.

    Attributes:
        name: such as `objects_per_image`; `gapscope.compare.boxes.registry` says what it is.
        query: its mean over the query's objects or images.
        reference: over the reference's.
        difference: query - reference.
        low: lower end of the difference's 95% interval, over groups; None where there are too few.
        high: its upper end.
        effect: difference / pooled standard deviation; None where nothing varies.
        p: that its mean or its distribution differs, corrected for all numbers of the pair; None where there are too
            few groups.
        beyond_noise: whether it differs by more than chance, in mean or distribution; None where that cannot be told.
        objects: how many objects or images of the query and of the reference it rests on.
        histogram: how it is distributed.
    """

    name: str
    query: float
    reference: float
    difference: float
    low: float | None
    high: float | None
    effect: float | None
    p: float | None
    beyond_noise: bool | None
    objects: tuple[int, int]
    histogram: BoxHistogram


class TogetherMetric(TypedDict):
    """How often two classes are in one image: shares of the images of the query and of the reference."""

    first: str
    second: str
    query: float
    reference: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    beyond_noise: bool | None


class PairBoxes(TypedDict):
    """The boxes of a pair of datasets; only of the pair whose query the run names before its reference.

    Attributes:
        numbers: in the order in which they are shown.
        together: pairs of classes whose shares differ most, those beyond noise first.
        note: what was left out, as a sentence; empty if nothing was.
    """

    numbers: list[BoxMetric]
    together: list[TogetherMetric]
    note: str
