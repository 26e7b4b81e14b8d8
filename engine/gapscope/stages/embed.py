"""The stage that embeds every image of the run, block by block, over the cluster."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from gapscope.cluster import Connect, finishing_on_interrupt, run_jobs, setup_workers, workers_per_host
from gapscope.device import Device
from gapscope.errors import DamageError, SourceError
from gapscope.progress import Progress
from gapscope.pyramid.network import embedding_lengths
from gapscope.settings import EmbedSettings
from gapscope.sources import Source
from gapscope.stages.block import Block, embed_block, prepare_worker
from gapscope.stages.worker_timings import WorkerTimings
from gapscope.store.atomic import replacing
from gapscope.store.cache import Cached, find_cached
from gapscope.store.index import merge_image_stats, rows_read, rows_rejected
from gapscope.store.pyramid import create_pyramid, pending_blocks
from gapscope.store.run_record import RunRecord
from gapscope.store.thumbnails import share_kept


def embed_datasets(
    run: Path,
    record: RunRecord,
    sources: Mapping[str, Source],
    settings: EmbedSettings,
    device: Device,
    connect: Connect,
    progress: Progress,
    cache: Path | None = None,
    *,
    thumbnails: bool = True,
) -> None:
    """Embed what is not embedded yet, then put what became of every image into the indexes and rejects.csv.

    Args:
        run: the run's folder.
        record: its run.json.
        sources: the datasets.
        settings: how to embed.
        device: on what.
        connect: gives the cluster's client.
        progress: shows the work.
        cache: what other runs have embedded is taken from there, and what this one embeds is left there.
        thumbnails: small pictures for the report are kept.

    Raises:
        ClusterError: the cluster cannot be had, or fails; finished blocks are kept.
        SourceError: not one image of a dataset could be read.
    """
    pending: dict[str, list[int]] = {}
    for name, facts in record.datasets.items():
        create_pyramid(run, name, facts["listed"], record.block_rows, embedding_lengths(settings))
        pending[name] = pending_blocks(run, name)
    cached = _cached(run, record, settings, device, cache, progress)
    images = sum(_rows(record, name, block) for name in pending for block in pending[name])
    if images:
        client = connect()
        with ExitStack() as stack:
            stopped = stack.enter_context(finishing_on_interrupt(progress))
            stack.enter_context(setup_workers(client, partial(prepare_worker, settings, device)))
            account = stack.enter_context(WorkerTimings(progress))
            task = stack.enter_context(progress.task("embedding", images, "image"))
            processes_per_host = workers_per_host(client)
            told: set[str] = set()
            jobs = _blocks(
                run, record, pending, sources, settings, device, processes_per_host, cached, thumbnails=thumbnails
            )
            for done in run_jobs(client, embed_block, jobs, stopped=stopped, progress=progress):
                task.advance(done.rows, done.rejected)
                account.add(done)
                if done.busy is not None:
                    task.show(f"GPU {done.busy:.0%} busy")
                if done.decode_fallback_reason not in told | {""}:
                    told.add(done.decode_fallback_reason)
                    progress.note(f"the CPU decodes what the GPU should: {done.decode_fallback_reason}")
    for name in record.datasets:
        merge_image_stats(run, name, record.block_rows)
        if name in cached and not cached[name].holds(settings.levels):
            cached[name].fill(run, name, settings.levels)
    _count(run, record, progress)


def _cached(
    run: Path,
    record: RunRecord,
    settings: EmbedSettings,
    device: Device,
    cache: Path | None,
    progress: Progress,
) -> dict[str, Cached]:
    if cache is None:
        return {}
    cached = {name: find_cached(cache, run, name, settings, device.name) for name in record.datasets}
    for name, there in cached.items():
        if there.holds(settings.levels):
            progress.note(f"{name}: its embeddings are in {cache}")
    return cached


def _rows(record: RunRecord, dataset: str, block: int) -> int:
    listed: int = record.datasets[dataset]["listed"]
    return min(record.block_rows, listed - block * record.block_rows)


def _blocks(
    run: Path,
    record: RunRecord,
    pending: Mapping[str, list[int]],
    sources: Mapping[str, Source],
    settings: EmbedSettings,
    device: Device,
    processes_per_host: int,
    cached: Mapping[str, Cached],
    *,
    thumbnails: bool,
) -> Iterator[Block]:
    for name, numbers in pending.items():
        share = share_kept(record.datasets[name]["listed"]) if thumbnails else 0.0
        # Whether it is there is known now: what others leave there meanwhile may not be whole.
        there = cached.get(name)
        if there is not None and not there.holds(settings.levels):
            there = None
        for number in numbers:
            start = number * record.block_rows
            yield Block(
                run=run,
                dataset=name,
                number=number,
                start=start,
                stop=start + _rows(record, name, number),
                source=sources[name],
                settings=settings,
                device=device,
                processes_per_host=processes_per_host,
                cached=there,
                thumbnails=share,
            )


def _count(run: Path, record: RunRecord, progress: Progress) -> None:
    _write_rejects(run, record)
    for name, facts in record.datasets.items():
        read, rejected = len(rows_read(run, name)), rows_rejected(run, name)
        refused = sum(status != "listed" for status in rejected["status"].to_pylist())
        if read + refused != facts["listed"]:
            raise DamageError(
                f"dataset {name}: {read} rows read and {refused} rejected are not the {facts['listed']} listed: "
                f"the run is damaged; see `gapscope verify {run}`"
            )
        facts["read"], facts["rejected"] = read, refused
        progress.note(f"{name}: {facts['listed']:,} listed = {read:,} read + {refused:,} rejected")
        if not read:
            raise SourceError(f"dataset {name}: none of its {refused} images could be read; see {run / 'rejects.csv'}")
    record.write(run)


def _write_rejects(run: Path, record: RunRecord) -> None:
    with replacing(run / "rejects.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["dataset", "row", "uri", "status", "error"])
        writer.writeheader()
        for name in record.datasets:
            writer.writerows({"dataset": name, **row} for row in rows_rejected(run, name).to_pylist())
