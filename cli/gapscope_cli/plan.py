"""`gapscope plan`: what a whole job would take, before it is begun."""

from typing import TYPE_CHECKING, Annotated

import typer

from gapscope_cli.errors import told
from gapscope_cli.progress import shown_progress

if TYPE_CHECKING:
    from gapscope.plan import Plan

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def plan(
    datasets: Annotated[list[str], typer.Argument(metavar="NAME=SOURCE...", show_default=False)],
    model: Annotated[str, typer.Option(help="As for compare.")] = "fasterrcnn_resnet50_fpn_v2",
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="As for compare.", show_default=False)] = None,
    levels: Annotated[str | None, typer.Option(metavar="P3,P5", help="As for compare.", show_default=False)] = None,
    size: Annotated[int | None, typer.Option(metavar="PIXELS", help="As for compare.", show_default=False)] = None,
    fit: Annotated[str, typer.Option(help="As for compare.")] = "crop",
    precision: Annotated[str, typer.Option(help="As for compare.")] = "auto",
    device: Annotated[str, typer.Option(help="What to measure: auto, cpu or cuda.")] = "auto",
    gpus: Annotated[int, typer.Option(metavar="N", help="Workers, each as fast as what is measured here.")] = 1,
    price_per_gpu_hour: Annotated[
        float | None, typer.Option(metavar="X", help="Of one worker, in any currency.", show_default=False)
    ] = None,
    sample: Annotated[int, typer.Option(metavar="N", help="Images to embed.")] = 256,
) -> None:
    """Measure a small sample here, and print the time, disk, memory and price of the whole job.

    Example: gapscope plan real=photos synthetic=renders --gpus 8 --price-per-gpu-hour 2.5
    """
    with told(), shown_progress() as progress:
        import gapscope.plan
        from gapscope_cli.sources import parse_datasets

        found = gapscope.plan.plan(
            parse_datasets(datasets),
            model=model,
            weights=weights,
            levels=None if levels is None else [name.strip() for name in levels.split(",") if name.strip()],
            size=size,
            fit=fit,  # type: ignore[arg-type]
            precision=precision,  # type: ignore[arg-type]
            device=device,
            gpus=gpus,
            price_per_gpu_hour=price_per_gpu_hour,
            sample=sample,
            progress=progress,
        )
    _print(found)


def _print(found: "Plan") -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in found.images.items())
    typer.echo(f"images     {counts}")
    typer.echo(f"measured   {found.images_per_second:,.1f} images/s on one worker ({found.device})")
    typer.echo(f"workers    {found.workers}, each taken to be as fast as that one\n")
    typer.echo(f"{'stage':<10} {'time':>10} {'disk':>9} {'memory':>9}  from")
    for stage in found.stages:
        typer.echo(
            f"{stage.name:<10} {_time(stage.seconds):>10} {_size(stage.disk_bytes):>9} {_size(stage.memory_bytes):>9}"
            f"  {stage.how}"
        )
    disk = sum(stage.disk_bytes or 0 for stage in found.stages)
    typer.echo(f"{'all':<10} {_time(found.seconds):>10} {_size(disk):>9}\n")
    typer.echo(f"slowest    {found.slowest.name}; embedding waits most for: {found.limit}")
    if found.cost is not None:
        typer.echo(f"cost       {found.cost:,.2f}, all workers held from the first stage to the last")


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min"


def _size(size: int | None) -> str:
    if size is None:
        return "-"
    value, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
