"""`gapscope export`."""

from pathlib import Path
from typing import Annotated

import typer

from gapscope.settings import ExportFormat
from gapscope_cli.errors import reported_errors
from gapscope_cli.progress import shown_progress


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    to: Annotated[
        ExportFormat,
        typer.Option(
            help="parquet (tables), fiftyone (a dataset that FiftyOne imports), projector (TensorBoard's Embedding "
            "Projector), or stills (PNG and SVG of every level's map).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to; RUN/export/KIND by default.", show_default=False),
    ] = None,
) -> None:
    """Write a run in the form that another tool reads."""
    with reported_errors(reading=run), shown_progress() as progress:
        import gapscope
        from gapscope.export import export_run

        written = export_run(gapscope.open_run(run), to, out, progress)
    typer.echo(written)
