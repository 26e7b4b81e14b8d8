"""What a worker does: it turns one block of images into one shard of every level."""

import os
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gapscope.cluster.launch import BLOCKS_AT_A_TIME
from gapscope.compare.appearance import STATS, odd_looks
from gapscope.decode.picture import Picture
from gapscope.device import Device
from gapscope.device.cores import share_cores
from gapscope.device.protocol import Network
from gapscope.pyramid.model import Model
from gapscope.pyramid.models import add_model
from gapscope.pyramid.network import embedding_lengths, load_pyramid
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.stages.clock import Clock
from gapscope.stages.thumbnails import BlockThumbnails
from gapscope.store.cache import Cached
from gapscope.store.changes import TRIED_AGAIN
from gapscope.store.image_stats import ImageStats, write_image_stats
from gapscope.store.index import IMAGE_STATS, entries_of, read_block_rows
from gapscope.store.pyramid import mark_done, read_embeddings, write_embeddings
from gapscope.store.run_store import RunStore

Embeddings = dict[str, NDArray[Any]]
"""(rows, length) per level, of the rows of a block."""

_READERS = 16
_BATCHES_AHEAD = 2
_blocks = threading.BoundedSemaphore(BLOCKS_AT_A_TIME)
_network_lock, _load_lock = threading.Lock(), threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Block:
    """One unit of work.

    Attributes:
        run: the run.
        dataset: the dataset's name.
        number: the block's number within the dataset.
        start: its first row.
        stop: the row after its last.
        source: of the dataset's images; None where it has vectors alone.
        settings: how to embed them; without levels, there is no network, and images are decoded for their pictures.
        device: where to embed them.
        processes_per_host: worker processes that share this machine's cores; 0 where it is the caller's own
            process, whose number of torch threads is left as it is.
        cached: where another run has left the embeddings; None where none has.
        thumbnails: share of the dataset's images of which the report keeps thumbnails.
        brought: the levels whose vectors the run has of the block already.
    """

    run: RunStore
    dataset: str
    number: int
    start: int
    stop: int
    source: Source | None
    settings: EmbedSettings
    device: Device
    processes_per_host: int
    cached: Cached | None = None
    thumbnails: float = 0.0
    brought: tuple[str, ...] = ()

    @cached_property
    def preprocess(self) -> Preprocess:
        """How an image of the block becomes the square that the network sees."""
        return self.run.record.with_ranges(self.settings.preprocess, self.dataset)


@dataclass(frozen=True)
class BlockDone:
    """What a worker returns of a block.

    Attributes:
        rows: rows of the block.
        rejected: how many of them were rejected.
        worker: host and process.
        seconds: `wait` for images, in which threads `read` and `decode`, then `model` and `write`.
        utilization: how busy the GPU was, 0 to 1; None without one.
        decode_fallback_reason: why the CPU decoded what the GPU should have; empty where it did not.
        oddities: of a dataset's first block, in words, what is odd about many of its pictures.
        without_picture: how many rows have a vector, and an image that cannot be read.
    """

    rows: int
    rejected: int
    worker: str
    seconds: dict[str, float]
    utilization: float | None
    decode_fallback_reason: str = ""
    oddities: tuple[str, ...] = ()
    without_picture: int = 0


def prepare_worker(settings: EmbedSettings, device: Device, model: Model | None = None) -> None:
    """Load the network that blocks will ask for, if there is one; `model` is one that a program made, if it is that."""
    if model is not None:
        add_model(model)
    if settings.levels:
        with _load_lock:
            _network(settings, device)


def release_worker(device: Device) -> None:
    """Forget the network that blocks used, and give its memory back."""
    with _load_lock:
        _network.cache_clear()
    device.release_memory()


def embed_block(block: Block) -> BlockDone:
    """Read, decode and embed a block's images; write its shard, then its image stats, then its flag."""
    clock = Clock()
    with _blocks:
        threads = share_cores(block.processes_per_host)
        network = None
        if block.settings.levels:
            with _load_lock:
                network = _network(block.settings, block.device)
        rows = read_block_rows(block.run, block.dataset, block.start, block.stop)
        entries = entries_of(rows)
        # Rows that an earlier command embedded stay as they are.
        stats = cast("list[ImageStats]", rows.select(IMAGE_STATS.names).to_pylist())
        embeddings = _existing_embeddings(block, entries)
        pending = [row for row, entry in enumerate(entries) if entry.status != "ok"]
        if block.cached is not None:
            pending = _take_cached(block, block.cached, pending, stats, embeddings)
        thumbnails = BlockThumbnails(block.run, block.dataset, block.number, block.start, entries, block.thumbnails)
        if block.source is None:
            gone: ImageStats = {"status": "removed", "error": "not in its source any more"}
            stats = [gone if entry.status == "removed" else {"status": "ok", "error": ""} for entry in entries]
            pending = []
        with ThreadPoolExecutor(max(threads, _READERS)) as pool:
            decoding = _Decoding(block, entries, thumbnails, pool, _decoding_slots(threads), clock)
            for batch in _embedded(block, network, decoding.batches(pending), clock):
                with clock.timing("model"):
                    _store_batch(batch, stats, embeddings)
        if block.brought:
            _settle_brought(block, entries, stats, embeddings)
        with clock.timing("write"):
            thumbnails.write()
            write_embeddings(block.run, block.dataset, block.start, embeddings)
            write_image_stats(block.run, block.dataset, block.number, stats)
            mark_done(block.run, block.dataset, block.number)
    return BlockDone(
        rows=len(stats),
        rejected=sum(row["status"] != "ok" for row in stats),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        seconds=clock.seconds,
        utilization=block.device.utilization(),
        decode_fallback_reason=block.device.decode_fallback_reason(),
        oddities=_oddities(block, entries, stats) if block.number == 0 and block.source is not None else (),
        without_picture=sum(row["status"] == "ok" and bool(row["error"]) for row in stats),
    )


