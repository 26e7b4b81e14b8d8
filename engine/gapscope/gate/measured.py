"""Reads the numbers that rules are about from a run, each with its interval, or with the reason why it has none."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pandas as pd

from gapscope.compare.interval import Interval, clopper_pearson, rounded
from gapscope.gate.numbers import RuleNumber
from gapscope.gate.rules import Scope
from gapscope.kinds.sentences import name_of, nothing_can_be_told
from gapscope.run import Run
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Gap
from gapscope.store.metrics import PairMetrics

_FEW = "too few groups for an interval"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number at one place.

    Attributes:
        where: the place in words.
        value: None where the run has no such number.
        interval: with the ends of its 95% interval; None where it has none.
        missing: why there is no number, or no interval where it should have one; empty where nothing is missing.
        note: what else to know of it; empty for nothing.
        kind: id of the kind; None for none.
    """

    where: str
    value: float | None
    interval: Interval | None = None
    missing: str = ""
    note: str = ""
    kind: str | None = None


def pairs_in(run: Run, scope: Scope) -> tuple[Pair, ...]:
    """Return the run's ordered pairs that a rule is about."""
    return tuple(pair for pair in run.pairs if scope.pair in (None, pair))


def places_in(run: Run, scope: Scope) -> Iterator[tuple[Pair, str, Reading]]:
    """Yield the pairs, levels and readings that a rule is about."""
    settings = run.record.config.compare
    readings = settings.listed_readings if scope.reading is None else (scope.reading,)
    for pair in pairs_in(run, scope):
        for level in (level for level in run.levels if scope.level in (None, level)):
            for reading in readings:
                yield pair, level, reading


def measure_levels(run: Run, scope: Scope, number: RuleNumber) -> Iterator[Measured]:
    """Yield a number of levels, or of pairs as a whole, wherever a rule looks."""
    if number.name == "kinds":
        for pair in pairs_in(run, scope):
            count = len(kinds_in(run, Scope(pair=pair, sort=scope.sort)))
            where = f"{pair.name}{f' {scope.sort}' if scope.sort else ''}"
            missing = "" if count else untold_kinds(run, pair)
            yield Measured(where=where, value=float(count), missing=missing)
        return
    for pair, level, reading in places_in(run, scope):
        where = f"{pair.name} {level} {reading}"
        if number.name == "probe":
            yield _probe(run, pair, level, reading, where)
            continue
        metrics = metrics_of(run, pair, level, reading)
        if metrics is None:
            yield Measured(where=where, value=None, missing="the run has no such number")
            continue
        note = "the look that remains counts too" if metrics.get("basis") == "ranking" else ""
        if not number.has_interval:
            yield Measured(where=where, value=float(metrics[number.key]), note=note)  # type: ignore[literal-required]
            continue
        interval = interval_of(metrics, number)
        if interval is None:
            yield Measured(where=where, value=None, missing=_FEW)
        else:
            yield Measured(where=where, value=interval[0], interval=interval, note=note)


def metrics_of(run: Run, pair: Pair, level: str, reading: Reading) -> PairMetrics | None:
    """Return the numbers of a level, ordered pair and reading; None where the run lacks that reading."""
    by_pair = run.metrics["levels"][level]["pairs" if reading == "as-is" else "style_aside"]
    return by_pair.get(pair.name)


def interval_of(metrics: PairMetrics, number: RuleNumber) -> Interval | None:
    """Return a number with its interval; None where it has none."""
    measure = metrics["measures"].get(number.key)
    ends: list[object] = [metrics.get(f"{number.key}{end}") for end in ("", "_low", "_high")]
    if measure is not None:
        ends = [measure["value"], measure["low"], measure["high"]]
    known = [float(end) for end in ends if isinstance(end, int | float)]
    return (known[0], known[1], known[2]) if len(known) == 3 else None


def _probe(run: Run, pair: Pair, level: str, reading: Reading, where: str) -> Measured:
    probes = run.metrics["probes"].get(pair.name)
    probe = None if probes is None else probes["levels"].get(level, {}).get(reading)
    if probe is None or probe["share"] is None or probe["share_low"] is None or probe["share_high"] is None:
        reason = probes["sentence"] if probes is not None and probe is None else "no probe could be made"
        return Measured(where=where, value=None, missing=reason if probes is not None else "the run has no classes")
    return Measured(
        where=where, value=probe["share"], interval=(probe["share"], probe["share_low"], probe["share_high"])
    )


