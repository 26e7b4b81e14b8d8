"""A plan: every image listed, a few of them embedded, and the rest reckoned."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from gapscope.device import choose_device
from gapscope.errors import OptionError
from gapscope.plan.estimate import Plan, estimate
from gapscope.plan.measure import measure
from gapscope.progress import Progress, Silent, Task
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import (
    DEFAULT_MODEL,
    CompareSettings,
    EmbedSettings,
    Fit,
    Precision,
    Preprocess,
    check_dataset_name,
)
from gapscope.sources import Entry, open_source
from gapscope.stages.listing import block_rows_for, check_not_empty
from gapscope.stages.precision import resolve_precision

_SAMPLE = 256


def plan(
    datasets: Mapping[str, str | PathLike[str]],
    *,
    model: str = DEFAULT_MODEL,
    weights: str | PathLike[str] | None = None,
    levels: Sequence[str] | None = None,
    size: int | None = None,
    fit: Fit = "crop",
    precision: Precision = "auto",
    device: str = "auto",
    k: int = 5,
    gpus: int = 1,
    price_per_gpu_hour: float | None = None,
    sample: int = _SAMPLE,
    progress: Progress | None = None,
) -> Plan:
    """Say what comparing datasets would take: time, disk and memory per stage, and the price.

    Lists every image and embeds some, chosen at random but the same each time, in this process. Nothing is kept.

    Args:
        datasets: name to source, as for `gapscope.compare`.
        model: as there, and likewise `weights`, `levels`, `size`, `fit`, `precision`, `device` and `k`.
        weights: a file to use in place of the model's own weights.
        levels: names of the levels to keep.
        size: side in pixels of the square that the network sees.
        fit: how an image becomes that square.
        precision: arithmetic of the network.
        device: `auto`, `cpu` or `cuda`.
        k: an image is outside by its distance to its k-th nearest reference image.
        gpus: workers that embed side by side, each as fast as this machine's device.
        price_per_gpu_hour: of one of them, in any currency.
        sample: number of images to embed.
        progress: what shows long work.

    Raises:
        UserError: what was asked for cannot be done as it was asked.
    """
    shown = progress or Silent()
    if gpus < 1 or sample < 1:
        raise OptionError(f"--gpus {gpus} --sample {sample}: both must be 1 or more")
    if price_per_gpu_hour is not None and price_per_gpu_hour < 0:
        raise OptionError(f"--price-per-gpu-hour {price_per_gpu_hour}: must not be negative")
    network, on = find_model(model), choose_device(device)
    on.check_layout_support()
    chosen = network.choose_levels(None if levels is None else tuple(levels))
    file = network.weights() if weights is None else Path(weights).expanduser().absolute()
    wanted = EmbedSettings(
        model=model,
        weights=str(file),
        weights_sha256=sha256_of(file),
        levels=chosen,
        frame=Preprocess(size=network.size if size is None else size, fit=fit),
        precision=precision,
    )
    settings = resolve_precision(wanted, sample, on)
    sources = {check_dataset_name(name): open_source(name, fspath(source)) for name, source in datasets.items()}
    images, picked, start = dict[str, int](), dict[str, list[Entry]](), time.perf_counter()
    for name, source in sources.items():
        check_not_empty(name, source)
        with shown.task(f"listing {name}", 0, "image") as task:
            images[name], picked[name] = _picked(source.entries(), max(1, sample // len(sources)), task)
    listing = time.perf_counter() - start
    graph_k = CompareSettings(k=k).graph_k
    measured = measure(sources, picked, listing, settings, on, graph_k, shown)
    channels = {level.name: level.channels for level in network.levels if level.name in chosen}
    return Plan(
        images=images,
        stages=estimate(images, channels, measured, graph_k, block_rows_for(sum(images.values())), gpus),
        device=on.describe(),
        workers=gpus,
        limit=measured.limit,
        images_per_second=measured.images_per_second,
        price_per_hour=price_per_gpu_hour,
    )


def _picked(entries: Iterator[Entry], count: int, task: Task) -> tuple[int, list[Entry]]:
    """Return how many entries there are, and some of them, each as likely as any other (Vitter 1985, algorithm R)."""
    chance, kept, seen = random.Random(0), list[Entry](), 0  # noqa: S311
    for seen, entry in enumerate(entries, start=1):
        task.advance(1)
        if len(kept) < count:
            kept.append(entry)
        elif (at := chance.randrange(seen)) < count:
            kept[at] = entry
    return seen, kept