def _settle_brought(block: Block, entries: Sequence[Entry], stats: list[ImageStats], embeddings: Embeddings) -> None:
    """Add the vectors that the run has of a block to its embeddings, and settle what becomes of its rows.

    Where nothing is embedded, an image that cannot be read costs a row its picture alone. A row without a vector is
    rejected, and a rejected row has no vector.
    """
    brought = {
        level: read_embeddings(block.run, block.dataset, level, block.start, block.stop) for level in block.brought
    }
    finite = np.all([np.isfinite(values).all(axis=1) for values in brought.values()], axis=0)
    for row, entry in enumerate(entries):
        if entry.status == "removed":
            continue
        if not block.settings.levels and stats[row]["status"] != "ok":
            picture = f"no picture ({stats[row]['status']}: {stats[row]['error']})"
            stats[row] = {"status": "ok", "error": picture}
        if not finite[row] and stats[row]["status"] == "ok":
            stats[row] = {"status": "not-finite", "error": "its vector is missing, or holds NaN or infinity"}
    embeddings |= brought
    lost = [row for row, own in enumerate(stats) if own["status"] != "ok"]
    for values in embeddings.values():
        values[lost] = np.nan


def _oddities(block: Block, entries: Sequence[Entry], stats: Sequence[ImageStats]) -> tuple[str, ...]:
    """Return in words what is odd about a block: pictures that look odd, or more rejected than read."""
    read = [row for row, own in enumerate(stats) if own["status"] == "ok"]
    if 2 * len(read) < len(stats):
        rejected = [row for row, own in enumerate(stats) if own["status"] != "ok"]
        commonest = Counter(stats[row]["status"] for row in rejected).most_common(1)[0][0]
        example = next(row for row in rejected if stats[row]["status"] == commonest)
        count = f"{len(rejected):,} of {len(stats):,} images of {block.dataset} cannot be read"
        return (f"{count}; most are {commonest} ({entries[example].uri}: {stats[example]['error']})",)
    # A row of vectors whose image cannot be read has no picture.
    read = [row for row in read if stats[row].get(STATS[0]) is not None]
    if not read:
        return ()
    looks = odd_looks(np.array([[cast("float", stats[row][name]) for name in STATS] for row in read]))  # type: ignore[literal-required]
    return tuple(odd.describe(block.dataset, entries[read[odd.rows[0]]].uri) for odd in looks)


# One network per worker process; another run in the same process replaces it.
@lru_cache(maxsize=1)
def _network(settings: EmbedSettings, device: Device) -> Network:
    return device.prepare_network(load_pyramid(settings), settings.speedups)


