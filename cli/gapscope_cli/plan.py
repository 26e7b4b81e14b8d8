"""`gapscope plan`: what a whole job would take, before it is begun."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope.settings import PlanSettings, options_of
from gapscope_cli.documents import PlanDocument, PlanStage
from gapscope_cli.errors import reported_errors
from gapscope_cli.options import chosen, with_options
from gapscope_cli.output import print_document, say
from gapscope_cli.progress import shown_progress
from gapscope_cli.sources import parse_datasets

if TYPE_CHECKING:
    from gapscope.plan import Plan

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@with_options(
    chosen("model", "weights", "levels", "size", "fit", "precision", "device") | options_of(PlanSettings),
)
def plan(
    datasets: Annotated[list[str], typer.Argument(metavar="NAME=SOURCE...", show_default=False)], **options: Any
) -> None:
    """Measure a small sample here, and print the time, disk, memory and price of the whole job.

    Example: gapscope plan real=photos synthetic=renders --gpus 8 --price-per-gpu-hour 2.5
    """
    with reported_errors(), shown_progress() as progress:
        import gapscope.plan

        estimate = gapscope.plan.plan(parse_datasets(datasets), progress=progress, **options)
    _print(estimate)
    print_document(
        PlanDocument(
            images=dict(estimate.images),
            device=estimate.device,
            images_per_second=estimate.images_per_second,
            workers=estimate.workers,
            stages=[PlanStage(**asdict(stage)) for stage in estimate.stages],
            seconds=estimate.seconds,
            slowest=estimate.slowest.name,
            limit=estimate.limit,
            cost=estimate.cost,
            planning_seconds=estimate.planning_seconds,
        )
    )


def _print(plan: "Plan") -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in plan.images.items())
    say(f"images     {counts}")
    if plan.device:
        say(f"measured   {plan.images_per_second:,.1f} images/s on one worker ({plan.device})")
    else:
        say(f"estimated  {plan.images_per_second:,.1f} images/s; too short a job to measure, or give --sample")
    say(f"workers    {plan.workers}, each taken to be as fast as that one\n")
    say(f"{'stage':<10} {'time':>10} {'disk':>9} {'memory':>9}  from")
    for stage in plan.stages:
        say(
            f"{stage.name:<10} {_time(stage.seconds):>10} {_size(stage.disk_bytes):>9} {_size(stage.memory_bytes):>9}"
            f"  {stage.how}"
        )
    disk = sum(stage.disk_bytes or 0 for stage in plan.stages)
    say(f"{'all':<10} {_time(plan.seconds):>10} {_size(disk):>9}\n")
    say(f"slowest    {plan.slowest.name}; embedding waits most for: {plan.limit}")
    say(f"planning   {_time(plan.planning_seconds)}")
    if plan.cost is not None:
        say(f"cost       {plan.cost:,.2f}, all workers held from the first stage to the last")


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
