"""The commands."""

import io
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from gapscope.settings import OPTIONS
from gapscope_cli.again import config, resume, update
from gapscope_cli.bench import bench
from gapscope_cli.command import add_command
from gapscope_cli.diff import diff
from gapscope_cli.doctor import doctor
from gapscope_cli.documents import ModelEntry, ModelsDocument
from gapscope_cli.errors import leave_at_once, reported_errors
from gapscope_cli.export import export
from gapscope_cli.gate import gate
from gapscope_cli.gating import Earlier, FailIf, check_fail_if, check_tracker, read_fail_if, show_gated
from gapscope_cli.history import history
from gapscope_cli.options import OF_ONE_DATASET, is_given, with_options
from gapscope_cli.output import print_document, say
from gapscope_cli.plan import plan
from gapscope_cli.progress import shown_progress
from gapscope_cli.report import report
from gapscope_cli.serve import serve
from gapscope_cli.sources import parse_datasets, parse_named
from gapscope_cli.summary import show_run
from gapscope_cli.track import track
from gapscope_cli.verify import verify

app = typer.Typer(
    name="gapscope",
    help=(
        "Where, and at which spatial scale, does one image dataset fail to look like another?\n\n"
        "gapscope embeds every image with a feature pyramid network, draws a 3-D map per pyramid level, and lists the "
        "images that the other dataset lacks, with calibrated p-values."
    ),
    epilog="Start with: gapscope demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # Under a plain C locale a name that is not ASCII would end the command.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as end:
        leave_at_once(end.code)
        raise


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gapscope {version('gapscope')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@with_options(OPTIONS)
def compare(
    context: typer.Context,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=SOURCE...",
            help="Two or more datasets. A source is a folder, a pattern, a list (.txt, .csv, .parquet), tar archives, "
            "COCO annotations, Parquet files or an array (.npy, .zarr) with images; arrays or tables with vectors; on "
            "this machine or behind a URL.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with options, and datasets in a table `datasets`; what stands in the command counts "
            "before it.",
            show_default=False,
        ),
    ] = None,
    fail_if: FailIf = None,
    earlier: Earlier = None,
    track: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Put the finished run on this MLflow tracker, as `gapscope track` does; an unreachable one is a "
            "warning.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Compare datasets: embed, map, list outliers, and write the report page.

    Example: gapscope compare real=photos synthetic=renders --out run
    """
    with reported_errors(), shown_progress() as progress:
        import gapscope

        # A rule that states nothing must not be found out at the end of a long job.
        rules = read_fail_if(fail_if, earlier=earlier)

        from_file = {} if config is None else gapscope.read_config(config)
        sources = from_file.pop("datasets", {}) | parse_datasets(datasets or [])
        for option, metavar in OF_ONE_DATASET.items():
            options[option] = parse_named(option, options[option], sources, metavar)
        options |= {name: value for name, value in from_file.items() if not is_given(context, name)}
        if options["out"] is None:
            raise gapscope.OptionError("`out` is missing: give the run's folder, such as `out=run`")
        check_fail_if(rules, sources, options)
        if track is not None:
            check_tracker(track)
        run = gapscope.compare(sources, progress=progress, **options)
    show_gated(run, rules, track)


def models() -> None:
    """List the networks that images can be embedded with."""
    with reported_errors():
        from gapscope.pyramid import MODELS

        for name, model in MODELS.items():
            levels = f"{model.levels[0].name} to {model.levels[-1].name}"
            say(f"{name:<38} {levels}  {model.size:>4} pixels  {model.about}")
    entries = [
        ModelEntry(name=name, levels=[level.name for level in model.levels], size=model.size, about=model.about)
        for name, model in MODELS.items()
    ]
    print_document(ModelsDocument(models=entries))
    say(f"{'timm:NAME':<38} any backbone of timm with maps at strides 4 to 64, such as timm:convnext_tiny,")
    say(f"{'':<38} or a vision transformer, such as timm:vit_small_patch14_dinov2")


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where images and run go.")] = Path("gapscope-demo"),
) -> None:
    """Compare a few hundred photographs with rendered images, in minutes and with no download.

    Both are made on the spot. Some kinds of photograph have no rendered counterpart: look how they are found.
    """
    with reported_errors(), shown_progress() as progress:
        from gapscope.demo import run_demo

        finished = run_demo(out, progress)
    say(f"\n{finished.summary()}")
    show_run(finished.run)


def schema(
    command: Annotated[
        str | None, typer.Argument(metavar="[COMMAND]", help="Such as compare, or 'bench reduce'.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON Schema of what a command prints with --json; without a command, list them.

    Example: gapscope schema gate
    """
    with reported_errors():
        from gapscope.errors import OptionError
        from gapscope_cli.documents import DOCUMENTS, schema_of

        if command is not None and command not in DOCUMENTS:
            raise OptionError(f"{command!r} is no command: choose one of {', '.join(DOCUMENTS)}")
        lines = [*DOCUMENTS] if command is None else [json.dumps(schema_of(command), indent=2)]
    typer.echo("\n".join(lines))


for each in (
    compare,
    demo,
    models,
    update,
    resume,
    config,
    report,
    serve,
    export,
    diff,
    history,
    gate,
    track,
    plan,
    doctor,
    verify,
    schema,
):
    add_command(app, each)
app.add_typer(bench, name="bench")
