"""What a small sample of a job takes on this machine."""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat, zip_longest
from pathlib import Path

import numpy as np

from gapscope.cluster import lazy_cluster
from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.plan.rates import KNOWN_MODELS, Rates, typical_rates
from gapscope.progress import Progress, Silent, Task
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

_BATCH, _MAX_PART = 8, 512
_ROWS = 2048
_WARM_ROWS = 64
"""Some libraries compile when they are first used."""

_NAMES = ("one", "two")
_GRAPH_SECONDS = 8.0
"""What measuring neighbors and layout takes."""

_LATER_SECONDS = 4.0
"""Of starting, what comes later in a job: workers, decoders, UMAP."""

_UNKNOWN = typical_rates(next(iter(KNOWN_MODELS.values())), None, 0.0)
"""Before anything is measured."""


def measure(
    sources: Mapping[str, Source],
    sample: Mapping[str, Sequence[Entry]],
    listing_seconds: float,
    settings: EmbedSettings,
    device: Device,
    k: int,
    start: float,
    is_enough: Callable[[Rates, float], bool],
    progress: Progress,
) -> Rates:
    """Embed a sample of images, and compare and lay out made-up embeddings, in a folder that is removed again.

    Args:
        sources: the datasets.
        sample: some of their images, in any order.
        listing_seconds: of all images.
        settings: of the network.
        device: where it computes.
        k: neighbors kept per image.
        start: when the plan was begun, by `time.perf_counter`.
        is_enough: tells, given the rates so far, whether so many more seconds of measuring would not pay.
        progress: shows the work.
    """
    prepare_worker(settings, device)
    started = time.perf_counter() - start
    with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
        scratch = Path(folder)
        rates = replace(_UNKNOWN, start_seconds=started + _LATER_SECONDS, listing_seconds=listing_seconds)
        with progress.task("sample: embedding", sum(map(len, sample.values())), "image") as task:
            for so_far in _embed_sample(scratch / "sample", sources, sample, settings, device, rates, task):
                rates, following = so_far
                if is_enough(rates, following / rates.images_per_second):
                    break
        # UMAP compiles for some seconds when it is first used.
        if is_enough(rates, _GRAPH_SECONDS):
            return rates
        channels = max(embedding_lengths(settings).values())
        with progress.task("sample: neighbors and layout", 2, "size") as task:
            for rows in (_WARM_ROWS, _ROWS):
                neighbor_seconds, layout_seconds = _measure_graph_and_layout(
                    scratch / str(rows), rows, channels, device, k
                )
                task.advance(1)
    return replace(rates, rows=2 * _ROWS, neighbor_seconds=neighbor_seconds, layout_seconds=layout_seconds)


def _embed_sample(
    folder: Path,
    sources: Mapping[str, Source],
    sample: Mapping[str, Sequence[Entry]],
    settings: EmbedSettings,
    device: Device,
    rates: Rates,
    task: Task,
) -> Iterator[tuple[Rates, int]]:
    """Embed a sample in ever larger parts; after each but the first, yield rates and how large the next part is."""
    # A full batch of a large network may take as long as a small job: the first two are small.
    sizes = [_BATCH, _BATCH, *(min(device.batch_images * 2**power, _MAX_PART) for power in range(10))]
    small = replace(device, batch_images=_BATCH) if isinstance(device, Cpu) else device
    lengths = embedding_lengths(settings)
    entries = [(name, entry) for turn in zip_longest(*_named(sample)) for name, entry in filter(None, turn)]
    first, blocks, seconds, index_bytes = 0, list[BlockDone](), 0.0, 0
    for number, size in enumerate(chain(sizes, repeat(_MAX_PART))):
        part = entries[first : first + size]
        if not part:
            return
        if number == 2 and len(part) == size:
            # Full batches say more than small ones.
            blocks, seconds = [], 0.0
        for name in dict.fromkeys(name for name, _ in part):
            own = [entry for of, entry in part if of == name]
            run = RunStore(
                folder / f"{first}", RunRecord.of_embeddings({name: len(own)}, lengths, block_rows=_MAX_PART)
            )
            write_index(run, name, own, sources[name].columns)
            index_bytes += index_path(run.path, name).stat().st_size
            create_pyramid(run, name, lengths)
            began = time.perf_counter()
            done = embed_block(
                Block(
                    run=run,
                    dataset=name,
                    number=0,
                    start=0,
                    stop=len(own),
                    source=sources[name],
                    settings=settings,
                    device=small if number < 2 else device,
                    processes_per_host=0,
                )
            )
            task.advance(done.rows, done.rejected)
            # During the first part decoders start, and the network picks its algorithms.
            if first or len(entries) <= _BATCH:
                blocks.append(done)
                seconds += time.perf_counter() - began
        first += len(part)
        if blocks:
            following = sizes[number + 1] if number + 1 < len(sizes) else _MAX_PART
            yield _rates(rates, blocks, seconds, index_bytes / first), min(following, len(entries) - first)


def _named(sample: Mapping[str, Sequence[Entry]]) -> list[list[tuple[str, Entry]]]:
    return [[(name, entry) for entry in entries] for name, entries in sample.items()]


def _rates(rates: Rates, done: Sequence[BlockDone], seconds: float, index_bytes: float) -> Rates:
    images = sum(block.rows for block in done)
    spent = {what: sum(block.seconds.get(what, 0.0) for block in done) for what in ("read", "decode", "model", "write")}
    waited = sum(block.seconds.get("wait", 0.0) for block in done)
    in_threads = max(spent["read"] + spent["decode"], 1e-9)
    shares = spent | {what: waited * spent[what] / in_threads for what in ("read", "decode")}
    return replace(
        rates,
        images=images,
        images_per_second=images / seconds,
        limit=max(shares, key=lambda what: shares[what]),
        index_bytes=index_bytes,
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


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
