"""The commands, and what each option means."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from gapscope_cli.bench import bench
from gapscope_cli.diff import diff
from gapscope_cli.doctor import doctor
from gapscope_cli.errors import leave_at_once, told
from gapscope_cli.export import export
from gapscope_cli.plan import plan
from gapscope_cli.progress import shown_progress
from gapscope_cli.report import report
from gapscope_cli.serve import serve
from gapscope_cli.summary import print_summary
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
    add_completion=False,
    pretty_exceptions_enable=False,
)


_MODEL = "How images are embedded"
_MACHINE = "Where it runs"
_ANSWER = "How datasets are compared"
_MAP = "How the map is made"
_REPORT = "What the report shows"


def main() -> None:
    """Run the command line."""
    try:
        app()
    except SystemExit as ended:
        leave_at_once(ended.code)
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


@app.command()
def compare(
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=SOURCE...",
            help="Two or more datasets. A source is a folder, a pattern, a list (.txt, .csv, .parquet), tar archives, "
            "COCO annotations, Parquet files or an array (.npy, .zarr) with images; on this machine or behind a URL.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="RUN",
            help="Folder of the run, or a URL such as s3://bucket/run. The same command on a run that was stopped goes "
            "on with it.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="fasterrcnn_resnet50_fpn_v2 (torchvision's, trained on COCO, downloaded on first use), bundled "
            "(EfficientNet-Lite0, needs no network), timm:NAME, or another that `gapscope models` lists.",
            rich_help_panel=_MODEL,
        ),
    ] = "fasterrcnn_resnet50_fpn_v2",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights to use in place of the model's own: a state dict or safetensors.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            metavar="P3,P5",
            help="Levels to keep, from P2 (fine texture) to P6 (whole scene); all by default.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the square the network sees, a multiple of 32; the model's own by default.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = None,
    fit: Annotated[
        str, typer.Option(help="How an image becomes that square: crop, stretch or pad.", rich_help_panel=_MODEL)
    ] = "crop",
    max_pixels: Annotated[
        int, typer.Option(metavar="PIXELS", help="Larger images are rejected.", rich_help_panel=_MODEL)
    ] = 200_000_000,
    objects: Annotated[
        bool,
        typer.Option(
            "--objects", help="Of COCO annotations, compare the objects, not whole images.", rich_help_panel=_MODEL
        ),
    ] = False,
    pool: Annotated[
        str,
        typer.Option(
            help="How a level's map becomes a vector: mean, max, gem (generalised mean) or grid (2 x 2 means, which "
            "keep what is where).",
            rich_help_panel=_MODEL,
        ),
    ] = "mean",
    precision: Annotated[
        str,
        typer.Option(
            help="Arithmetic of the network: float32, bfloat16, or auto for bfloat16 where the hardware has it.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    speedups: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="What makes the network faster: auto, none, or some of pooled-fpn,fold,channels-last,compile.",
            rich_help_panel=_MACHINE,
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_MACHINE)] = "auto",
    cluster: Annotated[
        str,
        typer.Option(
            help="auto, inline (this process), local (processes on this machine), cuda (one process per GPU), or the "
            "address of a running Dask scheduler, such as tcp://host:8786, or its scheduler file (.json).",
            rich_help_panel=_MACHINE,
        ),
    ] = "auto",
    k: Annotated[
        int,
        typer.Option(
            "--k",
            help="An image is outside by its distance to its k-th nearest reference image.",
            rich_help_panel=_ANSWER,
        ),
    ] = 5,
    fdr: Annotated[
        float,
        typer.Option(help="Largest expected share of false entries in an outlier manifest.", rich_help_panel=_ANSWER),
    ] = 0.1,
    metric: Annotated[
        str,
        typer.Option(help="Distance between standardised embeddings: cosine or euclidean.", rich_help_panel=_ANSWER),
    ] = "cosine",
    n_neighbors: Annotated[
        int, typer.Option(help="UMAP's neighbors per image: more shows larger shapes.", rich_help_panel=_MAP)
    ] = 15,
    min_dist: Annotated[
        float, typer.Option(help="UMAP's smallest distance of points: less packs them closer.", rich_help_panel=_MAP)
    ] = 0.1,
    n_epochs: Annotated[
        int | None,
        typer.Option(
            help="UMAP's rounds of optimisation; its own choice by default.", rich_help_panel=_MAP, show_default=False
        ),
    ] = None,
    landmarks: Annotated[
        int | None,
        typer.Option(
            metavar="IMAGES",
            help="Lay out at most so many images with UMAP and place the others among them; as many as fit the memory "
            "by default.",
            rich_help_panel=_MAP,
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compare every other dataset with this one only, both ways round; all pairs by default.",
            rich_help_panel=_ANSWER,
            show_default=False,
        ),
    ] = None,
    max_outliers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Rows of a manifest at most, the surest first; all by default. Counts stay those of all.",
            rich_help_panel=_ANSWER,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", rich_help_panel=_ANSWER)] = 0,
    max_points: Annotated[
        int, typer.Option(metavar="N", help="Most images that the report draws on a map.", rich_help_panel=_REPORT)
    ] = 50_000,
    thumbnails: Annotated[
        str,
        typer.Option(help="Images that the report has pictures of: off, outliers or drawn.", rich_help_panel=_REPORT),
    ] = "drawn",
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Where a dataset has changed since the run was begun: embed what is new, drop what is gone. Datasets "
            "that the run lacks are added, and those that are not named are dropped.",
        ),
    ] = False,
    cache: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder or URL where runs leave embeddings for each other, so that a dataset that is compared with "
            "several is embedded once.",
            rich_help_panel=_MACHINE,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare datasets: embed, map, list outliers, and write the report page.

    Example: gapscope compare real=photos synthetic=renders --out run
    """
    with told(), shown_progress() as progress:
        import gapscope
        from gapscope_cli.sources import comma_separated, parse_datasets

        named = parse_datasets(datasets)
        run = gapscope.compare(
            named,
            out=out,
            model=model,
            weights=weights,
            levels=None if levels is None else comma_separated(levels),
            size=size,
            fit=fit,  # type: ignore[arg-type]
            max_pixels=max_pixels,
            objects=objects,
            pool=pool,  # type: ignore[arg-type]
            precision=precision,  # type: ignore[arg-type]
            speedups=() if speedups == "none" else comma_separated(speedups),
            device=device,
            cluster=cluster,
            k=k,
            fdr=fdr,
            metric=metric,  # type: ignore[arg-type]
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            n_epochs=n_epochs,
            landmarks=landmarks,
            reference=reference,
            max_outliers=max_outliers,
            seed=seed,
            update=update,
            cache=cache,
            max_points=max_points,
            thumbnails=thumbnails,  # type: ignore[arg-type]
            progress=progress,
        )
    print_summary(run)


@app.command()
def models() -> None:
    """List the networks that images can be embedded with."""
    with told():
        from gapscope.pyramid import MODELS

        for name, model in MODELS.items():
            levels = f"{model.levels[0].name} to {model.levels[-1].name}"
            typer.echo(f"{name:<38} {levels}  {model.size:>4} pixels  {model.about}")
    typer.echo(f"{'timm:NAME':<38} any backbone of timm with maps at strides 4 to 64, such as timm:convnext_tiny")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where images and run go.")] = Path("gapscope-demo"),
) -> None:
    """Compare a few hundred photographs with rendered images, in minutes and with no download.

    Both are made on the spot. Some kinds of photograph have no rendered counterpart: look how they are found.
    """
    with told(), shown_progress() as progress:
        from gapscope.demo import run_demo

        finished = run_demo(out, progress)
    typer.echo(f"\n{finished.summary()}")
    print_summary(finished.run)


app.command()(report)
app.command()(serve)
app.command()(export)
app.command()(diff)
app.command()(plan)
app.command()(doctor)
app.command()(verify)
app.add_typer(bench, name="bench")
