"""`gapscope serve`."""

from typing import Annotated, Any

import typer

from gapscope_cli.documents import ServeDocument
from gapscope_cli.errors import reported_errors
from gapscope_cli.options import chosen, with_options
from gapscope_cli.output import output, print_document, say


@with_options(chosen("relocate"))
def serve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    port: Annotated[int, typer.Option(help="Port to listen at; 0 for any that is free.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Address to listen at. Others than this machine reach it only if you name another.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    **options: Any,
) -> None:
    """Show a run's report with the images themselves, read from where they are, until Ctrl-C.

    The address that is printed holds a secret: whoever has it can see the run's images.
    """
    with reported_errors(reading=run):
        import gapscope
        from gapscope.report.serve import ReportServer

        with ReportServer(gapscope.open_run(run, **options).store, host=host, port=port) as server:
            say(server.url)
            print_document(ServeDocument(run=run, url=server.url))
            if browser:
                typer.launch(server.url)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                if output().is_for_people:
                    typer.echo("stopped", err=True)
