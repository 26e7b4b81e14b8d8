"""`gapscope report`."""

from pathlib import Path
from typing import Annotated

import typer

from gapscope_cli.errors import told
from gapscope_cli.progress import shown_progress


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    max_points: Annotated[int, typer.Option(metavar="N", help="Most images drawn on a map.")] = 50_000,
    thumbnails: Annotated[
        str, typer.Option(help="Images that the page has pictures of: off, outliers or drawn.")
    ] = "drawn",
    single_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the page as one HTML file as well, for mailing.", show_default=False),
    ] = None,
) -> None:
    """Write the report page of a finished run again."""
    with told(reading=run), shown_progress() as progress:
        from gapscope.report.single_file import write_single_file
        from gapscope.settings import ReportSettings
        from gapscope.stages.report import rewrite_report

        settings = ReportSettings(max_points=max_points, thumbnails=thumbnails)  # type: ignore[arg-type]
        page = rewrite_report(run, progress, settings)
        if single_file is not None:
            size = write_single_file(page.parent, single_file.expanduser().absolute())
            progress.note(f"{single_file}: {size / 1e6:.1f} MB")
    typer.echo(page if single_file is None else single_file)
