"""`gapscope diff`: has the gap closed from one run to the next?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope.progress import plain_line
from gapscope_cli.errors import reported_errors
from gapscope_cli.gating import (
    FailIf,
    MarkdownFile,
    Pictures,
    PicturesUrl,
    check_finished,
    gate_document,
    judge,
    leave_by_gate,
    print_gate,
    read_fail_if,
)
from gapscope_cli.output import output, print_document, say

if TYPE_CHECKING:
    import pandas as pd

    from gapscope.run import Run

_WIDTH = len("style-aside")


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN1", help="The earlier run.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="RUN2", help="The later run.", show_default=False)],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all numbers to this CSV file too.", show_default=False)
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write both versions side by side, with pictures, as one HTML file.",
            show_default=False,
        ),
    ] = None,
    markdown: MarkdownFile = None,
    pictures: Pictures = None,
    pictures_url: PicturesUrl = None,
    fail_if: FailIf = None,
) -> None:
    """Say whether the gap between datasets closed from one run to another, beyond the error bars.

    First come the kinds of image that are closed, smaller, larger or new, then the classes whose gap changed, then the
    numbers level by level. Both runs
    must embed alike and name their datasets alike. As they are, both are measured by the scaler of RUN1. Where nothing
    changed, one diff in twenty says at most that any number did. Example: gapscope diff run-v1 run-v2
    """
    with reported_errors(reading=f"{before} or {after}"):
        rules = read_fail_if(fail_if, earlier=before)
        from gapscope import open_run
        from gapscope.diff import Versions

        runs = open_run(before), open_run(after)
        check_finished(rules, runs[1])
        versions = Versions(*runs)
        kinds, classes, changes = versions.kinds, versions.classes, versions.numbers
        if csv is not None:
            changes.to_csv(csv, index=False)
        if page is not None:
            from gapscope.diff.page import write_diff_page

            write_diff_page(page.expanduser().absolute(), *runs, kinds, classes, changes)
        if markdown is not None:
            from gapscope.diff.markdown import diff_markdown
            from gapscope.pages.markdown import PictureFolder, append_markdown

            folder = PictureFolder.beside(markdown, pictures, pictures_url)
            append_markdown(markdown, diff_markdown(*runs, kinds, classes, changes, folder))
        result = None if rules is None else judge(runs[1], rules, versions)
    if output().is_for_people:
        _print(*runs, kinds, classes, changes)
    if page is not None:
        say(f"\n{page}")
    if result is not None:
        say()
        print_gate(result)
    if output().as_json:
        from gapscope_cli.diff_document import diff_document

        document = diff_document(
            *runs,
            kinds,
            classes,
            changes,
            page=None if page is None else str(page),
            markdown=None if markdown is None else str(markdown),
            gate=None if result is None else gate_document(result),
        )
        print_document(document)
    leave_by_gate(result)


def _print(
    before: "Run", after: "Run", kinds: "pd.DataFrame", classes: "pd.DataFrame", changes: "pd.DataFrame"
) -> None:
    from gapscope.diff import describe_classes, describe_kinds, describe_left_out, level_verdicts

    for line in [*describe_kinds(kinds), *describe_classes(classes)]:
        say(plain_line(line))
    if (left_out := describe_left_out(before, after)) is not None:
        say(left_out)
    keys = ["level", "query", "reference", "reading"]
    numbers = dict(iter(changes.groupby(keys, sort=False)))
    for (query, reference), verdicts in level_verdicts(changes).groupby(["query", "reference"], sort=False):
        say(f"\n{query} images against {reference}:")
        for level, reading, verdict in verdicts[["level", "reading", "verdict"]].itertuples(index=False):
            described = "   ".join(_describe(row) for _, row in numbers[level, query, reference, reading].iterrows())
            say(f"  {level}  {reading:<{_WIDTH}}  {verdict:<10} {described}")


def _describe(row: "pd.Series[Any]") -> str:
    from gapscope.compare.registry import METRICS

    metric = METRICS[row["number"]]
    before, after = (
        f"{metric.format_value(row[when])} "
        f"[{metric.format_value(row[f'{when}_low'])}, {metric.format_value(row[f'{when}_high'])}]"
        for when in ("before", "after")
    )
    return f"{metric.label} {before} -> {after} ({row['verdict']})"
