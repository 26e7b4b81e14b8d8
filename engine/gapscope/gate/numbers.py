"""The numbers that a rule can be about, under the names that people give them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gapscope.compare.registry import METRICS, Better, Format, format_number

Of = Literal["level", "class", "kind"]
"""What a number is of: an ordered pair as a whole or at a level, one of its classes, or one of its kinds."""


@dataclass(frozen=True, kw_only=True)
class RuleNumber:
    """A number that a rule can limit.

    Attributes:
        name: as a rule calls it.
        key: as metrics.json, classes.parquet or gaps.json calls it.
        better: whether a lower or a higher value means a smaller gap.
        format: how it is written: a count, a share in percent, or a number.
        has_interval: whether it is an estimate, which a limit is held against with its 95% interval.
        has_noise_floor: whether metrics.json says whether it is beyond noise.
        can_change: whether two runs can be held against each other by it.
    """

    name: str
    key: str
    better: Better
    format: Format
    has_interval: bool
    has_noise_floor: bool = False
    can_change: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is a share, 0 to 1."""
        return self.format == "percent"

    def format_value(self, value: float) -> str:
        """Return a value as text."""
        return format_number(value, self.format)

    def format_change(self, change: float) -> str:
        """Return how much a value changed as text; a share changes by points of a hundred.

        Example:
            >>> OF_LEVELS["share"].format_change(0.125), OF_LEVELS["kid"].format_change(-0.02)
            ('+12.5 points', '-0.02')
        """
        return f"{100 * change:+.1f} points" if self.is_share else f"{change:+.3g}"


_NAMES = {
    "share": "share_outside",
    "listed": "outlier_share",
    "neighbor-test": "two_sample",
    **{
        name.replace("_", "-"): name
        for name in (
            "gap",
            "kid",
            "frechet",
            "coverage",
            "precision",
            "recall",
            "density",
            "outliers",
            "outlier_groups",
            "images",
            "groups",
            "reference_images",
            "reference_groups",
        )
    },
}
_CAN_CHANGE = ("share", "kid")

OF_LEVELS = {
    name: RuleNumber(
        name=name,
        key=key,
        better=METRICS[key].better,
        format=METRICS[key].format,
        has_interval=bool(METRICS[key].interval),
        has_noise_floor=METRICS[key].measure,
        can_change=name in _CAN_CHANGE,
    )
    for name, key in _NAMES.items()
} | {"probe": RuleNumber(name="probe", key="share", better="higher", format="percent", has_interval=True)}
"""Numbers of one level, ordered pair and reading, by name."""

OF_PAIRS = {"kinds": RuleNumber(name="kinds", key="kinds", better="lower", format="count", has_interval=False)}
"""Numbers of an ordered pair as a whole."""

OF_CLASSES = {
    "gap": RuleNumber(name="gap", key="gap", better="lower", format="percent", has_interval=True),
    "share": RuleNumber(name="share", key="share_listed", better="lower", format="percent", has_interval=True),
    "images": RuleNumber(name="images", key="images", better="neither", format="count", has_interval=False),
    "reference-images": RuleNumber(
        name="reference-images", key="reference_images", better="higher", format="count", has_interval=False
    ),
}
"""Numbers of a class: `share` is how many of its groups are listed."""

OF_KINDS = {
    "share": RuleNumber(name="share", key="share", better="lower", format="percent", has_interval=True),
    "images": RuleNumber(name="images", key="images", better="lower", format="count", has_interval=False),
    "groups": RuleNumber(name="groups", key="groups", better="lower", format="count", has_interval=False),
}
"""Numbers of a kind: `share` is how many of the query's groups it holds."""

NUMBERS: Mapping[Of, Mapping[str, RuleNumber]] = {
    "level": OF_LEVELS | OF_PAIRS,
    "class": OF_CLASSES,
    "kind": OF_KINDS,
}
"""By what a rule speaks of: nothing in particular, a class, or a kind."""
