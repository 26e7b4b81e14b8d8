"""A plan: list every image, embed a sample where that pays, and estimate the whole job from it."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath

from gapscope.plan.estimate import Plan, Stage, estimate
from gapscope.plan.rates import KNOWN_MODELS, KnownModel, Rates, copying_rates, has_gpu, typical_rates
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
        listed = _list(sources, sample or _PICKED, shown)
        job = _Job(images=listed.images, workers=gpus, comparison=CompareSettings(k=k), start=start)
        brought = _brought(sources, levels)
        encoder = _Encoder(
            model=model,
            weights=weights,
            levels=levels if levels is None else [name for name in levels if name not in brought],
            size=size,
            fit=fit,
            precision=precision,
            device=device,
        )
        rates, channels, described = None, dict[str, int](), ""
        if brought and not encoder.levels:
            rates = copying_rates(listed.seconds, decodes=any(map(has_images, sources.values())))
        elif sample is None and (known := encoder.known()):
            channels = {name: known.channels[name] for name in encoder.levels or known.channels}
            rates = typical_rates(known, size, listed.seconds)
            if job.allows(_MEASURING_SECONDS, channels, rates):
                rates = None
        if rates is None:
            rates, channels, described = _measure(job, encoder, sources, listed, shown, whole=sample is not None)
    return Plan(
        images=listed.images,
        stages=job.stages(channels | brought, rates),
        device=described,
        workers=gpus,
        limit=rates.limit,
        images_per_second=rates.images_per_second,
        price_per_hour=price_per_gpu_hour,
        planning_seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, kw_only=True)
class _Job:
    """The job that is planned.

    Attributes:
        images: dataset name to number of images.
        workers: that embed.
        comparison: what is compared.
        start: when the plan was begun, by `time.perf_counter`.
    """

    images: Mapping[str, int]
    workers: int
    comparison: CompareSettings
    start: float

    def stages(self, channels: Mapping[str, int], rates: Rates) -> tuple[Stage, ...]:
        """Estimate the job's stages, given the channels of its levels."""
        return estimate(
            self.images,
            channels,
            rates,
            k=self.comparison.graph_k,
            block_rows=block_rows_for(sum(self.images.values())),
            workers=self.workers,
            readings=len(self.comparison.readings_compared),
        )

    def allows(self, seconds: float, channels: Mapping[str, int], rates: Rates) -> bool:
        """Return whether planning may take so many more seconds, by the rates that are known."""
        spent = time.perf_counter() - self.start
        return spent + seconds <= _SHARE * sum(stage.seconds for stage in self.stages(channels, rates))


@dataclass(frozen=True, kw_only=True)
class _Encoder:
    """How images are embedded, by the arguments of `plan`."""

    model: str
    weights: str | PathLike[str] | None
    levels: Sequence[str] | None
    size: int | None
    fit: Fit
    precision: Precision
    device: DeviceName

    def known(self) -> KnownModel | None:
        """Return what is known of the model where rates of another machine may stand in for measuring."""
        known: KnownModel | None = KNOWN_MODELS.get(self.model)
        on_gpu = self.device == "cuda" or (self.device == "auto" and has_gpu())
        # What is wrong with a level or a file of weights is found by building the network.
        if known is None or self.weights is not None or on_gpu or not set(self.levels or ()) <= set(known.channels):
            return None
        return known


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """All images of the datasets.

    Attributes:
        images: dataset name to their number.
        sample: dataset name to some of them.
        seconds: that listing took.
    """

    images: Mapping[str, int]
    sample: Mapping[str, Sequence[Entry]]
    seconds: float


def _brought(sources: Mapping[str, Source], levels: Sequence[str] | None) -> dict[str, int]:
    """Return the levels that all datasets bring vectors of, as far as they are wanted, and how long these are."""
    own = [vectors_of(source) for source in sources.values()]
    return {
        level: vectors.shape[1]
        for level, vectors in (own[0].items() if own else ())
        if all(level in other for other in own) and (levels is None or level in levels)
    }


def _list(sources: Mapping[str, Source], sample: int, progress: Progress) -> _Listed:
    images, picked, start = dict[str, int](), dict[str, list[Entry]](), time.perf_counter()
    for name, source in sources.items():
        check_not_empty(name, source)
        with progress.task(f"listing {name}", 0, "image") as task:
            images[name], picked[name] = _reservoir(source.entries(), max(1, sample // len(sources)), task)
    return _Listed(images=images, sample=picked, seconds=time.perf_counter() - start)


def _measure(
    job: _Job, encoder: _Encoder, sources: Mapping[str, Source], listed: _Listed, progress: Progress, *, whole: bool
) -> tuple[Rates, dict[str, int], str]:
    """Return rates of this machine, the channels of every level, and the device in words.

    Args:
        job: that is planned.
        encoder: how images are embedded.
        sources: the datasets.
        listed: their images.
        progress: shows the work.
        whole: whether the sample is measured to its end, however long that takes.
    """
    # Importing torch takes seconds, and may be a good part of the job.
    from gapscope.device import choose_device
    from gapscope.plan.measure import measure
    from gapscope.pyramid.models import find_model
    from gapscope.stages.precision import resolve_precision
    from gapscope.stages.resolve import resolve_embed_settings

    network, device = find_model(encoder.model), choose_device(encoder.device)
    device.check_layout_support()
    wanted = resolve_embed_settings(
        model=encoder.model,
        weights=encoder.weights,
        levels=encoder.levels,
        size=encoder.size,
        fit=encoder.fit,
        precision=encoder.precision,
    )
    settings = resolve_precision(wanted, sum(map(len, listed.sample.values())), device)
    channels = {level.name: level.channels for level in network.levels if level.name in settings.levels}

    def is_enough(rates: Rates, more_seconds: float) -> bool:
        return not whole and not job.allows(more_seconds, channels, rates)

    rates = measure(
        sources,
        listed.sample,
        listed.seconds,
        settings,
        device,
        job.comparison.graph_k,
        job.start,
        is_enough,
        progress,
    )
    return rates, channels, device.describe()


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
