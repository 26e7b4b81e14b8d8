"""What a worker does: one block of images becomes one shard of every level."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.decode.picture import Picture
from gapscope.device import Device
from gapscope.pyramid.models import find_model
from gapscope.pyramid.network import Pyramid, load_pyramid
from gapscope.pyramid.thumbnails import BlockThumbnails
from gapscope.rejects import Rejected
from gapscope.settings import EmbedSettings
from gapscope.sources import Entry, Source
from gapscope.store.index import read_facts, read_rows, write_facts
from gapscope.store.pyramid import mark_done, read_embeddings, write_embeddings

_READERS = 16
_one_block_at_a_time = threading.Lock()


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
        sharing: worker processes on this machine that share its cores; 0 where it is the caller's own process, whose
            number of torch threads is left as it is.
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
    sharing: int
    thumbnails: float = 0.0


@dataclass(frozen=True)
class BlockDone:
    """What travels back: how many rows were looked at, and how many of them rejected."""

    rows: int
    rejected: int


def embed_block(block: Block) -> BlockDone:
    """Read, decode and embed a block's images, and write first its shard, then its rows' facts, then its flag."""
    with _one_block_at_a_time:
        cores = len(os.sched_getaffinity(0))
        threads = max(1, cores // max(1, block.sharing))
        if block.sharing:
            # Dask gives its processes one thread each, however many cores there are.
            torch.set_num_threads(threads)
        pyramid = _pyramid(block.settings, block.device)
        entries = read_rows(block.run, block.dataset, block.start, block.stop)
        # Rows that an earlier run embedded stay as they are.
        facts = read_facts(block.run, block.dataset, block.start, block.stop)
        embeddings = _kept(block, entries)
        waiting = [row for row, entry in enumerate(entries) if entry.status != "ok"]
        thumbnails = BlockThumbnails(block.run, block.dataset, block.number, block.start, entries, block.thumbnails)
        # Reading may wait for a network, decoding keeps a core busy.
        decoding = BoundedSemaphore(threads)
        with ThreadPoolExecutor(max(threads, _READERS)) as pool:
            pictures = _looked_at(block, [entries[row] for row in waiting], pool, decoding, thumbnails)
            for number, batch in enumerate(_batches(pictures, block.device.batch_images)):
                first = number * block.device.batch_images
                _embed_batch(block, pyramid, batch, waiting[first : first + len(batch)], facts, embeddings)
        thumbnails.write()
        write_embeddings(block.run, block.dataset, block.start, embeddings)
        write_facts(block.run, block.dataset, block.number, facts)
        mark_done(block.run, block.dataset, block.number)
    return BlockDone(rows=len(facts), rejected=sum(fact["status"] != "ok" for fact in facts))


# One network per worker process; another run in the same process takes its place.
@lru_cache(maxsize=1)
def _pyramid(settings: EmbedSettings, device: Device) -> Pyramid:
    return device.place(load_pyramid(settings))


def _kept(block: Block, entries: Sequence[Entry]) -> dict[str, NDArray[np.float16]]:
    """Return (rows, channels) per level, NaN but for rows that were embedded before."""
    channels = {level.name: level.channels for level in find_model(block.settings.model).levels}
    embeddings = {
        level: np.full((len(entries), channels[level]), np.nan, np.float16) for level in block.settings.levels
    }
    kept = [row for row, entry in enumerate(entries) if entry.status == "ok"]
    if kept:
        for level, values in embeddings.items():
            values[kept] = read_embeddings(block.run, block.dataset, level, block.start, block.stop)[kept]
    return embeddings


def _look_at(block: Block, entry: Entry, decoding: BoundedSemaphore, thumbnails: BlockThumbnails) -> Picture | Rejected:
    if entry.status != "listed":
        return Rejected(entry.status, entry.error)
    try:
        data = block.source.read(entry)
        with decoding:
            picture = block.device.decode(data, block.settings.frame, entry.box, thumbnail=thumbnails.side(entry))
        thumbnails.keep(entry, picture)
        return picture
    except Rejected as rejected:
        return rejected


def _looked_at(
    block: Block,
    entries: Sequence[Entry],
    pool: ThreadPoolExecutor,
    decoding: BoundedSemaphore,
    thumbnails: BlockThumbnails,
) -> Iterator[Picture | Rejected]:
    # Decoding runs ahead of the network by a bounded number of pictures, whatever the block's size.
    ahead: deque[Future[Picture | Rejected]] = deque()
    for entry in entries:
        ahead.append(pool.submit(_look_at, block, entry, decoding, thumbnails))
        if len(ahead) > 2 * block.device.batch_images:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _batches(pictures: Iterator[Picture | Rejected], size: int) -> Iterator[list[Picture | Rejected]]:
    while batch := list(islice(pictures, size)):
        yield batch


def _embed_batch(
    block: Block,
    pyramid: Pyramid,
    batch: list[Picture | Rejected],
    rows: Sequence[int],
    facts: list[dict[str, Any]],
    embeddings: dict[str, NDArray[np.float16]],
) -> None:
    for row, outcome in zip(rows, batch, strict=True):
        facts[row] = _fact(outcome)
    shown = [(row, picture) for row, picture in zip(rows, batch, strict=True) if isinstance(picture, Picture)]
    if not shown:
        return
    # Always a full batch: libraries choose their algorithms by shape and number of threads, and an image's embedding
    # would depend, in its last bits, on who shares its batch.
    side = block.settings.frame.size
    pixels = np.zeros((block.device.batch_images, side, side, 3), np.uint8)
    np.stack([picture.pixels for _, picture in shown], out=pixels[: len(shown)])
    found = block.device.embed(pyramid, pixels, block.settings.precision)
    with np.errstate(over="ignore"):
        halves = {level: values[: len(shown)].astype(np.float16) for level, values in found.items()}
    finite = np.all([np.isfinite(values).all(axis=1) for values in halves.values()], axis=0)
    answered = np.array([row for row, _ in shown])
    for level, values in halves.items():
        embeddings[level][answered[finite]] = values[finite]
    for row in answered[~finite]:
        facts[row] |= {"status": "not-finite", "error": "the network answers with NaN or infinity"}


def _fact(outcome: Picture | Rejected) -> dict[str, Any]:
    if isinstance(outcome, Rejected):
        return {"status": outcome.status, "error": outcome.error}
    channels = ("red", "green", "blue")
    return {
        "format": outcome.format,
        "width": outcome.width,
        "height": outcome.height,
        "jpeg_quality": outcome.jpeg_quality,
        **{f"mean_{channel}": value for channel, value in zip(channels, outcome.mean, strict=True)},
        **{f"spread_{channel}": value for channel, value in zip(channels, outcome.spread, strict=True)},
        "status": "ok",
        "error": "",
    }
