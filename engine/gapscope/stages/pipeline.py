"""The whole story, top to bottom: from datasets to a report."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from os import PathLike, fspath
from pathlib import Path

from gapscope.cluster import check_cluster, lazy_cluster
from gapscope.device import choose_device
from gapscope.errors import OptionError
from gapscope.progress import Progress, Silent
from gapscope.pyramid.models import find_model
from gapscope.pyramid.network import load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.run import Run, open_run
from gapscope.settings import (
    DEFAULT_MODEL,
    MAX_PIXELS,
    CompareSettings,
    EmbedSettings,
    Fit,
    LayoutSettings,
    Metric,
    NeighborSettings,
    Pool,
    Precision,
    Preprocess,
    ReportSettings,
    Thumbnails,
    check_dataset_name,
)
from gapscope.sources import Source, open_source
from gapscope.stages.compare import compare_datasets
from gapscope.stages.embed import embed_datasets
from gapscope.stages.layout import compute_layouts
from gapscope.stages.listing import check_not_empty, list_datasets
from gapscope.stages.neighbors import find_neighbors, fit_scalers
from gapscope.stages.precision import resolve_run_precision
from gapscope.stages.report import write_report
from gapscope.store.location import is_remote, resolve_location
from gapscope.store.lock import run_lock
from gapscope.store.membership import change_datasets
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
    datasets: Mapping[str, str | PathLike[str]],
    *,
    out: str | PathLike[str],
    model: str = DEFAULT_MODEL,
    weights: str | PathLike[str] | None = None,
    levels: Sequence[str] | None = None,
    size: int | None = None,
    fit: Fit = "crop",
    max_pixels: int = MAX_PIXELS,
    objects: bool = False,
    pool: Pool = "mean",
    precision: Precision = "auto",
    speedups: Sequence[str] = ("auto",),
    device: str = "auto",
    cluster: str = "auto",
    k: int = 5,
    fdr: float = 0.1,
    metric: Metric = "cosine",
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    n_epochs: int | None = None,
    landmarks: int | None = None,
    reference: str | None = None,
    max_outliers: int | None = None,
    seed: int = 0,
    update: bool = False,
    cache: str | PathLike[str] | None = None,
    max_points: int = 50_000,
    thumbnails: Thumbnails = "drawn",
    progress: Progress | None = None,
) -> Run:
    """Compare two or more datasets at every level of a pyramid, and write the run to a folder.

    The same call on a folder that was begun goes on where it stopped, and gives what an undisturbed run gives.

    Args:
        datasets: name to source; see `gapscope.sources.open_source` for what can be one.
        out: folder of the run, or a URL such as s3://bucket/run; new, empty, or holding this very run.
        model: a name in `gapscope.MODELS`, or `timm:` and the name of a backbone of timm's.
        weights: a file to use in place of the model's own weights.
        levels: names of the levels to keep, such as `["P3", "P5"]`; all of them by default.
        size: side in pixels of the square that the network sees, a multiple of 32; the model's own by default.
        fit: how an image becomes that square: `crop`, `stretch` or `pad`.
        max_pixels: images with more pixels are rejected.
        objects: of COCO annotations, compare the objects, each cropped with a margin, instead of whole images.
        pool: how a level's map becomes a vector: `mean`, `max`, `gem` (generalised mean) or `grid` (2 x 2 means).
        precision: arithmetic of the network: `float32`, `bfloat16`, or `auto` for bfloat16 where the hardware has it.
        speedups: some of `pooled-fpn`, `fold`, `channels-last` and `compile`, none, or `auto` for all that pay.
        device: `auto`, `cpu` or `cuda`.
        cluster: `auto`, `inline`, `local`, `cuda`, or the address or the scheduler file (.json) of a running Dask
            scheduler.
        k: an image is outside by its distance to its k-th nearest reference image.
        fdr: bound on the expected share of false entries in an outlier manifest.
        metric: distance between standardised embeddings, for outliers and map alike: `cosine` or `euclidean`.
        n_neighbors: of the map: neighbors per image in UMAP's graph, the image itself included.
        min_dist: of the map: UMAP's smallest distance of points.
        n_epochs: of the map: UMAP's rounds; its own choice by default.
        landmarks: of the map: lay out at most so many images with UMAP and place the others among them; by default as
            many as fit the device's memory.
        reference: name of the dataset to compare all others with; every pair is compared by default.
        max_outliers: rows of a manifest at most, the surest; all by default. No count changes with it.
        seed: of every random choice.
        update: where a dataset has changed since the run was begun, embed what is new, drop what is gone, and compare
            again, with the scaler that the run was begun with. Datasets that the run does not have are added, and those
            that are not named any more are dropped.
        cache: a folder or URL where runs leave their embeddings for each other, so that comparing A with B and then A
            with C embeds A once.
        max_points: most images that the report draws on a map.
        thumbnails: images that the report has pictures of: `off`, `outliers` or `drawn`.
        progress: what shows long work; nothing is shown by default.

    Raises:
        UserError: what was asked for cannot be done as it was asked.
        ClusterError: the cluster cannot be had, or fails; what is finished is kept.
    """
    shown = progress or Silent()
    if len(datasets) < 2:
        raise OptionError("give two or more datasets to compare, such as real=DIR synthetic=DIR")
    locations = {check_dataset_name(name): fspath(source) for name, source in datasets.items()}
    check_cluster(cluster)
    file = find_model(model).weights() if weights is None else Path(weights).expanduser().absolute()
    frame = Preprocess(size=find_model(model).size if size is None else size, fit=fit, max_pixels=max_pixels)
    embed = EmbedSettings(
        model=model,
        weights=str(file),
        weights_sha256=sha256_of(file),
        levels=find_model(model).choose_levels(None if levels is None else tuple(levels)),
        frame=frame,
        pool=pool,
        precision=precision,
        speedups=tuple(speedups),
    )
    # Weights that do not fit are better found now than by a worker, in a run that was already begun with them.
    pyramid = load_pyramid(embed)
    near = NeighborSettings(metric=metric)
    layout = LayoutSettings(
        n_neighbors=n_neighbors, min_dist=min_dist, n_epochs=n_epochs, landmarks=landmarks, seed=seed
    )
    page = ReportSettings(max_points=max_points, thumbnails=thumbnails)
    comparison = CompareSettings(k=k, fdr=fdr, reference=reference, max_outliers=max_outliers)
    if reference is not None and reference not in locations:
        raise OptionError(f"--reference {reference}: the datasets are {', '.join(locations)}")
    on = choose_device(device)
    # Better now than after hours of embedding.
    on.check_layout_support()
    sources = {name: open_source(name, location, objects=objects) for name, location in locations.items()}
    _check_objects(sources, objects=objects)
    cluster = _within_reach(sources, [out, cache], cluster)
    for name, source in sources.items():
        check_not_empty(name, source)
    shown.note(f"{embed.model} at {embed.frame.size} pixels, {', '.join(embed.levels)}, on {on.describe()}")

    folder = _run_folder(out, sources)
    wanted = _record(sources, embed, near, layout, comparison, objects=objects)
    check_empty(folder)
    with run_lock(folder, "gapscope compare", shown) as lock, diagnose_damage(folder):
        if update:
            _change_datasets(folder, wanted.config, shown)
        run = RunStore(folder, open_or_create(folder, wanted))
        shown = log = RunLog(shown, folder)
        run.record.device = on.describe()
        list_datasets(run, sources, shown, update=update)
        embed = resolve_run_precision(run.record, embed, pyramid, on)
        run.write_record()
        shared = None if cache is None else resolve_location(cache)
        listed = sum(dataset.listed for dataset in run.record.datasets.values())
        with lazy_cluster(cluster, on.name, listed, shown) as connect:
            embed_datasets(run, sources, embed, on, connect, shown, shared, thumbnails=page.thumbnails != "off")
            lock.check()
            fit_scalers(run)
            k = max(comparison.graph_k, layout.graph_k)
            search = find_neighbors(run, on, k, connect, shown, graph_k=layout.graph_k)
            compute_layouts(run, layout, on, connect, shown, search)
        lock.check()
        compare_datasets(run, comparison, on, shown)
        _keep_times(run.record, log.times)
        run.write_record()
        write_report(run, shown, page)
        log.tell_times()
        return open_run(folder)


def _keep_times(record: RunRecord, times: Mapping[str, Timing]) -> None:
    # Work that is repeated with the same number of units keeps its first time: a page that is made again stays the
    # same.
    for title, timing in times.items():
        earlier = record.times.get(title)
        if earlier is None or earlier.done != timing.done:
            record.times[title] = timing


def _run_folder(out: str | PathLike[str], sources: Mapping[str, Source]) -> Path:
    folder = resolve_location(out)
    for name, source in sources.items():
        if (
            source.folder is not None
            and not is_remote(folder)
            and folder.resolve().is_relative_to(Path(source.folder).resolve())
        ):
            raise OptionError(
                f"--out {folder} lies inside dataset {name}, whose images it would add to: choose another"
            )
    return folder


def _change_datasets(folder: Path, wanted: RunConfig, progress: Progress) -> None:
    if not (folder / NAME).exists():
        return
    run = open_store(folder)
    # The datasets may differ, and nothing else. A source that has moved makes it another run.
    check_same_config(folder, run.record.config, replace(wanted, datasets=run.record.config.datasets))
    for change in change_datasets(run, wanted.datasets):
        progress.note(change)


def _check_objects(sources: Mapping[str, Source], *, objects: bool) -> None:
    if objects and not any(source.objects for source in sources.values()):
        raise OptionError("--objects: none of the datasets is a COCO annotation file, which says where objects are")


def _within_reach(sources: Mapping[str, Source], folders: Sequence[str | PathLike[str] | None], cluster: str) -> str:
    """Return the cluster, which is this process where data lies in its memory: other processes would find nothing."""
    in_memory = [f"dataset {name}" for name, source in sources.items() if source.location.startswith("memory://")]
    in_memory += [str(folder) for folder in folders if str(folder).startswith("memory://")]
    if not in_memory:
        return cluster
    if cluster not in ("auto", "inline"):
        raise OptionError(f"--cluster {cluster}: {in_memory[0]} lies in this process's memory; use --cluster inline")
    return "inline"


def _record(
    sources: Mapping[str, Source],
    embed: EmbedSettings,
    near: NeighborSettings,
    layout: LayoutSettings,
    comparison: CompareSettings,
    *,
    objects: bool,
) -> RunRecord:
    network = find_model(embed.model)
    levels = (level for level in network.levels if level.name in embed.levels)
    return RunRecord(
        config=RunConfig(
            datasets={name: source.location for name, source in sources.items()},
            objects=objects,
            embed=EmbedConfig.of(embed),
            neighbors=near,
            layout=layout,
            compare=comparison,
        ),
        model=ModelRecord(
            name=embed.model,
            weights=embed.weights,
            weights_sha256=embed.weights_sha256,
            levels=tuple(LevelRecord(**asdict(level)) for level in levels),
            mean=network.mean,
            std=network.std,
        ),
        versions=dict(_versions()),
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in _VERSIONS:
        # What the CPU alone needs may be left out where there is a GPU.
        with suppress(PackageNotFoundError):
            yield name, version(name)
