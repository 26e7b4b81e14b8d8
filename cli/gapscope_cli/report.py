"""`gapscope report`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gapscope.settings import ReportSettings, options_of
from gapscope_cli.documents import ReportDocument
from gapscope_cli.errors import reported_errors
from gapscope_cli.options import chosen, with_options
from gapscope_cli.output import print_document, say
from gapscope_cli.progress import shown_progress


@with_options(options_of(ReportSettings) | chosen("relocate"))
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    single_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the page as one HTML file as well, for mailing; it holds no absolute paths.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Write the report page of a finished run again."""
    with reported_errors(reading=run), shown_progress() as progress:
        from gapscope.stages.report import rewrite_report

        out = None if single_file is None else single_file.expanduser().absolute()
        relocate = options.pop("relocate")
        page = rewrite_report(run, progress, ReportSettings(**options), out, relocate)
    written = str(page if single_file is None else single_file)
    say(written)
    print_document(ReportDocument(run=run, page=written))
