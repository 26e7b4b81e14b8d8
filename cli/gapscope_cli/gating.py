"""Rules of a gate on the command line: read before a job begins, held against its run at its end."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope.errors import GapscopeError
from gapscope.progress import plain_line
from gapscope_cli.documents import Finding, Gate, RuleResult
from gapscope_cli.errors import reported_errors
from gapscope_cli.output import say
from gapscope_cli.summary import show_run

if TYPE_CHECKING:
    from gapscope.gate import GateResult, RuleSet
    from gapscope.run import Run

MOST_SHOWN = 8
"""Findings of a rule that are printed; the document has all."""

FailIf = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE",
        help="When to fail, such as 'real-vs-synthetic P5 style-aside share > 5%' or 'any kind'; or a TOML file of "
        "rules. Exit code 1 where one does not hold, 3 where that cannot be told. More than one may be "
        "given.",
        show_default=False,
    ),
]


def gate_document(result: "GateResult") -> Gate:
    """Return what a gate found as a part of a document."""
    rules = [
        RuleResult(
            rule=rule.rule,
            verdict=rule.verdict,
            findings=[
                Finding(
                    where=each.where,
                    verdict=each.verdict,
                    value=each.value,
                    low=each.low,
                    high=each.high,
                    reason=each.reason,
                    kind=each.kind,
                )
                for each in rule.findings
            ],
        )
        for rule in result.rules
    ]
    return Gate(verdict=result.verdict, exit_code=result.exit_code, rules=rules)  # type: ignore[arg-type]


def print_gate(result: "GateResult") -> None:
    """Print each rule with its verdict, and what it comes to where."""
    from gapscope.gate import WORDS

    width = max(map(len, WORDS.values()))
    for rule in result.rules:
        say(f"{WORDS[rule.verdict]:<{width}}  {plain_line(rule.rule)}")
        shown = rule.findings[:MOST_SHOWN]
        for finding in shown:
            # A verdict that is the rule's needs no word.
            verdict = "" if finding.verdict == rule.verdict else f" ({WORDS[finding.verdict]})"
            say(f"{'':<{width}}    {plain_line(f'{finding.where}: {finding.reason}{verdict}')}")
        if (more := len(rule.findings) - len(shown)) > 0:
            say(f"{'':<{width}}    and {more:,} more")


def read_fail_if(texts: Sequence[str] | None) -> "RuleSet | None":
    """Return the rules of `--fail-if`; None for none."""
    if not texts:
        return None
    from gapscope.gate import read_rules

    return read_rules(texts, is_failure=True)


def check_fail_if(rules: "RuleSet | None", datasets: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Check rules before a job begins, as far as what they name is known."""
    if rules is not None:
        from gapscope.gate import check_before

        check_before(rules, datasets, options)


def show_gated(run: "Run", rules: "RuleSet | None") -> None:
    """Print a finished run and what its rules came to, and leave with the gate's exit code.

    A gate that cannot be held, as for a class that is not there, does not lose the run: it is shown all the same.
    """
    result = None
    with reported_errors():
        try:
            result = None if rules is None else _gate(run, rules)
        except GapscopeError:
            show_run(run)
            raise
    show_run(run, gate=None if result is None else gate_document(result))
    if result is not None:
        say()
        print_gate(result)
    leave_by_gate(result)


def _gate(run: "Run", rules: "RuleSet") -> "GateResult":
    import gapscope

    return gapscope.gate(run, rules)


def leave_by_gate(result: "GateResult | None") -> None:
    """End the command with the gate's exit code, unless all holds."""
    if result is not None and result.exit_code:
        raise typer.Exit(result.exit_code)