def classes_in(run: Run, scope: Scope) -> pd.DataFrame:
    """Return the rows of classes.parquet that a rule is about."""
    table = run.classes()
    wanted = pd.Series(data=True, index=table.index)
    if scope.pair is not None:
        wanted &= (table["query"] == scope.pair.query) & (table["reference"] == scope.pair.reference)
    for column in ("level", "reading"):
        if (value := getattr(scope, column)) is not None:
            wanted &= table[column] == value
    pattern = scope.class_name or "*"
    return table[wanted & table["class"].map(lambda name: matches(name, pattern)).astype(bool)]


def matches(name: str, pattern: str) -> bool:
    """Return whether a name is the one that a rule gives, or fits its pattern.

    Example:
        >>> matches("traffic light", "traffic *"), matches("car[1]", "car[1]")
        (True, True)
    """
    return name == pattern or fnmatchcase(name, pattern)


def measure_classes(run: Run, scope: Scope, number: RuleNumber) -> Iterator[Measured]:
    """Yield a number of classes, wherever a rule looks.

    A query without any image of a class says nothing of it, so that its rows count only where there are no others.
    """
    table = classes_in(run, scope)
    present = table[table["images"] > 0]
    for row in (table if present.empty else present).to_dict("records"):
        where = f"{row['query']}-vs-{row['reference']} {row['level']} {row['reading']} class {row['class']}"
        value = row[number.key]
        if pd.isna(value):
            reason = "no list style aside at this level" if row["images"] else f"{row['query']} has no image of it"
            yield Measured(where=where, value=None, missing=reason)
        elif number.name == "share":
            yield Measured(where=where, value=value, interval=share_interval(value, int(row["groups"])))
        elif number.has_interval:
            ends = row[f"{number.key}_low"], row[f"{number.key}_high"]
            known = not any(pd.isna(end) for end in ends)
            interval = (float(value), float(ends[0]), float(ends[1])) if known else None
            yield Measured(where=where, value=float(value), interval=interval, missing="" if known else _FEW)
        else:
            yield Measured(where=where, value=float(value))


def kinds_in(run: Run, scope: Scope) -> list[Gap]:
    """Return the kinds that a rule is about, the worst first."""
    return [
        gap
        for gap in run.gaps_record["kinds"]
        if scope.pair in (None, (gap["query"], gap["reference"]))
        and scope.level in (None, *gap["levels"])
        and scope.reading in (None, *gap["readings"])
        and scope.sort in (None, gap["sort"])
        and (scope.kind is None or matches(gap["id"], scope.kind) or matches(gap["name"], scope.kind))
    ]


def describe_kind(gap: Gap) -> str:
    """Return what a kind is in words."""
    return f"{gap['title'].lower()}: {name_of(gap)} ({gap['id']})"


def measure_kinds(run: Run, scope: Scope, number: RuleNumber) -> Iterator[Measured]:
    """Yield a number of kinds, wherever a rule looks; a kind that is not there has 0, if it would have been found."""
    kinds = kinds_in(run, scope)
    for gap in kinds:
        where = f"{gap['query']}-vs-{gap['reference']} {describe_kind(gap)}"
        value = float(gap[number.key])  # type: ignore[literal-required]
        groups = run.record.group_count(gap["query"])
        interval = share_interval(value, groups) if number.has_interval else None
        yield Measured(where=where, value=value, interval=interval, kind=gap["id"])
    for pair in pairs_in(run, scope):
        if not any(pair == (gap["query"], gap["reference"]) for gap in kinds):
            untold = untold_kinds(run, pair)
            where = f"{pair.name} kind {scope.kind}"
            yield Measured(where=where, value=None if untold else 0.0, missing=untold, note="no such kind")


def untold_kinds(run: Run, pair: Pair) -> str:
    """Return why a pair without kinds may lack something all the same; empty where it would have been found."""
    limit = run.metrics["limits"][pair.name]
    if limit["message"] is not None or limit["smallest_gap"] is None:
        return "too few groups to list any kind"
    if nothing_can_be_told(run.metrics, pair.name):
        return "nothing can be told beneath the look that remains"
    return ""


def share_interval(share: float, groups: int) -> Interval:
    """Return a share of groups with its 95% interval, that of Clopper and Pearson (1934).

    Example:
        >>> share_interval(0.1, 100)
        (0.1, 0.0490047, 0.176223)
    """
    low, high = clopper_pearson(round(share * groups), groups)
    return share, rounded(low), rounded(high)
