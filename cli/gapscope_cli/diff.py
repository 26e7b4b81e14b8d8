"""`gapscope diff`: has the gap closed from one run to the next?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope_cli.errors import reported_errors

if TYPE_CHECKING:
    import pandas as pd


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN1", help="The earlier run.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="RUN2", help="The later run.", show_default=False)],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all numbers to this CSV file too.", show_default=False)
    ] = None,
) -> None:
    """Say whether the gap between datasets closed from one run to another, level by level, beyond the error bars.

    Both runs must embed alike and name their datasets alike. Example: gapscope diff run-v1 run-v2
    """
    with reported_errors(reading=f"{before} or {after}"):
        from gapscope import open_run
        from gapscope.diff import diff_runs, level_verdicts

        changes = diff_runs(open_run(before), open_run(after))
        if csv is not None:
            changes.to_csv(csv, index=False)
    for (query, reference), verdicts in level_verdicts(changes).groupby(["query", "reference"], sort=False):
        typer.echo(f"\n{query} images against {reference}:")
        for level, verdict in zip(verdicts["level"], verdicts["verdict"], strict=True):
            current = changes[
                (changes["level"] == level) & (changes["query"] == query) & (changes["reference"] == reference)
            ].set_index("number")
            typer.echo(
                f"  {level}  {verdict:<10} " + "   ".join(_describe(name, current.loc[name]) for name in current.index)
            )


def _describe(name: str, row: "pd.Series[Any]") -> str:
    from gapscope.compare.registry import METRICS

    metric = METRICS[name]
    before, after = (
        f"{metric.format_value(row[when])} "
        f"[{metric.format_value(row[f'{when}_low'])}, {metric.format_value(row[f'{when}_high'])}]"
        for when in ("before", "after")
    )
    return f"{metric.label} {before} -> {after} ({row['verdict']})"
