"""The stage that embeds every image of the run, block by block, over the cluster."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from gapscope.cluster import Connect, finishing_on_interrupt, run_jobs, setup_workers, workers_per_host
from gapscope.device import Device
from gapscope.errors import DamageError, SourceError
from gapscope.progress import Progress
from gapscope.pyramid.models import find_model
from gapscope.pyramid.network import embedding_lengths
from gapscope.settings import EmbedSettings
from gapscope.sources import Source
from gapscope.sources.vectors.dataset import VectorDataset, has_images, images_of, vectors_of
from gapscope.stages.block import Block, embed_block, prepare_worker
from gapscope.stages.vectors import VectorCopier
from gapscope.stages.worker_timings import WorkerTimings
from gapscope.store.atomic import replacing
from gapscope.store.cache import Cached, find_cached
from gapscope.store.image_stats import merge_image_stats
from gapscope.store.index import rows_read, rows_rejected
from gapscope.store.location import Location
from gapscope.store.pyramid import create_pyramid, pending_blocks
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import share_kept


def embed_datasets(
    run: RunStore,
    sources: Mapping[str, Source],
    settings: EmbedSettings,
    device: Device,
    connect: Connect,
    progress: Progress,
    cache: Location | None = None,
    *,
    thumbnails: bool = True,
) -> None:
    """Embed what is not embedded yet, then put what became of every image into the indexes and rejects.csv.

    Args:
        run: the run.
        sources: the datasets.
        settings: how to embed.
        device: where to embed.
        connect: returns the cluster's client.
        progress: shows the work.
        cache: what other runs have embedded is taken from there, and what this one embeds is left there.
        thumbnails: whether thumbnails for the report are kept.

    Raises:
        ClusterError: the cluster cannot be started or reached, or fails; finished blocks are kept.
        SourceError: not one image of a dataset could be read.
    """
    pending: dict[str, list[int]] = {}
    lengths = embedding_lengths(settings) if settings.levels else {}
    for name in run.record.datasets:
        own = vectors_of(sources[name])
        brought = {level: own[level] for level in run.record.config.vectors.get(name, ())}
        dtypes = {level: vectors.dtype for level, vectors in brought.items()}
        create_pyramid(run, name, lengths | {level: own.shape[1] for level, own in brought.items()}, dtypes)
        pending[name] = pending_blocks(run, name)
    cached = _cached(run, settings, device, cache, progress)
    images = sum(_rows(run, name, block) for name in pending for block in pending[name])
    if images:
        client = connect()
        model = find_model(settings.model) if settings.levels else None
        made = model if model is not None and model.fingerprint else None
        with ExitStack() as stack:
            stopped = stack.enter_context(finishing_on_interrupt(progress))
            stack.enter_context(setup_workers(client, partial(prepare_worker, settings, device, made)))
            timings = stack.enter_context(WorkerTimings(progress))
            task = stack.enter_context(progress.task("embedding", images, "image"))
            told: set[str] = set()
            without_picture = 0
            blocks = _blocks(
                run, pending, sources, settings, device, workers_per_host(client), cached, thumbnails=thumbnails
            )
            for done in run_jobs(client, embed_block, blocks, stopped=stopped, progress=progress):
                task.advance(done.rows, done.rejected)
                timings.add(done)
                without_picture += done.without_picture
                if done.utilization is not None:
                    task.show(f"GPU {done.utilization:.0%} busy")
                if done.decode_fallback_reason not in told | {""}:
                    told.add(done.decode_fallback_reason)
                    progress.note(f"the CPU decodes what the GPU should: {done.decode_fallback_reason}")
                for oddity in done.oddities:
                    progress.note(f"warning: in the first block, {oddity}; stop here if that is wrong")
            if without_picture:
                progress.note(
                    f"{without_picture:,} images cannot be read: their vectors count, and they have no picture"
                )
    for name in run.record.datasets:
        merge_image_stats(run, name)
        if name in cached and not cached[name].holds(settings.levels):
            cached[name].fill(run, name, settings.levels)
    _count(run, progress)


def _cached(
    run: RunStore, settings: EmbedSettings, device: Device, cache: Location | None, progress: Progress
) -> dict[str, Cached]:
    if cache is None or not settings.levels:
        return {}
    # Of rows without a vector, what the cache says would not hold for runs without vectors.
    names = [name for name in run.record.datasets if not run.record.config.vectors.get(name)]
    cached = {name: find_cached(cache, run, name, settings, device.name) for name in names}
    for name, embeddings in cached.items():
        if embeddings.holds(settings.levels):
            progress.note(f"{name}: its embeddings are in {cache}")
    return cached


def _rows(run: RunStore, dataset: str, block: int) -> int:
    block_rows = run.record.block_rows
    return min(block_rows, run.record.datasets[dataset].listed - block * block_rows)


def _blocks(
    run: RunStore,
    pending: Mapping[str, list[int]],
    sources: Mapping[str, Source],
    settings: EmbedSettings,
    device: Device,
    processes_per_host: int,
    cached: Mapping[str, Cached],
    *,
    thumbnails: bool,
) -> Iterator[Block]:
    # Whether the cache holds it is decided now: what others write there meanwhile may not be whole.
    whole = {name: of_dataset for name, of_dataset in cached.items() if of_dataset.holds(settings.levels)}
    # Every dataset's first block comes first: whatever is odd about its pictures is said before hours of embedding.
    first = [(name, number) for name, numbers in pending.items() for number in numbers[:1]]
    others = [(name, number) for name, numbers in pending.items() for number in numbers[1:]]
    copiers = {
        name: VectorCopier(run, name, source)
        for name, source in sources.items()
        if isinstance(source, VectorDataset) and run.record.config.vectors.get(name)
    }
    for name, number in (*first, *others):
        start = number * run.record.block_rows
        stop = start + _rows(run, name, number)
        if name in copiers:
            copiers[name].copy(start, stop)
        yield Block(
            run=run,
            dataset=name,
            number=number,
            start=start,
            stop=stop,
            source=_images(sources[name], pictures=bool(settings.levels) or thumbnails),
            settings=settings,
            device=device,
            processes_per_host=processes_per_host,
            cached=whole.get(name),
            thumbnails=share_kept(run.record.datasets[name].listed) if thumbnails else 0.0,
            brought=tuple(run.record.config.vectors.get(name, ())),
        )


def _images(source: Source, *, pictures: bool) -> Source | None:
    """Return the source of a dataset's images; None where it has none, or where none are wanted."""
    if not (pictures and has_images(source)):
        return None
    # The vectors stay behind: they may lie in this process's memory.
    return images_of(source)


def _count(run: RunStore, progress: Progress) -> None:
    _write_rejects(run)
    for name, dataset in run.record.datasets.items():
        read, not_read = len(rows_read(run, name)), rows_rejected(run, name)
        rejected = sum(status != "listed" for status in not_read["status"].to_pylist())
        if read + rejected != dataset.listed:
            raise DamageError(
                f"dataset {name}: {read} rows read and {rejected} rejected are not the {dataset.listed} listed: "
                f"the run is damaged; see `gapscope verify {run.path}`"
            )
        dataset.read, dataset.rejected = read, rejected
        progress.note(f"{name}: {dataset.listed:,} listed = {read:,} read + {rejected:,} rejected")
        if not read:
            raise SourceError(
                f"dataset {name}: none of its {rejected} images could be read; see {run.path / 'rejects.csv'}"
            )
    run.write_record()


def _write_rejects(run: RunStore) -> None:
    with replacing(run.path / "rejects.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["dataset", "row", "uri", "status", "error"])
        writer.writeheader()
        for name in run.record.datasets:
            writer.writerows({"dataset": name, **row} for row in rows_rejected(run, name).to_pylist())
