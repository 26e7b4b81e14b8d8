"""Rules of a gate on the command line: read before a job begins, held against its run at its end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gapscope.errors import GapscopeError
from gapscope.progress import plain_line
from gapscope_cli.documents import Gate
from gapscope_cli.errors import as_command_line, reported_errors
from gapscope_cli.output import say, warn
from gapscope_cli.progress import shown_progress
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

Earlier = Annotated[
    str | None,
    typer.Option(
        metavar="RUN_BEFORE", help="Earlier run, for rules on what is new, larger or wider.", show_default=False
    ),
]
MarkdownFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Append the result as Markdown to this file, such as $GITHUB_STEP_SUMMARY.",
        show_default=False,
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where pictures of kinds go; beside the Markdown file by default.", show_default=False
    ),
]
PicturesUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Where that folder will be published, for the Markdown's links.", show_default=False
    ),
]


def gate_document(result: "GateResult") -> Gate:
    """Return what a gate found as a part of a document."""
    return msgspec.convert(result, Gate, from_attributes=True)


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


def read_fail_if(texts: Sequence[str] | None, *, earlier: str | None = None) -> "RuleSet | None":
    """Return the rules of `--fail-if`; None for none.

    Args:
        texts: rules and files of rules.
        earlier: the run that rules compare with which name none.
    """
    if not texts:
        return None
    from gapscope.gate import read_rules

    return read_rules(texts, earlier=earlier, is_failure=True)


def check_fail_if(rules: "RuleSet | None", datasets: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Check rules before a job begins, as far as what they name is known."""
    if rules is not None:
        from gapscope.gate.before import check_before

        check_before(rules, datasets, options)


def check_tracker(uri: str) -> None:
    """Check, before a job begins, that what a tracker needs is installed, and that its address is one."""
    from gapscope.track.process import check_installed, check_uri

    check_installed()
    check_uri(uri)


def show_gated(run: "Run", rules: "RuleSet | None", tracker: str | None) -> None:
    """Print a finished run and what its rules came to, and leave with the gate's exit code.

    What fails now does not lose the run: a rule that cannot be held, as on a class that is not there, is an error when
    the run is shown, and a tracker that cannot be reached is a warning.

    Args:
        run: the run.
        rules: of the gate; None for none.
        tracker: that the run goes to; None for none.
    """
    import gapscope

    tracked = None if tracker is None else _track(run, tracker)
    result = None
    with reported_errors():
        try:
            result = None if rules is None else gapscope.gate(run, rules)
        except GapscopeError:
            show_run(run, tracked=tracked)
            raise
    show_run(run, gate=None if result is None else gate_document(result), tracked=tracked)
    if result is not None:
        say()
        print_gate(result)
    leave_by_gate(result)


def _track(run: "Run", uri: str) -> str | None:
    """Put a run on a tracker, and return where it is; None where that fails."""
    import gapscope

    with reported_errors():
        try:
            with shown_progress() as progress:
                return gapscope.track_run(run, uri, progress=progress).url
        except GapscopeError as error:
            warn(f"the run is finished, and not tracked: {as_command_line(error)}")
    return None


def leave_by_gate(result: "GateResult | None") -> None:
    """End the command with the gate's exit code, unless all holds."""
    if result is not None and result.exit_code:
        raise typer.Exit(result.exit_code)
