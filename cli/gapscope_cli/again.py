"""`gapscope update`, `gapscope resume` and `gapscope config`: a run without the command that began it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gapscope_cli.documents import ConfigDocument
from gapscope_cli.errors import reported_errors
from gapscope_cli.options import chosen, with_options
from gapscope_cli.output import print_document, say
from gapscope_cli.progress import shown_progress
from gapscope_cli.sources import parse_datasets
from gapscope_cli.summary import show_run

_RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a run.", show_default=False)]
_WHERE = chosen("device", "cluster", "cache", "relocate")


@with_options(_WHERE)
def update(
    run: _RunArgument,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=SOURCE...]", help="Datasets to add.", show_default=False),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Dataset to drop.", show_default=False)] = None,
    **options: Any,
) -> None:
    """Take over what has changed in a run's datasets, and compare again. All options are those of the run.

    What is new is embedded, what is gone is dropped, and the scaler is that of the run's beginning.

    Example: gapscope update runs/nightly
    """
    with reported_errors(), shown_progress() as progress:
        import gapscope

        added = parse_datasets(datasets or [])
        updated = gapscope.update(run, added, drop=drop or (), progress=progress, **options)
    show_run(updated)


@with_options(_WHERE)
def resume(run: _RunArgument, **options: Any) -> None:
    """Go on with a run that was stopped. All options are those that it was begun with.

    Example: gapscope resume runs/nightly
    """
    with reported_errors(), shown_progress() as progress:
        import gapscope

        finished = gapscope.resume(run, progress=progress, **options)
    show_run(finished)


def config(
    run: _RunArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; the terminal by default.", show_default=False)
    ] = None,
) -> None:
    """Write a run's datasets and options as a TOML file, for `gapscope compare --config FILE --out NEW`.

    Example: gapscope config runs/monday --out compare.toml
    """
    with reported_errors(reading=run):
        from gapscope.config_file import write_config
        from gapscope.stages.again import run_options

        text = write_config(run_options(run))
        if out is not None:
            out.write_text(text, encoding="utf-8")
    say(text if out is None else str(out), end_line=out is not None)
    print_document(ConfigDocument(run=run, file=None if out is None else str(out), toml=text))
