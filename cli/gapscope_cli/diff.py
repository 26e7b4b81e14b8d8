"""`gapscope diff`: has the gap closed from one run to the next?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope.progress import plain_line
from gapscope_cli.errors import reported_errors

if TYPE_CHECKING:
    import pandas as pd

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
) -> None:
    """Say whether the gap between datasets closed from one run to another, beyond the error bars.

    First come the kinds of image that are closed, smaller, larger or new, then the classes whose gap changed, then the
    numbers level by level. Both runs
    must embed alike and name their datasets alike. As they are, both are measured by the scaler of RUN1. Where nothing
    changed, one diff in twenty says at most that any number did. Example: gapscope diff run-v1 run-v2
    """
    with reported_errors(reading=f"{before} or {after}"):
        from gapscope import open_run
        from gapscope.diff import (
            describe_classes,
            describe_kinds,
            describe_left_out,
            diff_classes,
            diff_kinds,
            diff_runs,
            level_verdicts,
        )

        runs = open_run(before), open_run(after)
        kinds = diff_kinds(*runs)
        classes = diff_classes(*runs)
        changes = diff_runs(*runs)
        if csv is not None:
            changes.to_csv(csv, index=False)
        if page is not None:
            from gapscope.diff.page import write_diff_page

            write_diff_page(page.expanduser().absolute(), *runs, kinds, classes, changes)
    for line in [*describe_kinds(kinds), *describe_classes(classes)]:
        typer.echo(plain_line(line))
    if (left_out := describe_left_out(*runs)) is not None:
        typer.echo(left_out)
    keys = ["level", "query", "reference", "reading"]
    numbers = dict(iter(changes.groupby(keys, sort=False)))
    for (query, reference), verdicts in level_verdicts(changes).groupby(["query", "reference"], sort=False):
        typer.echo(f"\n{query} images against {reference}:")
        for level, reading, verdict in verdicts[["level", "reading", "verdict"]].itertuples(index=False):
            described = "   ".join(_describe(row) for _, row in numbers[level, query, reference, reading].iterrows())
            typer.echo(f"  {level}  {reading:<{_WIDTH}}  {verdict:<10} {described}")
    if page is not None:
        typer.echo(f"\n{page}")


def _describe(row: "pd.Series[Any]") -> str:
    from gapscope.compare.registry import METRICS

    metric = METRICS[row["number"]]
    before, after = (
        f"{metric.format_value(row[when])} "
        f"[{metric.format_value(row[f'{when}_low'])}, {metric.format_value(row[f'{when}_high'])}]"
        for when in ("before", "after")
    )
    return f"{metric.label} {before} -> {after} ({row['verdict']})"
