"""Rules of a gate: what a run has to keep to."""

from dataclasses import dataclass
from typing import Literal

from gapscope.gate.numbers import RuleNumber
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Sort

Operator = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a rule looks; None for everywhere.

    Attributes:
        pair: an ordered pair of datasets.
        level: name of a level.
        reading: as it is, or style aside.
        class_name: a class, or a pattern of names with `*`.
        kind: id or name of a kind, or a pattern.
        sort: of kinds.
    """

    pair: Pair | None = None
    level: str | None = None
    reading: Reading | None = None
    class_name: str | None = None
    kind: str | None = None
    sort: Sort | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a run has to keep to.

    Attributes:
        text: as the user wrote it.
        scope: where it looks.
        needs_earlier: whether it compares the run with an earlier one.
        earlier: path or URL of that one; None for the gate's own.
    """

    text: str
    scope: Scope
    needs_earlier: bool = False
    earlier: str | None = None


@dataclass(frozen=True, kw_only=True)
class LimitRule(Rule):
    """A number stays on the good side of a limit.

    Attributes:
        number: that is looked at.
        operator: that holds between the number and the limit; it does not hold between a bad number and the limit.
        limit: a share is 0 to 1.
        is_change: whether the number's change since the earlier run is meant.
    """

    number: RuleNumber
    operator: Operator
    limit: float
    is_change: bool = False


@dataclass(frozen=True, kw_only=True)
class NoiseRule(Rule):
    """A number is within its noise floor.

    Attributes:
        number: that is looked at.
    """

    number: RuleNumber


@dataclass(frozen=True, kw_only=True)
class KindRule(Rule):
    """There is no kind of image; or none that is new, or larger than it was.

    Attributes:
        verdict: what may not have become of a kind since the earlier run; None where none may be there at all.
    """

    verdict: Literal["new", "larger"] | None


@dataclass(frozen=True, kw_only=True)
class WiderRule(Rule):
    """No number, class or kind shows a wider gap than in the earlier run, beyond chance."""


AnyRule = LimitRule | NoiseRule | KindRule | WiderRule
