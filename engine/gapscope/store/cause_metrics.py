"""What metrics.json holds of the users' columns: which go with the gap, and which values are wanted more."""

from typing import Literal, TypedDict

ColumnKind = Literal["category", "number", "date"]


class ValueGap(TypedDict):
    """The gap among the images that have one value of a column, or values of one range.

    Attributes:
        label: the value, or the range in words.
        low: lower end of a range; None for a category. Dates are seconds since 1970.
        high: its upper end.
        images: that have it.
        groups: that these form.
        share_listed: share of these groups that are listed.
        gap: share of the reference that is missing among their nearest, as the metric `gap`.
        gap_low: lower end of its 95% interval, over groups; None where there are too few.
        gap_high: its upper end.
        enough: whether there are enough groups to say anything.
    """

    label: str
    low: float | None
    high: float | None
    images: int
    groups: int
    share_listed: float
    gap: float
    gap_low: float | None
    gap_high: float | None
    enough: bool


class Cause(TypedDict):
    """How much of a pair's gap goes with a column of the query.

    Attributes:
        column: its name.
        kind: of its values.
        groups: that have a value.
        effect: share of the gap's variance that goes with the column, beyond chance, 0 to 1.
        p: corrected for all columns, levels and readings of the pair; None where there are too few groups.
        named: whether the gap goes with it beyond chance.
        level: at which it shows most.
        reading: in which it shows most.
        values: the gap by value, in the order of the column.
        note: why nothing is said of it, or what was left out; empty otherwise.
    """

    column: str
    kind: ColumnKind
    groups: int
    effect: float
    p: float | None
    named: bool
    level: str
    reading: str
    values: list[ValueGap]
    note: str


class WantedValue(TypedDict):
    """How often a value of a parameter, or values of one range, are there today, and how often they are wanted.

    Attributes:
        label: the value, or the range in words.
        low: lower end of a range; None for a category. Dates are seconds since 1970.
        high: its upper end.
        images: of the reference that have it.
        today: share of the reference's images that have it.
        wanted: share that the query's images ask for.
        ratio: wanted / today.
        ratio_low: lower end of its 95% interval; None where there are too few.
        ratio_high: its upper end.
        enough: whether there are enough images to say anything.
    """

    label: str
    low: float | None
    high: float | None
    images: int
    today: float
    wanted: float
    ratio: float
    ratio_low: float | None
    ratio_high: float | None
    enough: bool


class WantedColumn(TypedDict):
    """Which values of a column of the reference the query's images ask for.

    Attributes:
        column: its name.
        kind: of its values.
        p: that the query asks for other values than there are, corrected for all columns, levels and readings of the
            pair; None where there are too few groups.
        named: whether it does, beyond chance.
        level: at which it shows most.
        reading: in which it shows most.
        end: of a column of numbers or dates that is named, which end is wanted more; None elsewhere.
        values: in the order of the column.
        sentence: what to render more of, such as "3.1 times more with sun below 10 degrees"; empty where it is not
            named.
        note: why nothing is said of it, or what was left out; empty otherwise.
    """

    column: str
    kind: ColumnKind
    p: float | None
    named: bool
    level: str
    reading: str
    end: Literal["low", "high"] | None
    values: list[WantedValue]
    sentence: str
    note: str
