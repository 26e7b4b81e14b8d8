"""What a run found, in a few lines."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gapscope.run import Run


def print_summary(run: "Run") -> None:
    """Print the outliers of every ordered pair by level, and last the path of the report page."""
    by_level = run.metrics["levels"]
    for query, reference in run.pairs:
        typer.echo(f"\n{query} images that {reference} lacks:")
        for level in run.levels:
            pair = by_level[level]["pairs"][f"{query}-vs-{reference}"]
            typer.echo(
                f"  {level}  {pair['outliers']:>7,} of {pair['images']:,} listed ({pair['outlier_share']:.1%}); "
                f"estimated share outside {pair['share_outside']:.1%}"
            )
    typer.echo(f"\nmanifests  {run.path / 'manifests'}\nreport     {run.report}")
