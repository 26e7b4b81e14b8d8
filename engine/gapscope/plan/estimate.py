"""Extrapolates the time, disk and memory of a whole job from rates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from gapscope.neighbors.partition import PARTITION_FROM
from gapscope.plan.rates import Rates

PAGE_IMAGES = 50_000
"""Maximum number of images that the report draws and shows thumbnails of."""

_PER_NEIGHBOR_BYTES = 12
"""Bytes per stored neighbor: a float32 distance and an int64 index."""

_GRAPH_COPIES = 4
"""Copies of its neighbor graph that a layout holds: as it is read, in both directions, as weights, and sorted."""

_GRAPH_NEIGHBORS = 15
_LANDMARKS = 250_000
"""Images that UMAP lays out of a million and more; on a GPU they are a million."""
_SEARCHED_ROWS = 2**18
"""Images that a job of a search in parts takes."""
_PART_GROWTH = 0.2
"""By which power of the number of images the work per image of a search in parts grows, from a million on."""
_SHARD_COPIES = 2

# Estimated from runs of 683 and of 60,000 images on two cores.
_SEARCH_SECONDS = 0.03
"""Of a search for neighbors, whatever its size, per level, ordered pair and reading."""
_PAIR_SECONDS = 0.42
_COMPARED_SECONDS = 1.0e-4
"""Of a comparison, per level and ordered pair, and per level and image."""
_PAGE_SECONDS, _SHOWN_SECONDS = 2.5, 4.3e-4
"""Of the page, and per image that it shows."""
_HEAT_MAPS = 0.1
"""Share of the time of embedding that heat maps may take."""

_TYPICAL = "estimated from runs on two cores"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The estimated cost of one stage.

    Attributes:
        name: the stage's name in a run.
        seconds: wall time on the whole cluster.
        disk_bytes: what it adds to the run; None if that is small or not known.
        memory_bytes: peak of the process that needs most; None if that is small.
        how: how the seconds were estimated, for the reader.
    """

    name: str
    seconds: float
    disk_bytes: int | None
    memory_bytes: int | None
    how: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The estimated cost of a whole job.

    Attributes:
        images: dataset name to number of images listed.
        stages: the stages in the order in which they run.
        device: description of the device that was measured; empty where nothing was.
        workers: number of workers that embed.
        limit: bottleneck of embedding: `read`, `decode`, `model` or `write`.
        images_per_second: embedding rate of one worker.
        price_per_hour: price of one worker, in any currency; None if no price was given.
        planning_seconds: what making the plan took.
    """

    images: Mapping[str, int]
    stages: tuple[Stage, ...]
    device: str
    workers: int
    limit: str
    images_per_second: float
    price_per_hour: float | None
    planning_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Return the total time; stages run one after the other."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def slowest(self) -> Stage:
        """Return the stage that takes longest."""
        return max(self.stages, key=lambda stage: stage.seconds)

    @property
    def cost(self) -> float | None:
        """Return the price of all workers for the total time; None if no price was given."""
        return None if self.price_per_hour is None else self.seconds / 3600 * self.workers * self.price_per_hour


def estimate(
    images: Mapping[str, int],
    channels: Mapping[str, int],
    rates: Rates,
    k: int,
    block_rows: int,
    workers: int,
    readings: int = 1,
) -> tuple[Stage, ...]:
    """Estimate the stages of a job.

    Args:
        images: dataset name to number of images.
        channels: level to dimensions of an embedding.
        rates: measured on a sample, or typical.
        k: neighbors kept per image and ordered pair of datasets.
        block_rows: images per block.
        workers: number of workers that embed.
        readings: number of readings, each of which searches neighbors once.

    Returns:
        The stages in the order in which they run.
    """
    total, levels, names = sum(images.values()), len(channels), list(images)
    # Embeddings are float16: two bytes per channel.
    embedding_bytes = 2 * sum(channels.values())
    # Exact search computes the distance of every query image to every reference image.
    distances = sum(images[query] * images[reference] for query, reference in product(names, names))
    measured_rows = f"measured on {rates.rows:,} made-up embeddings" if rates.rows else _TYPICAL
    searched_seconds, searched = (
        rates.neighbor_seconds * distances,
        f"{measured_rows}, as the product of the datasets' sizes",
    )
    laid_out, held_rows = total, max(images.values())
    if total >= PARTITION_FROM:
        growth = (total / PARTITION_FROM) ** _PART_GROWTH
        searched_seconds = rates.part_seconds * total * len(names) * growth / workers
        held_rows = _SEARCHED_ROWS
        searched, laid_out = f"{_TYPICAL}: in parts, whose work grows a little faster", min(total, _LANDMARKS)
    graph_bytes = total * len(names) * levels * k * _PER_NEIGHBOR_BYTES * readings
    mean_channels = sum(channels.values()) / levels
    pairs, searches = len(names) * (len(names) - 1), len(names) ** 2 * levels * readings
    page_images = min(total, PAGE_IMAGES)
    embedding_seconds = total / rates.images_per_second / workers
    measured_images = f"measured on {rates.images} images" if rates.images else _TYPICAL
    return (
        Stage(
            name="starting",
            seconds=rates.start_seconds,
            disk_bytes=None,
            memory_bytes=None,
            how="libraries, network and workers",
        ),
        Stage(
            name="listing",
            seconds=rates.listing_seconds,
            disk_bytes=round(rates.index_bytes * total),
            memory_bytes=None,
            how="measured: every image was listed",
        ),
        Stage(
            name="embedding",
            seconds=embedding_seconds,
            disk_bytes=total * embedding_bytes,
            memory_bytes=rates.memory_bytes + _SHARD_COPIES * block_rows * embedding_bytes,
            how=f"{measured_images}, in proportion",
        ),
        Stage(
            name="neighbors",
            seconds=searched_seconds * mean_channels * levels * readings + searches * _SEARCH_SECONDS,
            disk_bytes=graph_bytes,
            memory_bytes=held_rows * k * _PER_NEIGHBOR_BYTES,
            how=searched,
        ),
        Stage(
            name="layout",
            seconds=levels
            * (
                rates.layout_seconds * laid_out * math.log(max(laid_out, 2))
                + rates.placed_seconds * (total - laid_out) / workers
            ),
            disk_bytes=total * levels * 16,
            memory_bytes=laid_out * _GRAPH_NEIGHBORS * _PER_NEIGHBOR_BYTES * _GRAPH_COPIES,
            how=f"{measured_rows}, as n log n" + (f" of {laid_out:,} landmarks" if laid_out < total else ""),
        ),
        Stage(
            name="comparison",
            seconds=levels * (pairs * _PAIR_SECONDS + total * _COMPARED_SECONDS),
            disk_bytes=None,
            memory_bytes=None,
            how=f"{_TYPICAL}, in proportion",
        ),
        Stage(
            name="report",
            seconds=_PAGE_SECONDS + page_images * _SHOWN_SECONDS + _HEAT_MAPS * embedding_seconds,
            disk_bytes=None,
            memory_bytes=None,
            how=f"{_TYPICAL}; it shows {page_images:,} images",
        ),
    )
