"""`gapscope track`."""

from typing import Annotated

import typer

from gapscope.errors import OptionError
from gapscope_cli.documents import TrackDocument
from gapscope_cli.errors import reported_errors
from gapscope_cli.output import print_document, say
from gapscope_cli.progress import shown_progress


def track(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    to: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Address of the tracker; MLFLOW_TRACKING_URI by default.", show_default=False),
    ] = None,
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Experiment, which is made if need be.")] = "gapscope",
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the MLflow run; that of the folder by default.", show_default=False),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A tag of the MLflow run; may be given several times.", show_default=False
        ),
    ] = None,
    max_mb: Annotated[float, typer.Option(metavar="MB", min=0, help="Leave out files that are larger.")] = 100,
) -> None:
    """Put the numbers, lists and pictures of a run on an MLflow tracker, and print where they are.

    The same run tracked again does not make a second MLflow run. Needs the extra `mlflow`.
    Example: gapscope track run --to http://mlflow.example:5000 --tag version=7
    """
    with reported_errors(reading=run), shown_progress() as progress:
        tags = _parse_tags(tag or [])
        import gapscope

        tracked = gapscope.track_run(
            gapscope.open_run(run), to, experiment=experiment, name=name, tags=tags, max_mb=max_mb, progress=progress
        )
    say(tracked.url)
    print_document(TrackDocument(run=run, url=tracked.url, run_id=tracked.run_id, left_out=list(tracked.left_out)))


def _parse_tags(given: list[str]) -> dict[str, str]:
    tags = dict[str, str]()
    for text in given:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise OptionError("write a tag as NAME=VALUE", argument="tag", value=text)
        tags[name] = value
    return tags
