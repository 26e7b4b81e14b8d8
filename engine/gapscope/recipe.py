"""The whole story, top to bottom: from datasets to a report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from gapscope.cluster import check_cluster
from gapscope.compare.stage import compare_datasets
from gapscope.device import choose_device
from gapscope.errors import OptionError
from gapscope.layout.stage import lay_out
from gapscope.neighbors.stage import find_neighbors, measure_rulers
from gapscope.progress import Progress, Silent, Timed
from gapscope.pyramid.models import find_model
from gapscope.pyramid.network import load_pyramid
from gapscope.pyramid.stage import embed_datasets
from gapscope.pyramid.weights import sha256_of
from gapscope.report import write_report
from gapscope.run import Run, open_run
from gapscope.settings import (
    DEFAULT_MODEL,
    MAX_PIXELS,
    CompareSettings,
    EmbedSettings,
    Fit,
    Frame,
    LayoutSettings,
    Precision,
    ReportSettings,
    Thumbnails,
    check_dataset_name,
)
from gapscope.sources import Source, open_source
from gapscope.sources.stage import check_not_empty, list_datasets
from gapscope.store.record import Record, begin

_VERSIONS = (
    "gapscope",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "zarr",
    "dask",
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
    precision: Precision = "float32",
    device: str = "auto",
    cluster: str = "auto",
    k: int = 5,
    fdr: float = 0.1,
    seed: int = 0,
    update: bool = False,
    max_points: int = 50_000,
    thumbnails: Thumbnails = "drawn",
    progress: Progress | None = None,
) -> Run:
    """Compare two or more datasets at every level of a pyramid, and write the run to a folder.

    The same call on a folder that was begun goes on where it stopped, and gives what an undisturbed run gives.

    Args:
        datasets: name to source; see `gapscope.sources.open_source` for what can be one.
        out: folder of the run; new, empty, or holding this very run.
        model: a name in `gapscope.MODELS`, or `timm:` and the name of a backbone of timm's.
        weights: a file to use in place of the model's own weights.
        levels: names of the levels to keep, such as `["P3", "P5"]`; all of them by default.
        size: side in pixels of the square that the network sees, a multiple of 32; the model's own by default.
        fit: how an image becomes that square: `crop`, `stretch` or `pad`.
        max_pixels: images with more pixels are rejected.
        objects: of COCO annotations, compare the objects, each cropped with a margin, instead of whole images.
        precision: arithmetic of the network: `float32` or `bfloat16`.
        device: `auto`, `cpu` or `cuda`.
        cluster: `auto`, `inline`, `local`, `cuda`, or the address of a running Dask scheduler.
        k: an image is outside by its distance to its k-th nearest reference image.
        fdr: bound on the expected share of false entries in an outlier manifest.
        seed: of every random choice.
        update: where a dataset has changed since the run was begun, embed what is new, drop what is gone, and compare
            again, with the ruler that the run was begun with.
        max_points: most images that the report draws on a map.
        thumbnails: images that the report has pictures of: `off`, `outliers` or `drawn`.
        progress: what shows long work; nothing is shown by default.

    Raises:
        UserError: what was asked for cannot be done as it was asked.
        ClusterError: the cluster cannot be had, or fails; what is finished is kept.
    """
    shown = Timed(progress or Silent())
    if len(datasets) < 2:
        raise OptionError("give two or more datasets to compare, such as real=DIR synthetic=DIR")
    locations = {check_dataset_name(name): fspath(source) for name, source in datasets.items()}
    check_cluster(cluster)
    embed, means = _embed_settings(model, weights, levels, size, fit, max_pixels, precision)
    layout = LayoutSettings(seed=seed)
    page = ReportSettings(max_points=max_points, thumbnails=thumbnails)
    comparison = CompareSettings(k=k, fdr=fdr)
    on = choose_device(device)
    sources = {name: open_source(name, location, objects=objects) for name, location in locations.items()}
    _check_objects(sources, objects=objects)
    cluster = _within_reach(sources, cluster)
    for name, source in sources.items():
        check_not_empty(name, source)
    shown.note(f"{embed.model} at {embed.frame.size} pixels, {', '.join(embed.levels)}, on {on.check()}")

    run = _run_folder(out, sources)
    record = begin(run, _record(sources, embed, layout, comparison, objects=objects, means=means))
    record.device = on.check()
    list_datasets(run, record, sources, shown, update=update)
    embed_datasets(run, record, sources, embed, on, cluster, shown, thumbnails=page.thumbnails != "off")
    measure_rulers(run, record)
    find_neighbors(run, record, on, comparison.graph_k, shown)
    lay_out(run, record, layout, on, shown)
    compare_datasets(run, record, comparison, shown)
    record.times |= shown.times
    record.write(run)
    finished = open_run(run)
    write_report(finished, shown, page)
    return finished


def _embed_settings(
    model: str,
    weights: str | PathLike[str] | None,
    levels: Sequence[str] | None,
    size: int | None,
    fit: Fit,
    max_pixels: int,
    precision: Precision,
) -> tuple[EmbedSettings, str]:
    """Return the settings, and how the network's means come about."""
    network = find_model(model)
    chosen = network.choose_levels(None if levels is None else tuple(levels))
    frame = Frame(size=network.size if size is None else size, fit=fit, max_pixels=max_pixels)
    file = network.weights() if weights is None else Path(weights).expanduser().absolute()
    settings = EmbedSettings(
        model=model,
        weights=str(file),
        weights_sha256=sha256_of(file),
        levels=chosen,
        frame=frame,
        precision=precision,
    )
    # Weights that do not fit are better found now than by a worker, in a run that was already begun with them.
    pyramid = load_pyramid(settings)
    return settings, pyramid.trunk.short_cut


