"""What a small sample of a job takes on this machine."""

import os
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from gapscope.cluster import lazy_cluster
from gapscope.device import Device
from gapscope.progress import Progress, Silent
from gapscope.pyramid.network import embedding_lengths
from gapscope.settings import EmbedSettings, LayoutSettings
from gapscope.sources import Entry, Source
from gapscope.stages.block import Block, BlockDone, embed_block, prepare_worker
from gapscope.stages.layout import compute_layouts
from gapscope.stages.neighbors import find_neighbors, fit_scalers
from gapscope.store.image_stats import merge_image_stats, write_image_stats
from gapscope.store.index import index_path, write_index
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

_BLOCK_ROWS = 32
_ROWS = 2048
_WARM_ROWS = 64
"""Some libraries compile when they are first used."""

_NAMES = ("one", "two")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds, bytes and rates.

    Attributes:
        listing_seconds: of all images.
        images: that were embedded.
        images_per_second: of one worker.
        limit: what embedding waited for most: `read`, `decode`, `model` or `write`.
        picture_seconds: to read and decode one image, with all cores at work.
        index_bytes: of the index per image.
        memory_bytes: of the process that embedded, at most.
        rows: made-up embeddings that were compared and laid out.
        neighbor_seconds: per query row, reference row and dimension.
        layout_seconds: of one level of n images, divided by n log n.
    """

    listing_seconds: float
    images: int
    images_per_second: float
    limit: str
    picture_seconds: float
    index_bytes: float
    memory_bytes: int
    rows: int
    neighbor_seconds: float
    layout_seconds: float


def measure(
    sources: Mapping[str, Source],
    sample: Mapping[str, Sequence[Entry]],
    listing_seconds: float,
    settings: EmbedSettings,
    device: Device,
    k: int,
    progress: Progress,
) -> Measured:
    """Embed a sample of images, and compare and lay out made-up embeddings, in a folder that is removed again."""
    with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
        scratch = Path(folder)
        with progress.task("sample: embedding", sum(map(len, sample.values())), "image") as task:
            done, seconds, index_bytes = _embed_sample(scratch / "sample", sources, sample, settings, device)
            task.advance(sum(block.rows for block in done), sum(block.rejected for block in done))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        channels = max(embedding_lengths(settings).values())
        with progress.task("sample: neighbors and layout", 2, "size") as task:
            for rows in (_WARM_ROWS, _ROWS):
                neighbor_seconds, layout_seconds = _measure_graph_and_layout(
                    scratch / str(rows), rows, channels, device, k
                )
                task.advance(1)
    images = sum(block.rows for block in done)
    spent = {what: sum(block.seconds.get(what, 0.0) for block in done) for what in ("read", "decode", "model", "write")}
    waited = sum(block.seconds.get("wait", 0.0) for block in done)
    in_threads = max(spent["read"] + spent["decode"], 1e-9)
    shares = spent | {what: waited * spent[what] / in_threads for what in ("read", "decode")}
    return Measured(
        listing_seconds=listing_seconds,
        images=images,
        images_per_second=images / seconds,
        limit=max(shares, key=lambda what: shares[what]),
        picture_seconds=in_threads / images / len(os.sched_getaffinity(0)),
        index_bytes=index_bytes / images,
        memory_bytes=memory,
        rows=2 * _ROWS,
        neighbor_seconds=neighbor_seconds,
        layout_seconds=layout_seconds,
    )


def _embed_sample(
    folder: Path,
    sources: Mapping[str, Source],
    sample: Mapping[str, Sequence[Entry]],
    settings: EmbedSettings,
    device: Device,
) -> tuple[list[BlockDone], float, int]:
    """Return the finished blocks, their seconds, and the bytes of the indexes."""
    prepare_worker(settings, device)
    lengths = embedding_lengths(settings)
    record = RunRecord.of_embeddings(
        {name: len(entries) for name, entries in sample.items()}, lengths, block_rows=_BLOCK_ROWS
    )
    run = RunStore(folder, record)
    blocks, index_bytes = [], 0
    for name, entries in sample.items():
        write_index(run, name, entries, sources[name].columns)
        index_bytes += index_path(folder, name).stat().st_size
        create_pyramid(run, name, lengths)
        starts = [*range(0, len(entries), _BLOCK_ROWS), len(entries)]
        blocks += [
            Block(
                run=run,
                dataset=name,
                number=number,
                start=start,
                stop=stop,
                source=sources[name],
                settings=settings,
                device=device,
                processes_per_host=0,
            )
            for number, (start, stop) in enumerate(pairwise(starts))
        ]
    if len(blocks) > 1:
        # During the first block decoders start, and the network picks its algorithms.
        embed_block(blocks.pop(0))
    start = time.perf_counter()
    done = [embed_block(block) for block in blocks]
    return done, time.perf_counter() - start, index_bytes


def _measure_graph_and_layout(folder: Path, rows: int, channels: int, device: Device, k: int) -> tuple[float, float]:
    """Return the seconds of neighbors per row, row and dimension, and of a layout divided by n log n."""
    run = RunStore(folder, RunRecord.of_embeddings(dict.fromkeys(_NAMES, rows), {"P": channels}, block_rows=rows))
    random = np.random.default_rng(0)
    for name in _NAMES:
        write_index(run, name, [Entry(str(row)) for row in range(rows)])
        create_pyramid(run, name, {"P": channels})
        # Images of eight kinds, so that they have near neighbors.
        kinds = random.normal(size=(8, channels))[random.integers(0, 8, rows)]
        write_embeddings(run, name, 0, {"P": (kinds + random.normal(size=(rows, channels))).astype(np.float16)})
        write_image_stats(run, name, 0, [{"status": "ok", "error": ""}] * rows)
        merge_image_stats(run, name)
    fit_scalers(run)
    start = time.perf_counter()
    with lazy_cluster("inline", device.name, 0) as connect:
        find_neighbors(run, device, k, connect, Silent())
        searched = time.perf_counter()
        compute_layouts(run, LayoutSettings(), device, connect, Silent())
        ended = time.perf_counter()
    images = len(_NAMES) * rows
    return (searched - start) / (images**2 * channels), (ended - searched) / (images * np.log(images))
