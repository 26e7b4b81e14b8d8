"""What a worker does: one block of images becomes one shard of every level."""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.cluster.launch import BLOCKS_AT_A_TIME
from gapscope.decode.picture import Picture
from gapscope.device import Device
from gapscope.device.protocol import Network
from gapscope.pyramid.network import embedding_lengths, load_pyramid
from gapscope.settings import EmbedSettings
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.stages.clock import Clock
from gapscope.stages.thumbnails import BlockThumbnails
from gapscope.store.cache import Cached
from gapscope.store.changes import TRIED_AGAIN
from gapscope.store.index import read_image_stats, read_rows, write_image_stats
from gapscope.store.pyramid import mark_done, read_embeddings, write_embeddings

Embeddings = dict[str, NDArray[np.float16]]

_READERS = 16
_BATCHES_AHEAD = 2
_blocks = threading.BoundedSemaphore(BLOCKS_AT_A_TIME)
_network_free, _loading = threading.Lock(), threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Block:
    """One unit of work.

    Attributes:
        run: the run's folder.
        dataset: the dataset's name.
        number: the block's number within the dataset.
        start: its first row.
        stop: the row after its last.
        source: where the images are.
        settings: how to embed them.
        device: on what.
        processes_per_host: worker processes that share this machine's cores; 0 where it is the caller's own
            process, whose number of torch threads is left as it is.
        cached: where another run has left the embeddings; None where none has.
        thumbnails: share of the dataset's images of which the report keeps small pictures.
    """

    run: Path
    dataset: str
    number: int
    start: int
    stop: int
    source: Source
    settings: EmbedSettings
    device: Device
    processes_per_host: int
    cached: Cached | None = None
    thumbnails: float = 0.0


@dataclass(frozen=True)
class BlockDone:
    """What travels back.

    Attributes:
        rows: rows that were looked at.
        rejected: how many of them were rejected.
        worker: host and process.
        seconds: `wait` for images, in which threads `read` and `decode`, then `model` and `write`.
        busy: how busy the GPU was, 0 to 1; None without one.
        decode_fallback_reason: why the CPU decoded what the GPU should have; empty where it did not.
    """

    rows: int
    rejected: int
    worker: str
    seconds: dict[str, float]
    busy: float | None
    decode_fallback_reason: str = ""


def prepare_worker(settings: EmbedSettings, device: Device) -> None:
    """Set up the network that blocks will ask for."""
    with _loading:
        _network(settings, device)


