"""A history: versions, their numbers, and the kinds that were followed through them, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from gapscope.compare.interval import Interval
from gapscope.diff.kinds import AS_BEFORE, CLOSED, NEW, kinds_table, share_verdicts
from gapscope.diff.numbers import Change, judge
from gapscope.history.follow import FollowedKind, event
from gapscope.history.versions import Version, VersionKind
from gapscope.store.datasets import Pair

NUMBER_COLUMNS = ("version", "created", "query", "reference", "level", "reading", "number", "value", "low", "high")
KIND_COLUMNS = (
    *("kind", "query", "reference", "name", "name_source", "version", "created", "id", "sort", "groups", "share"),
    "event",
)

NumberKey = tuple[str, str, str, str, str]
"""Level, query, reference, reading and number."""


@dataclass(frozen=True)
class History:
    """Versions of a comparison, the oldest first.

    Attributes:
        versions: the versions.
        kinds: those that were followed, in the order in which they were first seen.
        left_out: a line for each run that could not be compared.

    Example:
        >>> import gapscope
        >>> from gapscope.history import read_history
        >>> history = read_history([gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")])
        >>> [version.name for version in history.versions], len(history.kinds)
        (['monday', 'tuesday'], 1)
        >>> history.kinds_table()[["kind", "version", "groups", "event"]].values.tolist()
        [['H1', 'monday', 20, ''], ['H1', 'tuesday', 0, 'vanished']]
    """

    versions: Sequence[Version]
    kinds: Sequence[FollowedKind]
    left_out: Sequence[str] = ()

    @property
    def first(self) -> Version:
        """The first version, by whose scaler all are measured as they are."""
        return self.versions[0]

    @property
    def notes(self) -> list[str]:
        """What is left out or was made otherwise, each said once with the versions that it holds of."""
        names: dict[str, list[str]] = {}
        for version in self.versions:
            for note in version.measured.notes:
                names.setdefault(note, []).append(version.name)
        return [*self.left_out, *(f"{_some(own)}, against {self.first.name}: {note}" for note, own in names.items())]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The ordered pairs that are followed, which are those of the first version."""
        return self.first.run.pairs

    @property
    def keys(self) -> list[NumberKey]:
        """Level, query, reference, reading and number of all numbers that any version has, in its order."""
        return [*dict.fromkeys(key for own in self.numbers for key in own)]

    @cached_property
    def numbers(self) -> list[dict[NumberKey, Interval]]:
        """The numbers of each version, by what they are."""
        return [
            {
                (own.level, own.query, own.reference, own.reading, own.number): own.interval
                for own in version.measured.numbers
            }
            for version in self.versions
        ]

    def compared(self, pair: Pair) -> list[bool]:
        """Return per version whether it compares an ordered pair."""
        return [pair in version.measured.pairs for version in self.versions]

    def changes(self, before: int, after: int) -> pd.DataFrame:
        """Return which numbers changed between two versions, with the columns of `gapscope.diff.diff_runs`.

        From the first version on, they are those of `diff_runs`. Between two others they may differ from these, since
        both are measured by the scaler of the first one.
        """
        first, second = self.numbers[before], self.numbers[after]
        return judge([Change(*key, first[key], second[key]) for key in first if key in second])

    def kind_changes(self, before: int, after: int) -> pd.DataFrame:
        """Return what became of the kinds between two versions, with the columns of `gapscope.diff.diff_kinds`.

        Kinds of pairs that one of both does not compare are left out.
        """
        pairs = {*self.versions[before].measured.pairs} & {*self.versions[after].measured.pairs}
        ends = [(kind.seen.get(before), kind.seen.get(after)) for kind in self.kinds if kind.latest.pair in pairs]
        verdicts = share_verdicts(
            {
                number: ((one.groups, one.of_groups), (other.groups, other.of_groups))
                for number, (one, other) in enumerate(ends)
                if one and other
            }
        )
        rows = []
        for number, (one, other) in enumerate(ends):
            if shown := other or one:
                verdict = verdicts.get(number, AS_BEFORE) if one and other else NEW if other else CLOSED
                rows.append(
                    {
                        "verdict": verdict,
                        **{
                            name: getattr(shown, name) for name in ("query", "reference", "name", "name_source", "sort")
                        },
                        **_end("before", one),
                        **_end("after", other),
                    }
                )
        return kinds_table(rows)

    def numbers_table(self) -> pd.DataFrame:
        """Return a row per version and number, with the columns of history.csv."""
        rows = [
            [
                version.name,
                version.measured.created,
                *(own.query, own.reference, own.level, own.reading, own.number),
                *own.interval,
            ]
            for version in self.versions
            for own in version.measured.numbers
        ]
        return pd.DataFrame(rows, columns=list(NUMBER_COLUMNS))

    def kinds_table(self) -> pd.DataFrame:
        """Return a row per kind and version that compares its pair, with the columns of kinds.csv."""
        rows = []
        for kind in self.kinds:
            compared = self.compared(kind.latest.pair)
            for number, version in enumerate(self.versions):
                if not compared[number]:
                    continue
                own = kind.seen.get(number)
                rows.append(
                    [
                        kind.id,
                        *kind.latest.pair,
                        kind.latest.name,
                        kind.latest.name_source,
                        version.name,
                        version.measured.created,
                        *((own.id, own.sort, own.groups, own.share) if own else ("", "", 0, 0.0)),
                        event(kind, number, compared),
                    ]
                )
        return pd.DataFrame(rows, columns=list(KIND_COLUMNS))


def _some(names: Sequence[str]) -> str:
    """Return a few names, or the first and the last one and how many there are."""
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} to {names[-1]} ({len(names)} versions)"


def _end(when: str, kind: VersionKind | None) -> dict[str, object]:
    return {
        when: kind.id if kind else "",
        f"groups_{when}": kind.groups if kind else 0,
        f"share_{when}": kind.share if kind else 0.0,
    }