def _run_folder(out: str | PathLike[str], sources: Mapping[str, Source]) -> Path:
    folder = Path(out).expanduser().absolute()
    for name, source in sources.items():
        if source.folder is not None and folder.resolve().is_relative_to(Path(source.folder).resolve()):
            raise OptionError(
                f"--out {folder} lies inside dataset {name}, whose images it would add to: choose another"
            )
    return folder


def _check_objects(sources: Mapping[str, Source], *, objects: bool) -> None:
    if objects and not any(source.objects for source in sources.values()):
        raise OptionError("--objects: none of the datasets is a COCO annotation file, which says where objects are")


def _within_reach(sources: Mapping[str, Source], cluster: str) -> str:
    """Keep what lies in this process's memory from other processes, which would find nothing there."""
    here = [name for name, source in sources.items() if source.location.startswith("memory://")]
    if not here:
        return cluster
    if cluster not in ("auto", "inline"):
        raise OptionError(f"--cluster {cluster}: dataset {here[0]} lies in this process's memory; use --cluster inline")
    return "inline"


def _record(
    sources: Mapping[str, Source],
    embed: EmbedSettings,
    layout: LayoutSettings,
    comparison: CompareSettings,
    *,
    objects: bool,
    means: str,
) -> Record:
    network = find_model(embed.model)
    # The file's place may change between two commands, its content may not.
    config: dict[str, Any] = {
        "datasets": {name: source.location for name, source in sources.items()},
        "sources": {"objects": objects},
        "embed": {name: value for name, value in asdict(embed).items() if name not in ("weights", "frame")},
        "layout": asdict(layout),
        "compare": asdict(comparison),
    }
    config["embed"] |= {"levels": list(embed.levels), **asdict(embed.frame)}
    return Record(
        config=config,
        model={
            "name": embed.model,
            "weights": embed.weights,
            "weights_sha256": embed.weights_sha256,
            "levels": [asdict(level) for level in network.levels if level.name in embed.levels],
            "mean": list(network.mean),
            "spread": list(network.spread),
            "means": means,
        },
        versions={name: version(name) for name in _VERSIONS},
    )
