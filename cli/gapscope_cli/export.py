"""`gapscope export`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gapscope.settings import ExportFormat
from gapscope_cli.documents import ExportDocument
from gapscope_cli.errors import reported_errors
from gapscope_cli.options import chosen, with_options
from gapscope_cli.output import print_document, say
from gapscope_cli.progress import shown_progress


@with_options(chosen("relocate"))
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    to: Annotated[
        ExportFormat,
        typer.Option(
            help="Images with their annotations: coco, yolo, cvat, label-studio. Images with their places on the maps: "
            "fiftyone, spotlight, embedding-atlas, projector (TensorBoard's). The whole run: parquet (tables), stills "
            "(PNG and SVG of every level's map).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to; RUN/export/FORM by default.", show_default=False),
    ] = None,
    list_: Annotated[
        str | None,
        typer.Option(
            "--list",
            metavar="NAME",
            help="The images of a list in RUN/manifests: P5.real-vs-synthetic, P5.real-vs-synthetic.style-aside, or "
            "all.real-vs-synthetic for all levels together. Without it, the images of the report's maps.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="ID", help="The images of a kind, such as K1.", show_default=False)
    ] = None,
    selection: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The images of a selection that the page has saved as list or CSV, or of any list of uris.",
            show_default=False,
        ),
    ] = None,
    pick: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of these images N that are as unlike each other as possible, to label or to render next.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Write a run, or some of its images, in the form that another tool reads."""
    with reported_errors(reading=run), shown_progress() as progress:
        import gapscope
        from gapscope.export import ImageChoice, export_run

        images = ImageChoice(list=list_, kind=kind, selection=selection, pick=pick)
        written = export_run(gapscope.open_run(run, **options), to, out, progress, images=images)
    say(str(written))
    print_document(ExportDocument(run=run, to=to, written=str(written)))
