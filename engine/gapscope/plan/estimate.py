"""From what was measured on a little to what much of it takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from gapscope.plan.measure import Measured

PAGE_IMAGES = 50_000
"""Most that the page draws, and shows thumbnails of."""

_PER_NEIGHBOR_BYTES = 12
_GRAPH_COPIES = 4
"""Of its neighbor graph that a layout works with: as it is read, in both directions, as weights, and sorted."""

_GRAPH_NEIGHBORS = 15
_SHARD_COPIES = 2


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one stage takes.

    Attributes:
        name: as in the flow of a run.
        seconds: of the whole cluster.
        disk_bytes: that it leaves in the run; None where it is small or not known.
        memory_bytes: of the process that needs most; None where it is small.
        how: where the seconds come from.
    """

    name: str
    seconds: float
    disk_bytes: int | None
    memory_bytes: int | None
    how: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a whole job would take.

    Attributes:
        images: name to number of images listed.
        stages: in the order in which they run.
        device: what was measured, in words.
        workers: that embed.
        limit: what embedding waits for most: `read`, `decode`, `model` or `write`.
        images_per_second: of one worker.
        price_per_hour: of one worker; None where none is given.
    """

    images: Mapping[str, int]
    stages: tuple[Stage, ...]
    device: str
    workers: int
    limit: str
    images_per_second: float
    price_per_hour: float | None

    @property
    def seconds(self) -> float:
        """Return the time of all stages, one after the other."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def slowest(self) -> Stage:
        """Return the stage that takes longest."""
        return max(self.stages, key=lambda stage: stage.seconds)

    @property
    def cost(self) -> float | None:
        """Return the price of all workers for the whole time; None where no price is given."""
        return None if self.price_per_hour is None else self.seconds / 3600 * self.workers * self.price_per_hour


def estimate(
    images: Mapping[str, int], channels: Mapping[str, int], measured: Measured, k: int, block_rows: int, workers: int
) -> tuple[Stage, ...]:
    """Return the stages of a job.

    Args:
        images: name to number of images.
        channels: level to length of an embedding.
        measured: what a sample took.
        k: neighbors kept per image and ordered pair.
        block_rows: images per block.
        workers: that embed.
    """
    total, levels, names = sum(images.values()), len(channels), list(images)
    floats = sum(channels.values())
    # Every row of every query meets every row of every reference.
    products = sum(images[query] * images[reference] for query, reference in product(names, names))
    graph = total * len(names) * levels * k * _PER_NEIGHBOR_BYTES
    mean_channels = floats / levels
    page = min(total, PAGE_IMAGES)
    return (
        Stage(
            name="listing",
            seconds=measured.listing_seconds,
            disk_bytes=round(measured.index_bytes * total),
            memory_bytes=None,
            how="measured: every image was listed",
        ),
        Stage(
            name="embedding",
            seconds=total / measured.images_per_second / workers,
            disk_bytes=total * floats * 2,
            memory_bytes=measured.memory_bytes + _SHARD_COPIES * block_rows * floats * 2,
            how=f"measured on {measured.images} images, in proportion",
        ),
        Stage(
            name="neighbors",
            seconds=measured.neighbor_seconds * products * mean_channels * levels,
            disk_bytes=graph,
            memory_bytes=max(images.values()) * k * _PER_NEIGHBOR_BYTES,
            how=f"measured on {measured.rows:,} made-up embeddings, as the product of the datasets' sizes",
        ),
        Stage(
            name="layout",
            seconds=measured.layout_seconds * levels * total * math.log(max(total, 2)),
            disk_bytes=total * levels * 16,
            memory_bytes=total * _GRAPH_NEIGHBORS * _PER_NEIGHBOR_BYTES * _GRAPH_COPIES,
            how=f"measured on {measured.rows:,} made-up embeddings, as n log n",
        ),
        Stage(
            name="report",
            seconds=page * measured.picture_seconds,
            disk_bytes=None,
            memory_bytes=None,
            how=f"thumbnails of {page:,} images, at the speed of reading and decoding",
        ),
    )