# Reading may wait for a network, decoding keeps a core busy.
@lru_cache
def _decoding_slots(threads: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(threads)


def _existing_embeddings(block: Block, entries: Sequence[Entry]) -> Embeddings:
    """Return embeddings that are NaN except for rows that were embedded before."""
    embeddings = {
        level: np.full((len(entries), length), np.nan, np.float16)
        for level, length in (embedding_lengths(block.settings).items() if block.settings.levels else ())
    }
    embedded = [row for row, entry in enumerate(entries) if entry.status == "ok"]
    if embedded:
        for level, values in embeddings.items():
            saved = read_embeddings(block.run, block.dataset, level, block.start, block.stop)
            values[embedded] = saved[embedded]
    return embeddings


def _take_cached(
    block: Block, cached: Cached, pending: list[int], stats: list[ImageStats], embeddings: Embeddings
) -> list[int]:
    """Take over what another run has of the pending rows; return those that it could not read, but this one may."""
    saved = cached.image_stats(block.start, block.stop)
    taken = [row for row in pending if saved[row]["status"] not in TRIED_AGAIN]
    for row in taken:
        stats[row] = saved[row]
    for level, values in embeddings.items():
        values[taken] = cached.embeddings(level, block.start, block.stop)[taken]
    return [row for row in pending if saved[row]["status"] in TRIED_AGAIN]


@dataclass(frozen=True)
class _Batch:
    """Some images of a block, on their way through decoding and the network.

    Attributes:
        rows: (n,) their rows within the block.
        pixels: (batch, size, size, 3); what lies behind the last row means nothing.
        outcomes: for each row the result of decoding, which is in `pixels` by then.
        wait: waits for the network and returns (batch, length) per level.
    """

    rows: Sequence[int]
    pixels: NDArray[np.uint8]
    outcomes: "list[Future[Picture | Rejected]]"
    wait: Callable[[], dict[str, NDArray[np.float32]]] = dict


@dataclass(frozen=True)
class _Decoding:
    """Reads and decodes a block's images in threads, ahead of the network by a bounded number of batches."""

    block: Block
    entries: Sequence[Entry]
    thumbnails: BlockThumbnails
    pool: ThreadPoolExecutor
    slots: threading.BoundedSemaphore
    clock: Clock

    def batches(self, rows: Sequence[int]) -> Iterator[_Batch]:
        """Yield the images of some rows in batches."""
        side, size = self.block.settings.preprocess.size, self.block.device.batch_images
        ahead: deque[_Batch] = deque()
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            # Always a full batch: libraries choose their algorithms by shape and number of threads, and an image's
            # embedding would depend, in its last bits, on how many share its batch.
            pixels = self.block.device.allocate_batch((size, side, side, 3))
            pixels[len(part) :] = 0
            slots = zip(part, pixels, strict=False)
            outcomes = [self.pool.submit(self._decode, self.entries[row], slot) for row, slot in slots]
            ahead.append(_Batch(part, pixels, outcomes))
            if len(ahead) > _BATCHES_AHEAD:
                yield ahead.popleft()
        yield from ahead

    def _decode(self, entry: Entry, slot: NDArray[np.uint8]) -> Picture | Rejected:
        block = self.block
        try:
            if entry.status != "listed":
                raise Rejected(entry.status, entry.error)
            with self.clock.timing("read"):
                data = cast("Source", block.source).read(entry)
            with self.slots, self.clock.timing("decode"):
                side = self.thumbnails.side(entry)
                picture = block.device.decode(data, block.preprocess, entry.box, thumbnail=side)
        except Rejected as rejected:
            slot[...] = 0
            return rejected
        slot[...] = picture.pixels
        self.thumbnails.keep(entry, picture)
        return picture


def _embedded(block: Block, network: Network | None, batches: Iterator[_Batch], clock: Clock) -> Iterator[_Batch]:
    """Send every batch through the network; the next one is sent before the result of the last is waited for."""
    previous: _Batch | None = None
    for batch in batches:
        sent = _send(block, network, batch, clock)
        if previous is not None:
            yield previous
        previous = sent
    if previous is not None:
        yield previous


def _send(block: Block, network: Network | None, batch: _Batch, clock: Clock) -> _Batch:
    pictures = list(clock.waits("wait", (outcome.result() for outcome in batch.outcomes)))
    if network is None or not any(isinstance(picture, Picture) for picture in pictures):
        return batch
    with _network_lock, clock.timing("model"):
        return replace(batch, wait=block.device.embed(network, batch.pixels, block.settings.precision))


def _store_batch(batch: _Batch, stats: list[ImageStats], embeddings: Embeddings) -> None:
    outcomes = [outcome.result() for outcome in batch.outcomes]
    for row, outcome in zip(batch.rows, outcomes, strict=True):
        stats[row] = _image_stats(outcome)
    with np.errstate(over="ignore"):
        halves = {level: values[: len(outcomes)].astype(np.float16) for level, values in batch.wait().items()}
    if not halves:
        return
    decoded = np.array([isinstance(outcome, Picture) for outcome in outcomes])
    finite = np.all([np.isfinite(values).all(axis=1) for values in halves.values()], axis=0)
    rows = np.array(batch.rows)
    for level, values in halves.items():
        embeddings[level][rows[decoded & finite]] = values[decoded & finite]
    for row in rows[decoded & ~finite]:
        stats[row] |= {"status": "not-finite", "error": "the network answers with NaN or infinity"}


def _image_stats(outcome: Picture | Rejected) -> ImageStats:
    if isinstance(outcome, Rejected):
        return {"status": outcome.status, "error": outcome.error}
    return {
        "encoded_bytes": outcome.bytes,
        "format": outcome.format,
        "width": outcome.width,
        "height": outcome.height,
        "jpeg_quality": outcome.jpeg_quality,
        "mean_red": outcome.mean[0],
        "mean_green": outcome.mean[1],
        "mean_blue": outcome.mean[2],
        "std_red": outcome.std[0],
        "std_green": outcome.std[1],
        "std_blue": outcome.std[2],
        "sharpness": outcome.sharpness,
        "damage": outcome.damage or None,
        "status": "ok",
        "error": "",
    }
