"""A plan: list every image, embed a sample, and estimate the whole job from it."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath

from gapscope.device import choose_device
from gapscope.plan.estimate import Plan, estimate
from gapscope.plan.measure import measure
from gapscope.progress import Progress, Silent, Task
from gapscope.pyramid.models import find_model
from gapscope.settings import (
    CompareSettings,
    DeviceName,
    EmbedSettings,
    ExecutionSettings,
    Fit,
    ModelSettings,
    PlanSettings,
    Precision,
    Preprocess,
    check_dataset_name,
)
from gapscope.sources import Entry, open_source
from gapscope.stages.listing import block_rows_for, check_not_empty
from gapscope.stages.precision import resolve_precision
from gapscope.stages.resolve import resolve_embed_settings


def plan(
    datasets: Mapping[str, str | PathLike[str]],
    *,
    model: str = ModelSettings.model,
    weights: str | PathLike[str] | None = ModelSettings.weights,
    levels: Sequence[str] | None = ModelSettings.levels,
    size: int | None = ModelSettings.size,
    fit: Fit = Preprocess.fit,
    precision: Precision = EmbedSettings.precision,
    device: DeviceName = ExecutionSettings.device,
    k: int = CompareSettings.k,
    gpus: int = PlanSettings.gpus,
    price_per_gpu_hour: float | None = PlanSettings.price_per_gpu_hour,
    sample: int = PlanSettings.sample,
    progress: Progress | None = None,
) -> Plan:
    """Estimate what comparing datasets would take: time, disk and memory per stage, and the price.

    Lists every image and embeds some, chosen at random but the same each time, in this process. Nothing is kept.

    Args:
        datasets: name to source, as for `gapscope.compare`.
        model: fasterrcnn_resnet50_fpn_v2 (torchvision's, trained on COCO, downloaded on first use), bundled
            (EfficientNet-Lite0, needs no network), timm: and the name of a backbone of timm's, or another that
            `gapscope models` lists.
        weights: File to use in place of the model's own weights: a state dict or safetensors.
        levels: Names of the levels to keep: of the network, from P2 (fine texture) to P6 (whole scene), and of vectors
            that datasets bring; by default those that they bring, or all of the network's if they bring none.
        size: Side in pixels of the square that the network sees, a multiple of 32, or of a transformer's patches; the
            model's own by default.
        fit: How an image becomes that square: crop scales the short side to it and keeps the center, stretch scales
            both sides, which changes the aspect ratio, and pad scales the long side and centers the image on gray.
        precision: Arithmetic of the network: float32, bfloat16, or auto for bfloat16 where the hardware has it. Pooling
            and storage do not change with it.
        device: cpu, cuda, or auto for the GPU where torch sees one.
        k: An image is outside by its distance to its k-th nearest reference image.
        gpus: Workers that embed side by side, each as fast as what is measured here.
        price_per_gpu_hour: Price of one worker, in any currency.
        sample: Number of images to embed.
        progress: shows long work; nothing is shown by default.

    Raises:
        UserError: an argument cannot be used, or does not fit the others.
    """
    shown = progress or Silent()
    PlanSettings(gpus=gpus, price_per_gpu_hour=price_per_gpu_hour, sample=sample)
    network, on = find_model(model), choose_device(device)
    on.check_layout_support()
    wanted = resolve_embed_settings(
        model=model, weights=weights, levels=levels, size=size, fit=fit, precision=precision
    )
    settings = resolve_precision(wanted, sample, on)
    sources = {check_dataset_name(name): open_source(name, fspath(source)) for name, source in datasets.items()}
    images, picked, start = dict[str, int](), dict[str, list[Entry]](), time.perf_counter()
    for name, source in sources.items():
        check_not_empty(name, source)
        with shown.task(f"listing {name}", 0, "image") as task:
            images[name], picked[name] = _reservoir(source.entries(), max(1, sample // len(sources)), task)
    listing = time.perf_counter() - start
    comparison = CompareSettings(k=k)
    graph_k, readings = comparison.graph_k, len(comparison.readings_compared)
    measured = measure(sources, picked, listing, settings, on, graph_k, shown)
    channels = {level.name: level.channels for level in network.levels if level.name in settings.levels}
    return Plan(
        images=images,
        stages=estimate(images, channels, measured, graph_k, block_rows_for(sum(images.values())), gpus, readings),
        device=on.describe(),
        workers=gpus,
        limit=measured.limit,
        images_per_second=measured.images_per_second,
        price_per_hour=price_per_gpu_hour,
    )


def _reservoir(entries: Iterator[Entry], size: int, task: Task) -> tuple[int, list[Entry]]:
    """Return the number of entries, and a uniform sample of `size` of them (Vitter 1985, algorithm R)."""
    generator, sample, n_entries = random.Random(0), list[Entry](), 0  # noqa: S311
    for n_entries, entry in enumerate(entries, start=1):
        task.advance(1)
        if len(sample) < size:
            sample.append(entry)
        elif (index := generator.randrange(n_entries)) < size:
            sample[index] = entry
    return n_entries, sample
