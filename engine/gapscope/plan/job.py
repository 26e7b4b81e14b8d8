"""A plan: list every image, embed a sample where that pays, and estimate the whole job from it."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath

from gapscope.plan.estimate import Plan, estimate
from gapscope.plan.rates import KNOWN_MODELS, KnownModel, Rates, copying_rates, has_gpu, reckoned_rates
from gapscope.progress import Progress, Task
from gapscope.progress_bars import chosen_progress
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
from gapscope.sources import Entry, Source, open_source
from gapscope.sources.vectors.dataset import has_images, vectors_of
from gapscope.stages.listing import block_rows_for, check_not_empty

_SHARE = 0.06
"""Of the job's time that planning it may take: a tenth is promised, the process itself included."""

_MEASURING_SECONDS = 6.0
"""What measuring takes at least: importing torch, building the network and embedding two small batches."""

_PICKED = 256
"""Images that a sample has at most, unless the user wants another number."""


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
    sample: int | None = PlanSettings.sample,
    progress: Progress | bool | None = None,
) -> Plan:
    """Estimate what comparing datasets would take: time, disk and memory per stage, and the price.

    Lists every image and embeds some, chosen at random but the same each time, in this process, for at most a tenth of
    the time that the job would take. Where that is too short to embed any, rates of another machine stand in. Nothing
    is kept.

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
        sample: Number of images to embed; by default at most 256, as many as take less than a tenth of the job's time.
        progress: as of `gapscope.compare`.

    Raises:
        UserError: an argument cannot be used, or does not fit the others.
    """
    start = time.perf_counter()
    PlanSettings(gpus=gpus, price_per_gpu_hour=price_per_gpu_hour, sample=sample)
    with chosen_progress(progress) as shown:
        sources = {check_dataset_name(name): open_source(name, fspath(source)) for name, source in datasets.items()}
        images, picked, listing = _list(sources, sample or _PICKED, shown)
        comparison = CompareSettings(k=k)
        counts = (comparison.graph_k, block_rows_for(sum(images.values())), gpus, len(comparison.readings_compared))
        brought = _brought(sources, levels)
        levels = levels if levels is None else [name for name in levels if name not in brought]
        known = KNOWN_MODELS.get(model) if _is_reckoned(model, levels, weights, device) else None
        rates, channels, described = None, dict[str, int](), ""
        if brought and not levels:
            rates = copying_rates(listing, decodes=any(map(has_images, sources.values())))
        elif known is not None and sample is None:
            rates = reckoned_rates(known, size, listing)
            channels = {name: known.channels[name] for name in levels or known.channels}
            seconds = sum(stage.seconds for stage in estimate(images, channels, rates, *counts))
            if seconds * _SHARE > time.perf_counter() - start + _MEASURING_SECONDS:
                rates = None
        if rates is None:
            rates, channels, described = _measure(
                sources,
                picked,
                listing,
                model,
                weights,
                levels,
                size,
                fit,
                precision,
                device,
                images,
                sample,
                counts,
                start,
                shown,
            )
    return Plan(
        images=images,
        stages=estimate(images, channels | brought, rates, *counts),
        device=described,
        workers=gpus,
        limit=rates.limit,
        images_per_second=rates.images_per_second,
        price_per_hour=price_per_gpu_hour,
        planning_seconds=time.perf_counter() - start,
    )


def _brought(sources: Mapping[str, Source], levels: Sequence[str] | None) -> dict[str, int]:
    """Return the levels that all datasets bring vectors of, as far as they are wanted, and how long these are."""
    own = [vectors_of(source) for source in sources.values()]
    return {
        level: vectors.shape[1]
        for level, vectors in (own[0].items() if own else ())
        if all(level in other for other in own) and (levels is None or level in levels)
    }


def _list(
    sources: Mapping[str, Source], sample: int, progress: Progress
) -> tuple[dict[str, int], dict[str, list[Entry]], float]:
    """Return how many images each dataset has, some of them, and the seconds that listing took."""
    images, picked, start = dict[str, int](), dict[str, list[Entry]](), time.perf_counter()
    for name, source in sources.items():
        check_not_empty(name, source)
        with progress.task(f"listing {name}", 0, "image") as task:
            images[name], picked[name] = _reservoir(source.entries(), max(1, sample // len(sources)), task)
    return images, picked, time.perf_counter() - start


def _is_reckoned(
    model: str, levels: Sequence[str] | None, weights: str | PathLike[str] | None, device: DeviceName
) -> bool:
    """Return whether rates of another machine may stand in: whatever else is wrong is found by building the network."""
    known: KnownModel | None = KNOWN_MODELS.get(model)
    on_gpu = device == "cuda" or (device == "auto" and has_gpu())
    return known is not None and weights is None and not on_gpu and set(levels or ()) <= set(known.channels)


def _measure(
    sources: Mapping[str, Source],
    picked: Mapping[str, list[Entry]],
    listing_seconds: float,
    model: str,
    weights: str | PathLike[str] | None,
    levels: Sequence[str] | None,
    size: int | None,
    fit: Fit,
    precision: Precision,
    device: DeviceName,
    images: Mapping[str, int],
    sample: int | None,
    counts: tuple[int, int, int, int],
    start: float,
    progress: Progress,
) -> tuple[Rates, dict[str, int], str]:
    """Return rates of this machine, the channels of every level, and the device in words."""
    # Importing torch takes seconds, and may be a good part of the job.
    from gapscope.device import choose_device
    from gapscope.plan.measure import measure
    from gapscope.pyramid.models import find_model
    from gapscope.stages.precision import resolve_precision
    from gapscope.stages.resolve import resolve_embed_settings

    network, on = find_model(model), choose_device(device)
    on.check_layout_support()
    wanted = resolve_embed_settings(
        model=model, weights=weights, levels=levels, size=size, fit=fit, precision=precision
    )
    settings = resolve_precision(wanted, sum(map(len, picked.values())), on)
    channels = {level.name: level.channels for level in network.levels if level.name in settings.levels}

    def is_enough(rates: Rates, more_seconds: float) -> bool:
        """Tell whether measuring on would take more than its share of the job."""
        if sample is not None:
            return False
        seconds = sum(stage.seconds for stage in estimate(images, channels, rates, *counts))
        return time.perf_counter() - start + more_seconds > _SHARE * seconds

    rates = measure(sources, picked, listing_seconds, settings, on, counts[0], start, is_enough, progress)
    return rates, channels, on.describe()


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
