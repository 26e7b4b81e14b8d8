"""A run beside an earlier one: what rules say of changes."""

import math
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from gapscope.compare.interval import Interval
from gapscope.compare.registry import format_interval
from gapscope.diff import Versions
from gapscope.diff.classes import LARGER as LARGER_CLASS
from gapscope.diff.classes import VANISHED
from gapscope.diff.kinds import LARGER, NEW, describe_kind_change
from gapscope.diff.numbers import interval_at, widens
from gapscope.gate.measured import kinds_in, matches, pairs_in, untold_kinds
from gapscope.gate.numbers import OF_CLASSES, OF_LEVELS
from gapscope.gate.result import Finding
from gapscope.gate.rules import KindRule, LimitRule, Scope, WiderRule
from gapscope.store.datasets import Pair

Row = dict[Hashable, Any]
"""A row of a table of changes."""

_FEW = "too few groups to tell"
_BY_KEY = {number.key: number for number in OF_LEVELS.values()}


def pairs_of_both(versions: Versions, scope: Scope) -> list[Pair]:
    """Return the ordered pairs of both runs that a rule is about."""
    return [pair for pair in pairs_in(versions.after, scope) if pair in versions.before.pairs]


def judge_kinds(versions: Versions, rule: KindRule) -> Iterator[Finding]:
    """Yield, per pair, the kinds that are new or larger, or that there are none."""
    for pair in pairs_of_both(versions, rule.scope):
        kinds = _kinds_of(versions, pair, rule.scope)
        bad = [kind for kind in kinds if kind["verdict"] == rule.verdict]
        unsure = rule.verdict == NEW and untold_kinds(versions.before, pair)
        for kind in bad:
            yield Finding(
                where=pair.name,
                verdict="undecided" if unsure else "fails",
                reason=_change_of(kind) + (f"; of the earlier run: {unsure}" if unsure else ""),
                value=kind["share_after"],
                kind=kind["after"],
            )
        if not bad:
            untold = "" if kinds_in(versions.after, Scope(pair=pair)) else untold_kinds(versions.after, pair)
            reason = untold or f"no {rule.verdict} kind"
            yield Finding(where=pair.name, verdict="undecided" if untold else "holds", reason=reason)


def judge_wider(versions: Versions, rule: WiderRule) -> Iterator[Finding]:
    """Yield what is wider, of the numbers, classes and kinds that the rule is about, or per pair that nothing is."""
    scope = rule.scope
    is_kinds = scope.kind is not None or scope.sort is not None
    is_classes = scope.class_name is not None
    # A kind's share is not of one level or reading.
    with_kinds = is_kinds or not (is_classes or scope.level or scope.reading)
    for pair in pairs_of_both(versions, scope):
        numbers = _rows(versions.numbers, pair, scope) if not (is_kinds or is_classes) else []
        classes = _rows(versions.classes, pair, scope) if not is_kinds else []
        kinds = _kinds_of(versions, pair, scope) if with_kinds else []
        bad = [
            *(_number_finding(row) for row in numbers if widens(row["number"], row["verdict"])),
            *(_class_finding(row) for row in classes if row["verdict"] in (LARGER_CLASS, VANISHED)),
            *(
                Finding(where=pair.name, verdict="fails", reason=_change_of(kind), kind=kind["after"])
                for kind in kinds
                if kind["verdict"] == LARGER
            ),
        ]
        yield from bad
        if bad:
            continue
        few = any(run.metrics["limits"][pair.name]["message"] is not None for run in (versions.before, versions.after))
        if few or not (numbers or classes or with_kinds):
            reason = _FEW if few else "no number of both runs can be compared"
            yield Finding(where=pair.name, verdict="undecided", reason=reason)
        else:
            looked = [
                f"{len(numbers)} numbers" if numbers else "",
                f"{len(classes)} rows of classes" if classes else "",
            ]
            words = ", ".join(word for word in [*looked, "kinds" if with_kinds else ""] if word)
            yield Finding(where=pair.name, verdict="holds", reason=f"nothing wider among {words}")


def measure_changes(versions: Versions, rule: LimitRule) -> Iterator[tuple[str, Interval]]:
    """Yield where a number changed, and by how much, with its interval."""
    for pair in pairs_of_both(versions, rule.scope):
        for row in _rows(versions.numbers, pair, rule.scope):
            if row["number"] == rule.number.key:
                before, after = interval_at(row, "before"), interval_at(row, "after")
                yield f"{pair.name} {row['level']} {row['reading']}", difference(before, after)


def difference(before: Interval, after: Interval) -> Interval:
    """Return after minus before, with its 95% interval by those of both: the method of Zou and Donner (2008).

    Example:
        >>> [round(end, 3) for end in difference((0.5, 0.4, 0.6), (0.3, 0.2, 0.4))]
        [-0.2, -0.341, -0.059]
    """
    change = after[0] - before[0]
    below = math.hypot(after[0] - after[1], before[2] - before[0])
    above = math.hypot(after[2] - after[0], before[0] - before[1])
    return change, change - below, change + above


def _rows(table: pd.DataFrame, pair: Pair, scope: Scope) -> list[Row]:
    wanted = (table["query"] == pair.query) & (table["reference"] == pair.reference)
    for column in ("level", "reading"):
        if (value := getattr(scope, column)) is not None:
            wanted &= table[column] == value
    rows = table[wanted].to_dict("records")
    if scope.class_name is not None and "class" in table:
        rows = [row for row in rows if matches(row["class"], scope.class_name)]
    return rows


def _kinds_of(versions: Versions, pair: Pair, scope: Scope) -> list[Row]:
    table = versions.kinds
    rows = table[(table["query"] == pair.query) & (table["reference"] == pair.reference)].to_dict("records")
    pattern = scope.kind or "*"
    return [
        row
        for row in rows
        if scope.sort in (None, row["sort"]) and (matches(row["name"], pattern) or matches(row["after"], pattern))
    ]


def _change_of(kind: Row) -> str:
    # The verdict is padded for columns.
    return " ".join(describe_kind_change(kind).split())


def _number_finding(row: Row) -> Finding:
    number = _BY_KEY[str(row["number"])]
    before, after = interval_at(row, "before"), interval_at(row, "after")
    where = f"{row['query']}-vs-{row['reference']} {row['level']} {row['reading']}"
    reason = f"{number.name} {format_interval(number, before)} -> {format_interval(number, after)}"
    return Finding(where=where, verdict="fails", reason=reason, value=after[0], low=after[1], high=after[2])


def _class_finding(row: Row) -> Finding:
    before, after = (
        (float(row[f"gap_{when}"]), float(row[f"gap_low_{when}"]), float(row[f"gap_high_{when}"]))
        for when in ("before", "after")
    )
    where = f"{row['query']}-vs-{row['reference']} {row['level']} {row['reading']} class {row['class']}"
    if row["verdict"] == VANISHED:
        reason = f"{row['reference']} has no image of it any more"
        return Finding(where=where, verdict="fails", reason=reason, value=after[0])
    reason = f"gap {format_interval(OF_CLASSES['gap'], before)} -> {format_interval(OF_CLASSES['gap'], after)}"
    return Finding(where=where, verdict="fails", reason=reason, value=after[0], low=after[1], high=after[2])
