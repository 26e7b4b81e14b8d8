"""The whole story, top to bottom: from datasets to a report."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import process
from os import PathLike, fsdecode
from pathlib import Path
from typing import Any

from gapscope.cluster import check_cluster, lazy_cluster
from gapscope.device import Device, choose_device
from gapscope.errors import OptionError
from gapscope.progress import Progress
from gapscope.progress_bars import chosen_progress
from gapscope.pyramid.model import Model
from gapscope.pyramid.models import add_model, find_model
from gapscope.pyramid.network import load_pyramid
from gapscope.run import Run, open_run
from gapscope.settings import (
    ClassSettings,
    CompareSettings,
    DeviceName,
    EmbedSettings,
    ExecutionSettings,
    Fit,
    GroupSettings,
    GroupValues,
    HeatMaps,
    LayoutSettings,
    Metric,
    ModelSettings,
    NeighborSettings,
    Pool,
    Precision,
    Preprocess,
    Readings,
    RelocateOption,
    ReportSettings,
    RunSettings,
    Thumbnails,
    ValueRange,
    ValueRangeOption,
    VectorsOption,
    check_dataset_name,
)
from gapscope.sources import Source
from gapscope.sources.files import path_bytes
from gapscope.sources.relocated import Relocations, parse_relocations
from gapscope.sources.source import without_prefix
from gapscope.stages.block import release_worker
from gapscope.stages.classes import check_annotated, check_class_rules
from gapscope.stages.compare import compare_datasets
from gapscope.stages.embed import embed_datasets
from gapscope.stages.given import keep_given
from gapscope.stages.groups import VALUES, GroupRules, settle_groups, write_listed_groups
from gapscope.stages.layout import compute_layouts
from gapscope.stages.levels import (
    ChosenLevels,
    attached_sources,
    check_have_images,
    check_same_lengths,
    choose_levels,
    open_dataset,
    with_vectors,
)
from gapscope.stages.listing import check_enough, check_not_empty, list_datasets
from gapscope.stages.look import given_ranges, look_at_samples
from gapscope.stages.neighbors import (
    find_group_neighbors,
    find_neighbors,
    find_style_aside_neighbors,
    fit_scalers,
)
from gapscope.stages.precision import resolve_run_precision
from gapscope.stages.report import write_report
from gapscope.stages.resolve import resolve_embed_settings, without_network
from gapscope.stages.vectors import check_vectors_unchanged
from gapscope.store.location import Location, is_remote, resolve_location
from gapscope.store.lock import run_lock
from gapscope.store.membership import change_datasets
from gapscope.store.metrics import read_metrics, warning_sentences
from gapscope.store.run_log import RunLog
from gapscope.store.run_record import (
    NAME,
    EmbedConfig,
    LevelRecord,
    ModelRecord,
    RunConfig,
    RunRecord,
    Timing,
    check_empty,
    check_same_config,
    open_or_create,
)
from gapscope.store.run_store import RunStore, open_store
from gapscope.verify import diagnose_damage

_LOGGER = logging.getLogger("gapscope")
_VERSIONS = (
    "gapscope",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "zarr",
    "dask",
    "faiss-cpu",
    "umap-learn",
    "scikit-learn",
    "pillow",
)


def compare(
    datasets: Mapping[str, Any],
    *,
    out: str | PathLike[str],
    model: str | Model = ModelSettings.model,
    weights: str | PathLike[str] | None = ModelSettings.weights,
    levels: Sequence[str] | None = ModelSettings.levels,
    size: int | None = ModelSettings.size,
    fit: Fit = Preprocess.fit,
    max_pixels: int = Preprocess.max_pixels,
    keep_damaged: bool = Preprocess.keep_damaged,
    objects: bool = ModelSettings.objects,
    mask: bool = ModelSettings.mask,
    min_side: int = ModelSettings.min_side,
    vectors: VectorsOption = ModelSettings.vectors,
    value_range: ValueRangeOption = ModelSettings.value_range,
    pool: Pool = EmbedSettings.pool,
    precision: Precision = EmbedSettings.precision,
    speedups: Sequence[str] = EmbedSettings.speedups,
    device: DeviceName = ExecutionSettings.device,
    cluster: str = ExecutionSettings.cluster,
    k: int = CompareSettings.k,
    fdr: float = CompareSettings.fdr,
    group: GroupValues | Mapping[str, GroupValues] = GroupSettings.group,
    classes: str | Mapping[str, str] = ClassSettings.classes,
    metric: Metric = NeighborSettings.metric,
    n_neighbors: int = LayoutSettings.n_neighbors,
    min_dist: float = LayoutSettings.min_dist,
    n_epochs: int | None = LayoutSettings.n_epochs,
    landmarks: int | None = LayoutSettings.landmarks,
    reference: str | None = CompareSettings.reference,
    readings: Readings = CompareSettings.readings,
    max_outliers: int | None = CompareSettings.max_outliers,
    seed: int = LayoutSettings.seed,
    update: bool = RunSettings.update,
    allow_missing: bool = RunSettings.allow_missing,
    cache: str | PathLike[str] | None = ExecutionSettings.cache,
    relocate: RelocateOption = ExecutionSettings.relocate,
    max_points: int = ReportSettings.max_points,
    thumbnails: Thumbnails = ReportSettings.thumbnails,
    heat_maps: HeatMaps = ReportSettings.heat_maps,
    progress: Progress | bool | None = None,
) -> Run:
    """Compare two or more datasets at every level of a pyramid, and write the run to a folder.

    The same call on a run that was stopped goes on with it, and gives what an undisturbed run gives.

    Args:
        datasets: name to source: a location (see `gapscope.sources.open_source`), vectors as an array, or a dict of
            arrays by level, or images from Python: paths, pictures, arrays, a table with a column of paths, a torch
            Dataset or DataLoader, a Hugging Face dataset, or a generator of `(id, image)`. The run keeps images that
            are in no file.
        out: Folder of the run, or a URL such as s3://bucket/run: new, empty, or holding this very run, which then goes
            on where it stopped.
        model: fasterrcnn_resnet50_fpn_v2 (torchvision's, trained on COCO, downloaded on first use), bundled
            (EfficientNet-Lite0, needs no network), timm: and the name of a backbone of timm's, or another that
            `gapscope models` lists. In Python that may also be what `gapscope.Model.from_callable` returns.
        weights: File to use in place of the model's own weights: a state dict or safetensors.
        levels: Names of the levels to keep: of the network, from P2 (fine texture) to P6 (whole scene), and of vectors
            that datasets bring; by default those that they bring, or all of the network's if they bring none.
        size: Side in pixels of the square that the network sees, a multiple of 32, or of a transformer's patches; the
            model's own by default.
        fit: How an image becomes that square: crop scales the short side to it and keeps the center, stretch scales
            both sides, which changes the aspect ratio, and pad scales the long side and centers the image on gray.
        max_pixels: Images with more pixels are rejected before they are decoded.
        keep_damaged: Keep and mark JPEGs that are damaged inside, of which a decoder makes up parts, instead of
            rejecting them.
        objects: Of annotated datasets (COCO, YOLO, Pascal VOC, KITTI, CVAT, Label Studio, Hugging Face), compare the
            objects, each cropped with a margin, instead of whole images.
        mask: Of objects, replace what is outside of their polygons or masks by the dataset's mean color, so that
            backgrounds are not compared.
        min_side: Leave out objects whose box has a side of fewer pixels than this.
        vectors: Vectors from elsewhere of a dataset's images, as further levels: NAME=SOURCE, such as
            real=clip.npy::clip, with one vector per image in the order in which they are listed. More than one may be
            given. In Python that may be a dict of datasets, whose values are sources or dicts of arrays by level.
        value_range: Of images with other than 8 bits: the values that are black and white, as LOW:HIGH, such as
            0:4095; or auto, to settle it once per dataset from the files' tags or their values. NAME=... is for one
            dataset. In Python that may be a dict of datasets, too.
        pool: How a level's map becomes a vector: mean, max, gem (generalized mean), grid (2 x 2 means, which keep what
            is where), or cls (a transformer's class token).
        precision: Arithmetic of the network: float32, bfloat16, or auto for bfloat16 where the hardware has it. Pooling
            and storage do not change with it.
        speedups: What makes the network faster: some of pooled-fpn, fold, channels-last, compile; none; or auto for all
            that pay.
        device: cpu, cuda, or auto for the GPU where torch sees one.
        cluster: auto, inline (this process), local (processes on this machine), cuda (one process per GPU), or a
            running Dask scheduler: its address, such as tcp://host:8786, or its scheduler file (.json).
        k: An image is outside by its distance to its k-th nearest reference image.
        fdr: Bound on the expected share of false entries in an outlier manifest.
        group: Which images belong together, as the frames of a clip do, and count as one: folder, tar (files of one
            sample in a shard), column:NAME, pattern:REGEX (what its parentheses match in the uri), none, or auto: the
            objects of one image, and clips among consecutive images. NAME=... is for one dataset. In Python that is a
            dict of datasets, whose values may also be arrays of one value per listed image.
        classes: Which class each image or object has: annotations (its category, or all that are annotated in the
            image), column:NAME, folder (the last one of its path), none, or auto for the first of these that tells; a
            column is then one called class, label or category. NAME=... is for one dataset. In Python that is a dict of
            datasets. The same call with other classes gives the same run with these.
        metric: Distance between embeddings standardized per dimension: cosine, or euclidean, which also tells apart
            embeddings of one direction and different lengths.
        n_neighbors: Neighbors per image in UMAP's graph, the image itself included: more shows larger shapes.
        min_dist: Smallest distance of points in the map, in UMAP's units, before levels are brought to one scale: less
            packs them closer.
        n_epochs: UMAP's rounds of optimization; its own choice by default, 500 up to 10,000 points and 200 above.
        landmarks: Largest number of images that UMAP lays out, the others being placed among them; by default as many
            as fit the device's memory.
        reference: Dataset to compare every other dataset with, both ways round; every pair is compared by default.
        readings: What to list: as-is, images that the reference lacks as they look; style-aside, content that it lacks
            beneath a difference of look that all images share; or both.
        max_outliers: Largest number of rows of a manifest, the surest first; all by default. No count changes with it.
        seed: Seed of every random choice.
        update: Where a dataset has changed since the run was begun, embed what is new, drop what is gone, and compare
            again with the scaler that the run was begun with. Datasets that the run lacks are added, and datasets that
            are not named are dropped.
        allow_missing: Go on where more than half of a dataset's images are missing or cannot be read.
        cache: Folder or URL where runs leave embeddings for each other, so that comparing A with B and then A with C
            embeds A once.
        relocate: Where files are on this machine that the run knows elsewhere: OLD=NEW, the beginnings of two paths or
            URLs. More than one may be given. In Python that may be a dict, too.
        max_points: Largest number of images that the report draws on a map.
        thumbnails: Images that the report has pictures of: off for none, outliers (with their neighbors), or drawn.
        heat_maps: Images with heat maps of where in them something is unlike the reference: off for none, kinds for the
            pictures of kinds, or all for the first outliers as well.
        progress: False to show nothing, True to show long work; by default it is shown in a notebook and on a terminal.
            Or a `gapscope.progress.Progress`, which shows it.

    Raises:
        UserError: an argument cannot be used, or does not fit the others.
        ClusterError: the cluster cannot be reached or started, or fails; what is finished is kept.

    Example:
        >>> import gapscope
        >>> datasets = {"real": "photos", "synthetic": "renders"}
        >>> run = gapscope.compare(datasets, out="runs/today", model="bundled", levels=["P3"], size=64)
        >>> len(run.outliers("P3", "real", "synthetic"))
        20
        >>> list(run.layout("P3").columns)
        ['dataset', 'row', 'uri', 'x', 'y', 'z', 'cluster']
    """
    _check_not_a_worker()
    with chosen_progress(progress) as bars:
        shown: Progress = bars
        if len(datasets) < 2:
            raise OptionError("give two or more datasets to compare, such as real=DIR synthetic=DIR")
        for name in datasets:
            check_dataset_name(name)
        check_cluster(cluster)
        neighbors = NeighborSettings(metric=metric)
        layout = LayoutSettings(
            n_neighbors=n_neighbors, min_dist=min_dist, n_epochs=n_epochs, landmarks=landmarks, seed=seed
        )
        page = ReportSettings(max_points=max_points, thumbnails=thumbnails, heat_maps=heat_maps)
        comparison = CompareSettings(k=k, fdr=fdr, reference=reference, readings=readings, max_outliers=max_outliers)
        if reference is not None and reference not in datasets:
            raise OptionError(f"the datasets are {', '.join(datasets)}", argument="reference", value=reference)
        on = choose_device(device)
        # Better now than after hours of embedding.
        on.check_layout_support()
        relocations, location = parse_relocations(relocate), resolve_location(out)
        opened = {
            name: open_dataset(name, given, location, relocations, objects=objects, mask=mask, min_side=min_side)
            for name, given in datasets.items()
        }
        sources = with_vectors(opened, vectors, relocations)
        model = add_model(model) if isinstance(model, Model) else model
        chosen = choose_levels(sources, levels, model)
        if chosen.network == ():
            embed = without_network(size=size, fit=fit, max_pixels=max_pixels, keep_damaged=keep_damaged)
            pyramid = None
        else:
            embed = resolve_embed_settings(
                model=model,
                weights=weights,
                levels=chosen.network,
                size=size,
                fit=fit,
                max_pixels=max_pixels,
                keep_damaged=keep_damaged,
                pool=pool,
                precision=precision,
                speedups=speedups,
            )
            # Weights that do not fit are better found now than by a worker, in a run that was already begun with them.
            pyramid = load_pyramid(embed)
            check_have_images(sources)
        _check_objects(sources, objects=objects, mask=mask, min_side=min_side)
        rules = GroupRules(group, sources)
        class_rules = check_class_rules(classes, sources)
        ranges = given_ranges(value_range, sources)
        cluster = _within_reach(sources, [out, cache], cluster)
        for name, source in sources.items():
            check_not_empty(name, source)
        shown.note(_describe_levels(embed, chosen, on))
        if chosen.passed_over:
            left_out = ", ".join(chosen.passed_over)
            shown.note(f"passed over: vectors of {left_out}, which not all datasets bring or `levels` leaves out")

        folder = _run_folder(out, sources)
        wanted = _record(sources, embed, chosen, relocations, neighbors, layout, comparison, rules, class_rules, ranges)
        wanted = replace(wanted, config=replace(wanted.config, objects=objects, mask=mask, min_side=min_side))
        check_empty(folder)
        with run_lock(folder, "gapscope compare", shown) as lock, diagnose_damage(folder):
            if update:
                _change_datasets(folder, wanted.config, shown)
            run = RunStore(folder, open_or_create(folder, wanted), relocations=relocations)
            check_same_lengths(run.record, chosen)
            shown = log = RunLog(shown, folder)
            run.record.device = on.describe()
            run.record.attached, run.record.allow_missing = attached_sources(vectors), allow_missing
            run.record.report = page
            sources = keep_given(run, sources, shown, update=update)
            listings = list_datasets(run, sources, shown, update=update)
            check_vectors_unchanged(run, sources, update=update)
            if pyramid is not None:
                check_enough(listings, sources, allow_missing=allow_missing)
            write_listed_groups(run, rules, shown)
            check_annotated(run)
            look_at_samples(run, sources, listings, ranges, shown, again=update, allow_missing=allow_missing)
            if pyramid is not None:
                embed = resolve_run_precision(run.record, embed, pyramid, on)
            run.write_record()
            shared = None if cache is None else resolve_location(cache)
            listed = run.record.listed
            with lazy_cluster(cluster, on.name, listed, shown, partial(release_worker, on)) as connect:
                embed_datasets(run, sources, embed, on, connect, shown, shared, thumbnails=page.thumbnails != "off")
                lock.check()
                settle_groups(run, rules, shown)
                fit_scalers(run)
                k = max(comparison.graph_k, layout.graph_k)
                search = find_neighbors(run, on, k, connect, shown, graph_k=layout.graph_k)
                find_group_neighbors(run, on, comparison.graph_k, connect, shown)
                find_style_aside_neighbors(run, on, comparison.graph_k, connect, shown)
                compute_layouts(run, layout, on, connect, shown, search)
            lock.check()
            network = embed if embed.levels else None
            compare_datasets(run, comparison, on, shown, network)
            _keep_times(run.record, log.times)
            run.write_record()
            _log_warnings(run)
            write_report(run, shown, page, network, on)
            log.tell_times()
            return open_run(folder)


def _check_not_a_worker() -> None:
    """Check that this is not a worker process that imports the user's script to begin with.

    Raises:
        OptionError: it is one: the script calls `compare` wherever it is imported.
    """
    if getattr(process.current_process(), "_inheriting", False):
        raise OptionError(
            "a worker process of gapscope imports your script, which calls gapscope again: put that under "
            "`if __name__ == '__main__':`, or compare with `cluster='inline'`"
        )


def _describe_levels(embed: EmbedSettings, chosen: ChosenLevels, device: Device) -> str:
    brought = ", ".join(f"{level.name} ({level.channels:,} numbers)" for level in chosen.brought)
    if not embed.levels:
        return f"no network: the datasets bring vectors, {brought}, on {device.describe()}"
    beside = f", and vectors that the datasets bring, {brought}" if brought else ""
    return f"{embed.model} at {embed.preprocess.size} pixels, {', '.join(embed.levels)}{beside}, on {device.describe()}"


def _log_warnings(run: RunStore) -> None:
    for sentence in warning_sentences(read_metrics(run)):
        _LOGGER.warning("%s", sentence)


def _keep_times(record: RunRecord, times: Mapping[str, Timing]) -> None:
    # Work that is repeated with the same number of units keeps its first time: a page that is made again stays the
    # same.
    for title, timing in times.items():
        earlier = record.times.get(title)
        if earlier is None or earlier.done != timing.done:
            record.times[title] = timing


def _run_folder(out: str | PathLike[str], sources: Mapping[str, Source]) -> Location:
    folder = resolve_location(out)
    for name, source in sources.items():
        if (
            source.folder is not None
            and not is_remote(folder)
            and folder.resolve().is_relative_to(Path(fsdecode(path_bytes(source.folder))).resolve())
        ):
            raise OptionError(
                f"lies inside dataset {name}, whose images it would add to: choose another",
                argument="out",
                value=folder,
            )
    return folder


def _change_datasets(folder: Location, wanted: RunConfig, progress: Progress) -> None:
    if not (folder / NAME).exists():
        return
    run = open_store(folder)
    # The datasets may differ, and nothing else. A source that has moved makes it another run.
    existing = run.record.config
    group = {name: wanted.group.get(name, rule) for name, rule in existing.group.items()}
    if group != existing.group and (not run.record.scaler or _only_values_differ(existing.group, group)):
        run.record.config = replace(existing, group=group)
        run.write_record()
    # Of a dataset that is added any range will do, and of one that is dropped none is asked for.
    ranges = {name: text for name, text in existing.value_range.items() if name not in wanted.datasets}
    ranges |= {name: text for name, text in wanted.value_range.items() if name in existing.datasets}
    vectors = {name: wanted.vectors.get(name, own) for name, own in existing.vectors.items()}
    same = replace(
        wanted,
        datasets=existing.datasets,
        group=group,
        classes=existing.classes,
        value_range=ranges,
        vectors=vectors,
    )
    check_same_config(folder, same)
    for change in change_datasets(run, wanted.datasets, wanted.group, wanted.value_range, wanted.vectors):
        progress.note(change)


def _only_values_differ(existing: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether two sets of rules differ in values per image alone, of which there are more for more images."""
    return all(
        rule == wanted[name] or (rule.startswith(VALUES) and wanted[name].startswith(VALUES))
        for name, rule in existing.items()
    )


def _check_objects(sources: Mapping[str, Source], *, objects: bool, mask: bool, min_side: int) -> None:
    if objects and not any(source.objects for source in sources.values()):
        raise OptionError(
            "none of the datasets has annotations, which say where objects are: give an annotation file or a dataset "
            "that holds some, such as data.yaml or instances.json",
            argument="objects",
            value=True,
        )
    for name, value in (("mask", mask), ("min_side", min_side)):
        if value and not objects:
            raise OptionError("is for objects: add `objects=True`", argument=name, value=value)


def _within_reach(sources: Mapping[str, Source], locations: Sequence[str | PathLike[str] | None], cluster: str) -> str:
    """Return the cluster to use: what lies in this process's memory is worked on in this process.

    Raises:
        OptionError: something lies there, and `cluster` names other processes, which cannot read it.
    """
    in_memory = [
        f"dataset {name}" for name, source in sources.items() if without_prefix(source.location).startswith("memory://")
    ]
    in_memory += [str(location) for location in locations if str(location).startswith("memory://")]
    if not in_memory:
        return cluster
    if cluster not in ("auto", "inline"):
        raise OptionError(
            f"{in_memory[0]} lies in this process's memory; use `cluster='inline'`", argument="cluster", value=cluster
        )
    return "inline"


def _record(
    sources: Mapping[str, Source],
    embed: EmbedSettings,
    chosen: ChosenLevels,
    relocations: Relocations,
    neighbors: NeighborSettings,
    layout: LayoutSettings,
    comparison: CompareSettings,
    rules: GroupRules,
    classes: Mapping[str, str],
    ranges: Mapping[str, ValueRange],
) -> RunRecord:
    network = find_model(embed.model) if embed.levels else None
    own = [] if network is None else [level for level in network.levels if level.name in embed.levels]
    return RunRecord(
        config=RunConfig(
            datasets={name: source.location for name, source in sources.items()},
            group=rules.describe(),
            classes=dict(classes),
            value_range={name: str(each) for name, each in ranges.items()},
            vectors=chosen.where(sources, relocations),
            embed=EmbedConfig.of(embed),
            neighbors=neighbors,
            layout=layout,
            compare=comparison,
        ),
        model=ModelRecord(
            name=embed.model,
            weights=embed.weights,
            weights_sha256=embed.weights_sha256,
            levels=chosen.all([LevelRecord(**asdict(level)) for level in own]),
            mean=(0.0, 0.0, 0.0) if network is None else network.mean,
            std=(1.0, 1.0, 1.0) if network is None else network.std,
        ),
        versions=dict(_versions()),
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in _VERSIONS:
        # What the CPU alone needs may be left out where there is a GPU.
        with suppress(PackageNotFoundError):
            yield name, version(name)
