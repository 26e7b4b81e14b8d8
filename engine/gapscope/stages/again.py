"""Goes on with a run, or updates it, from what run.json says: without the command that began it."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from gapscope.errors import OptionError, RunError, SourceError
from gapscope.progress import Progress
from gapscope.pyramid.models import MODELS, find_model
from gapscope.run import Run
from gapscope.settings import DeviceName, ExecutionSettings, RelocateOption
from gapscope.sources.kinds import IN_PYTHON, PART_SEPARATOR, is_missing
from gapscope.sources.relocated import Relocations, parse_relocations
from gapscope.sources.source import without_prefix
from gapscope.sources.vectors.dataset import IN_MEMORY
from gapscope.stages.pipeline import compare
from gapscope.stages.resolve import NO_NETWORK, find_weights
from gapscope.store.location import LocationLike, resolve_location
from gapscope.store.run_record import RunRecord, read_run_record


def resume(
    run: str | PathLike[str],
    *,
    relocate: RelocateOption = ExecutionSettings.relocate,
    device: DeviceName = ExecutionSettings.device,
    cluster: str = ExecutionSettings.cluster,
    cache: str | PathLike[str] | None = ExecutionSettings.cache,
    progress: Progress | bool | None = None,
) -> Run:
    """Go on with a run that was stopped, with the datasets and options that it was begun with.

    Args:
        run: the run's folder or URL.
        relocate: where files are on this machine that the run knows elsewhere, as of `compare`.
        device: as of `compare`.
        cluster: likewise.
        cache: likewise.
        progress: likewise.

    Raises:
        RunError: there is no such run, its images have changed, or only a Python program can go on with it.
        UserError: as of `compare`.

    Example:
        >>> import gapscope
        >>> gapscope.resume("runs/monday").levels
        ('P3', 'P5')
    """
    return _again(run, {}, (), relocate, device, cluster, cache, progress, update=False)


def update(
    run: str | PathLike[str],
    datasets: Mapping[str, Any] | None = None,
    *,
    drop: Sequence[str] = (),
    relocate: RelocateOption = ExecutionSettings.relocate,
    device: DeviceName = ExecutionSettings.device,
    cluster: str = ExecutionSettings.cluster,
    cache: str | PathLike[str] | None = ExecutionSettings.cache,
    progress: Progress | bool | None = None,
) -> Run:
    """Take over what has changed in a run's datasets, and compare again; all options stay as they are.

    What is new is embedded, what is gone is dropped, and the scaler is that of the run's beginning.

    Args:
        run: the run's folder or URL.
        datasets: name to source, of datasets that are added, or of those of Python programs, which are given again.
        drop: names of datasets that are dropped.
        relocate: where files are on this machine that the run knows elsewhere, as of `compare`.
        device: as of `compare`.
        cluster: likewise.
        cache: likewise.
        progress: likewise.

    Raises:
        RunError: there is no such run, or only a Python program can go on with it.
        UserError: as of `compare`.

    Example:
        >>> import gapscope
        >>> gapscope.update("runs/monday").datasets
        ('real', 'synthetic')
    """
    return _again(run, datasets or {}, drop, relocate, device, cluster, cache, progress, update=True)


def _again(
    run: str | PathLike[str],
    datasets: Mapping[str, Any],
    drop: Sequence[str],
    relocate: RelocateOption,
    device: DeviceName,
    cluster: str,
    cache: str | PathLike[str] | None,
    progress: Progress | bool | None,
    *,
    update: bool,
) -> Run:
    folder = resolve_location(run)
    record = read_run_record(folder)
    known = list(record.config.datasets)
    for name in drop:
        if name not in known:
            raise OptionError(f"the run has {', '.join(known)}", argument="drop", value=name)
    model = record.model
    if model.weights_sha256 and not model.weights and not _is_made(model.name):
        raise RunError(
            f"model {model.name} was made by a Python program: make it there with `gapscope.Model.from_callable`, and "
            "call `gapscope.compare` with it again"
        )
    relocations = parse_relocations(relocate)
    options = options_of(record, relocations)
    sources = {name: source for name, source in options.pop("datasets").items() if name not in drop} | dict(datasets)
    for name, source in sources.items():
        if isinstance(source, str) and source.startswith(IN_PYTHON):
            raise RunError(
                f"dataset {name} was given by a Python program as arrays: call `gapscope.compare` with them again, or "
                "`gapscope.update` with these datasets"
            )
    for name, attached in record.attached.items():
        if IN_MEMORY in attached and name in sources:
            raise RunError(
                f"vectors of dataset {name} were given by a Python program as arrays: call `gapscope.compare` with "
                "them again"
            )
    for name, source in sources.items():
        for location in [source, *record.attached.get(name, [])]:
            if isinstance(location, str) and is_missing(here := relocations.to_here(location)):
                path = without_prefix(here).partition(PART_SEPARATOR)[0]
                raise SourceError(
                    f"dataset {name}: there is no {path}; if it lies elsewhere on this machine, add "
                    f"`relocate='{path}=NEW'`"
                )
    for named in ("group", "classes", "value_range", "vectors"):
        options[named] = {name: value for name, value in options[named].items() if name in sources}
    if options["reference"] in drop:
        raise OptionError("every other dataset is compared with it", argument="drop", value=options["reference"])
    return compare(
        sources,
        out=run,
        update=update,
        relocate=relocate,
        device=device,
        cluster=cluster,
        cache=cache,
        progress=progress,
        **options,
    )


def options_of(record: RunRecord, relocations: Relocations | None = None) -> dict[str, Any]:
    """Return the arguments of `compare` that make a run with this record, the datasets among them.

    Those that say where the work runs are not kept in a run.

    Args:
        record: of the run.
        relocations: where files are on this machine.
    """
    config = record.config
    embed, layout, comparison, page = config.embed, config.layout, config.compare, record.report
    options: dict[str, Any] = {"datasets": dict(config.datasets)}
    if embed.model != NO_NETWORK:
        options |= {
            "model": MODELS[embed.model] if _is_made(embed.model) else embed.model,
            "weights": _weights(record, relocations or Relocations()),
            "pool": embed.pool,
            "precision": embed.precision,
            "speedups": list(embed.speedups),
        }
    return options | {
        "levels": list(record.levels),
        "size": embed.size,
        "fit": embed.fit,
        "max_pixels": embed.max_pixels,
        "keep_damaged": embed.keep_damaged,
        "objects": config.objects,
        "mask": config.mask,
        "min_side": config.min_side,
        "value_range": dict(config.value_range),
        "vectors": {name: list(sources) for name, sources in record.attached.items()},
        "k": comparison.k,
        "fdr": comparison.fdr,
        "group": dict(config.group),
        "classes": dict(config.classes),
        "metric": config.neighbors.metric,
        "n_neighbors": layout.n_neighbors,
        "min_dist": layout.min_dist,
        "n_epochs": layout.n_epochs,
        "landmarks": layout.landmarks,
        "seed": layout.seed,
        "reference": comparison.reference,
        "readings": comparison.readings,
        "max_outliers": comparison.max_outliers,
        "allow_missing": record.allow_missing,
        "max_points": page.max_points,
        "thumbnails": page.thumbnails,
        "heat_maps": page.heat_maps,
    }


def _is_made(model: str) -> bool:
    """Return whether this program has made the model, so that it can be given again."""
    return model in MODELS and bool(MODELS[model].fingerprint)


def _weights(record: RunRecord, relocations: Relocations) -> str | None:
    """Return the file to be given as `weights`; None where the model's own are the run's."""
    model = record.model
    if not model.weights:
        return None
    own = find_model(model.name).cached_weights()
    path = find_weights(record, relocations)
    if path is not None and path == own:
        return None
    return str(path or relocations.to_here(model.weights))


def run_options(run: LocationLike) -> dict[str, Any]:
    """Return the arguments of `compare` that make a run, the datasets among them; see `options_of`.

    Raises:
        RunError: there is no such run.
    """
    return options_of(read_run_record(resolve_location(run)))