def embed_block(block: Block) -> BlockDone:
    """Read, decode and embed a block's images, and write first its shard, then its rows' facts, then its flag."""
    clock = Clock()
    with _blocks:
        cores = len(os.sched_getaffinity(0))
        threads = max(1, cores // max(1, block.processes_per_host))
        if block.processes_per_host:
            # Dask gives its processes one thread each, however many cores there are.
            torch.set_num_threads(threads)
        with _loading:
            network = _network(block.settings, block.device)
        entries = read_rows(block.run, block.dataset, block.start, block.stop)
        # Rows that an earlier run embedded stay as they are.
        facts = read_image_stats(block.run, block.dataset, block.start, block.stop)
        embeddings = _kept(block, entries)
        waiting = [row for row, entry in enumerate(entries) if entry.status != "ok"]
        if block.cached is not None:
            waiting = _not_cached(block, block.cached, waiting, facts, embeddings)
        thumbnails = BlockThumbnails(block.run, block.dataset, block.number, block.start, entries, block.thumbnails)
        with ThreadPoolExecutor(max(threads, _READERS)) as pool:
            batches = _decoded(block, entries, waiting, thumbnails, pool, _decoding(threads), clock)
            for batch in _embedded(block, network, batches, clock):
                with clock.timing("model"):
                    _keep(batch, facts, embeddings)
        with clock.timing("write"):
            thumbnails.write()
            write_embeddings(block.run, block.dataset, block.start, embeddings)
            write_image_stats(block.run, block.dataset, block.number, facts)
            mark_done(block.run, block.dataset, block.number)
    return BlockDone(
        rows=len(facts),
        rejected=sum(fact["status"] != "ok" for fact in facts),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        seconds=clock.seconds,
        busy=block.device.busy(),
        decode_fallback_reason=block.device.decode_fallback_reason(),
    )


# One network per worker process; another run in the same process takes its place.
@lru_cache(maxsize=1)
def _network(settings: EmbedSettings, device: Device) -> Network:
    return device.prepare_network(load_pyramid(settings), settings.speedups)


# Reading may wait for a network, decoding keeps a core busy.
@lru_cache
def _decoding(threads: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(threads)


def _kept(block: Block, entries: Sequence[Entry]) -> Embeddings:
    """Return (rows, length) per level, NaN but for rows that were embedded before."""
    embeddings = {
        level: np.full((len(entries), length), np.nan, np.float16)
        for level, length in embedding_lengths(block.settings).items()
    }
    kept = [row for row, entry in enumerate(entries) if entry.status == "ok"]
    if kept:
        for level, values in embeddings.items():
            values[kept] = read_embeddings(block.run, block.dataset, level, block.start, block.stop)[kept]
    return embeddings


def _not_cached(
    block: Block,
    cached: Cached,
    waiting: list[int],
    facts: list[dict[str, Any]],
    embeddings: Embeddings,
) -> list[int]:
    """Take over what another run found of the waiting rows; return those that it could not read, but this one may."""
    found = cached.facts(block.start, block.stop)
    taken = [row for row in waiting if found[row]["status"] not in TRIED_AGAIN]
    for row in taken:
        facts[row] = found[row]
    for level, values in embeddings.items():
        values[taken] = cached.embeddings(level, block.start, block.stop)[taken]
    return [row for row in waiting if found[row]["status"] in TRIED_AGAIN]


@dataclass(frozen=True)
class _Batch:
    """Some images of a block, and what is found of them as it is found.

    Attributes:
        rows: (n,) their rows within the block.
        pixels: (batch, size, size, 3), one image per place; what lies behind the last row means nothing.
        outcomes: for each row what decoding gives, which is in `pixels` by then.
        found: waits for the network and gives (batch, length) per level.
    """

    rows: Sequence[int]
    pixels: NDArray[np.uint8]
    outcomes: "list[Future[Picture | Rejected]]"
    found: Callable[[], dict[str, NDArray[np.float32]]] = dict


def _decoded(
    block: Block,
    entries: Sequence[Entry],
    waiting: Sequence[int],
    thumbnails: BlockThumbnails,
    pool: ThreadPoolExecutor,
    decoding: threading.BoundedSemaphore,
    clock: Clock,
) -> Iterator[_Batch]:
    """Yield the images that wait to be embedded, decoding ahead of them by a bounded number of batches."""
    side, size = block.settings.preprocess.size, block.device.batch_images
    ahead: deque[_Batch] = deque()
    for first in range(0, len(waiting), size):
        rows = waiting[first : first + size]
        # Always a full batch: libraries choose their algorithms by shape and number of threads, and an image's
        # embedding would depend, in its last bits, on how many share its batch.
        pixels = block.device.buffer((size, side, side, 3))
        pixels[len(rows) :] = 0
        places = zip(rows, pixels, strict=False)
        outcomes = [pool.submit(_look_at, block, entries[row], at, thumbnails, decoding, clock) for row, at in places]
        ahead.append(_Batch(rows, pixels, outcomes))
        if len(ahead) > _BATCHES_AHEAD:
            yield ahead.popleft()
    yield from ahead


def _look_at(
    block: Block,
    entry: Entry,
    slot: NDArray[np.uint8],
    thumbnails: BlockThumbnails,
    decoding: threading.BoundedSemaphore,
    clock: Clock,
) -> Picture | Rejected:
    try:
        if entry.status != "listed":
            raise Rejected(entry.status, entry.error)
        with clock.timing("read"):
            data = block.source.read(entry)
        with decoding, clock.timing("decode"):
            picture = block.device.decode(data, block.settings.preprocess, entry.box, thumbnail=thumbnails.side(entry))
    except Rejected as rejected:
        slot[...] = 0
        return rejected
    slot[...] = picture.pixels
    thumbnails.keep(entry, picture)
    return picture


def _embedded(block: Block, network: Network, batches: Iterator[_Batch], clock: Clock) -> Iterator[_Batch]:
    """Send every batch through the network; the next one follows before the last is waited for."""
    under_way: _Batch | None = None
    for batch in batches:
        sent = _sent(block, network, batch, clock)
        if under_way is not None:
            yield under_way
        under_way = sent
    if under_way is not None:
        yield under_way


def _sent(block: Block, network: Network, batch: _Batch, clock: Clock) -> _Batch:
    pictures = list(clock.waits("wait", (outcome.result() for outcome in batch.outcomes)))
    if not any(isinstance(picture, Picture) for picture in pictures):
        return batch
    with _network_free, clock.timing("model"):
        return replace(batch, found=block.device.embed(network, batch.pixels, block.settings.precision))


def _keep(batch: _Batch, facts: list[dict[str, Any]], embeddings: Embeddings) -> None:
    outcomes = [outcome.result() for outcome in batch.outcomes]
    for row, outcome in zip(batch.rows, outcomes, strict=True):
        facts[row] = _fact(outcome)
    with np.errstate(over="ignore"):
        halves = {level: values[: len(outcomes)].astype(np.float16) for level, values in batch.found().items()}
    if not halves:
        return
    shown = np.array([isinstance(outcome, Picture) for outcome in outcomes])
    finite = np.all([np.isfinite(values).all(axis=1) for values in halves.values()], axis=0)
    rows = np.array(batch.rows)
    for level, values in halves.items():
        embeddings[level][rows[shown & finite]] = values[shown & finite]
    for row in rows[shown & ~finite]:
        facts[row] |= {"status": "not-finite", "error": "the network answers with NaN or infinity"}


def _fact(outcome: Picture | Rejected) -> dict[str, Any]:
    if isinstance(outcome, Rejected):
        return {"status": outcome.status, "error": outcome.error}
    channels = ("red", "green", "blue")
    return {
        "encoded_bytes": outcome.bytes,
        "format": outcome.format,
        "width": outcome.width,
        "height": outcome.height,
        "jpeg_quality": outcome.jpeg_quality,
        **{f"mean_{channel}": value for channel, value in zip(channels, outcome.mean, strict=True)},
        **{f"std_{channel}": value for channel, value in zip(channels, outcome.std, strict=True)},
        "sharpness": outcome.sharpness,
        "status": "ok",
        "error": "",
    }
