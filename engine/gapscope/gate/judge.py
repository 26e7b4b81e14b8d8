"""Holds a finished run against rules."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from os import PathLike

from gapscope.compare.interval import Interval
from gapscope.compare.registry import format_interval, format_share
from gapscope.diff import Versions
from gapscope.diff.comparable import check_comparable
from gapscope.errors import OptionError
from gapscope.gate.changes import judge_kinds, judge_wider, measure_changes, pairs_of_both
from gapscope.gate.check import check_run
from gapscope.gate.measured import (
    Measured,
    describe_kind,
    kinds_in,
    measure_classes,
    measure_kinds,
    measure_levels,
    metrics_of,
    pairs_in,
    places_in,
    untold_kinds,
)
from gapscope.gate.result import Finding, GateResult, RuleResult, Verdict, sorted_findings
from gapscope.gate.rule_file import RuleSet, read_rules
from gapscope.gate.rules import AnyRule, KindRule, LimitRule, NoiseRule, Operator, Scope, WiderRule
from gapscope.run import Run, open_run
from gapscope.store.location import resolve_location


def gate(
    run: Run,
    rules: RuleSet | Sequence[str | PathLike[str]],
    *,
    earlier: Run | Versions | str | PathLike[str] | None = None,
) -> GateResult:
    """Hold a finished run against rules.

    An estimate is held against its limit with its 95% interval: a rule holds where the whole interval is on the good
    side, fails where it is on the bad side, and is undecided where the limit lies inside. docs/gates.md has the rules.

    Args:
        run: the run.
        rules: lines of text, files of rules (`.toml`), or what `read_rules` returns.
        earlier: the run that those rules compare with that name none; or both runs, where what they differ in is known.

    Raises:
        OptionError: a rule states nothing, or is about a level, pair, reading or class that the run does not have.
        RunError: an earlier run cannot be opened, or embeds otherwise.

    Example:
        >>> import gapscope
        >>> run = gapscope.open_run("runs/tuesday")
        >>> found = gapscope.gate(run, ["P5 as-is share < 50%", "any new kind"], earlier="runs/monday")
        >>> [rule.verdict for rule in found.rules]  # 60 images are too few to list any kind.
        ['holds', 'undecided']
        >>> found.verdict, found.exit_code
        ('undecided', 3)
    """
    given = Versions(earlier, run) if isinstance(earlier, Run) else earlier if isinstance(earlier, Versions) else None
    if not isinstance(rules, RuleSet):
        path = earlier if given is None else given.before.path
        rules = read_rules(rules, earlier=None if path is None else str(path))
    check_run(rules, run)

    @cache
    def versions(path: str) -> Versions:
        is_given = given is not None and str(resolve_location(path)) == str(given.before.path)
        both = given if given is not None and is_given else Versions(open_run(path), run)
        check_comparable(both.before, run)
        return both

    results = []
    for rule in rules.rules:
        path = rule.earlier or rules.earlier
        found = _judge(run, rule, versions(path) if rule.needs_earlier and path is not None else None)
        findings = sorted_findings(found)
        if not findings:
            raise OptionError(f"rule {rule.text!r}: {run.path} has nothing that it is about")
        results.append(RuleResult(rule=rule.text, findings=findings))
    return GateResult(run=str(run.path), rules=tuple(results))


def _judge(run: Run, rule: AnyRule, versions: Versions | None) -> Iterator[Finding]:
    match rule:
        case LimitRule(is_change=True):
            assert versions is not None
            yield from _judge_change(versions, rule)
        case LimitRule():
            yield from (_limit_finding(rule, measured) for measured in _measure(run, rule))
        case NoiseRule():
            yield from _judge_noise(run, rule)
        case KindRule(verdict=None):
            yield from _judge_any_kind(run, rule)
        case KindRule():
            assert versions is not None
            yield from judge_kinds(versions, rule)
        case WiderRule():
            assert versions is not None
            yield from judge_wider(versions, rule)


def _measure(run: Run, rule: LimitRule) -> Iterator[Measured]:
    if rule.scope.class_name is not None:
        return measure_classes(run, rule.scope, rule.number)
    if rule.scope.kind is not None:
        return measure_kinds(run, rule.scope, rule.number)
    return measure_levels(run, rule.scope, rule.number)


def _limit_finding(rule: LimitRule, measured: Measured) -> Finding:
    number, interval, value = rule.number, measured.interval, measured.value
    note = f"; {measured.note}" if measured.note else ""
    if measured.missing or value is None:
        return Finding(where=measured.where, verdict="undecided", reason=measured.missing, value=value)
    if interval is None:
        verdict: Verdict = "holds" if _holds(value, rule.operator, rule.limit) else "fails"
        reason = f"{number.name} {number.format_value(value)}{note}"
        return Finding(where=measured.where, verdict=verdict, reason=reason, value=value, kind=measured.kind)
    return Finding(
        where=measured.where,
        verdict=judge_interval(interval, rule.operator, rule.limit),
        reason=f"{number.name} {format_interval(number, interval)}{note}",
        value=value,
        low=interval[1],
        high=interval[2],
        kind=measured.kind,
    )


def judge_interval(interval: Interval, operator: Operator, limit: float) -> Verdict:
    """Return whether an estimate keeps to a limit, by its 95% interval.

    Example:
        >>> [judge_interval(interval, "<", 0.05) for interval in [(0.01, 0, 0.03), (0.1, 0.07, 0.2), (0.04, 0, 0.2)]]
        ['holds', 'fails', 'undecided']
    """
    ends = [_holds(end, operator, limit) for end in interval[1:]]
    return "holds" if all(ends) else "undecided" if any(ends) else "fails"


def _holds(value: float, operator: Operator, limit: float) -> bool:
    match operator:
        case "<":
            return value < limit
        case "<=":
            return value <= limit
        case ">":
            return value > limit
        case ">=":
            return value >= limit


def _judge_change(versions: Versions, rule: LimitRule) -> Iterator[Finding]:
    is_any = False
    for where, interval in measure_changes(versions, rule):
        is_any = True
        value, low, high = map(rule.number.format_change, interval)
        yield Finding(
            where=where,
            verdict=judge_interval(interval, rule.operator, rule.limit),
            reason=f"{rule.number.name} changed by {value} [{low}, {high}]",
            value=interval[0],
            low=interval[1],
            high=interval[2],
        )
    if not is_any:
        for pair in pairs_of_both(versions, rule.scope):
            reason = f"no {rule.number.name} of both runs can be compared"
            yield Finding(where=pair.name, verdict="undecided", reason=reason)


def _judge_noise(run: Run, rule: NoiseRule) -> Iterator[Finding]:
    number = rule.number
    for pair, level, reading in places_in(run, rule.scope):
        where = f"{pair.name} {level} {reading}"
        metrics = metrics_of(run, pair, level, reading)
        measure = None if metrics is None else metrics["measures"].get(number.key)
        if measure is None or measure["beyond_noise"] is None:
            yield Finding(where=where, verdict="undecided", reason="too few groups for a noise floor")
            continue
        value, beyond = measure["value"], measure["beyond_noise"]
        floor = "" if measure["floor"] is None else f", floor {number.format_value(measure['floor'])}"
        yield Finding(
            where=where,
            verdict="fails" if beyond else "holds",
            reason=f"{number.name} {number.format_value(value)}{floor}: {'beyond' if beyond else 'within'} noise",
            value=value,
            low=measure["low"],
            high=measure["high"],
        )


def _judge_any_kind(run: Run, rule: KindRule) -> Iterator[Finding]:
    for pair in pairs_in(run, rule.scope):
        kinds = kinds_in(run, replace(rule.scope, pair=pair))
        for gap in kinds:
            size = f"{gap['images']:,} images, {format_share(gap['share'])} of {gap['query']}"
            yield Finding(
                where=pair.name,
                verdict="fails",
                reason=f"{describe_kind(gap)}, {size}",
                value=gap["share"],
                kind=gap["id"],
            )
        if not kinds:
            untold = "" if kinds_in(run, Scope(pair=pair)) else untold_kinds(run, pair)
            yield Finding(where=pair.name, verdict="undecided" if untold else "holds", reason=untold or "no such kind")
