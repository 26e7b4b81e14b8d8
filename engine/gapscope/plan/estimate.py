"""Extrapolates the time, disk and memory of a whole job from measurements on a sample."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from gapscope.plan.measure import Measured

PAGE_IMAGES = 50_000
"""Maximum number of images that the report draws and shows thumbnails of."""

_PER_NEIGHBOR_BYTES = 12
"""Bytes per stored neighbor: a float32 distance and an int64 index."""

_GRAPH_COPIES = 4
"""Copies of its neighbor graph that a layout holds: as it is read, in both directions, as weights, and sorted."""

_GRAPH_NEIGHBORS = 15
_SHARD_COPIES = 2


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
        device: description of the device that was measured.
        workers: number of workers that embed.
        limit: bottleneck of embedding: `read`, `decode`, `model` or `write`.
        images_per_second: embedding rate of one worker.
        price_per_hour: price of one worker, in any currency; None if no price was given.
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
    measured: Measured,
    k: int,
    block_rows: int,
    workers: int,
    readings: int = 1,
) -> tuple[Stage, ...]:
    """Estimate the stages of a job.

    Args:
        images: dataset name to number of images.
        channels: level to dimensions of an embedding.
        measured: measurements on a sample.
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
    graph_bytes = total * len(names) * levels * k * _PER_NEIGHBOR_BYTES * readings
    mean_channels = sum(channels.values()) / levels
    page_images = min(total, PAGE_IMAGES)
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
            disk_bytes=total * embedding_bytes,
            memory_bytes=measured.memory_bytes + _SHARD_COPIES * block_rows * embedding_bytes,
            how=f"measured on {measured.images} images, in proportion",
        ),
        Stage(
            name="neighbors",
            seconds=measured.neighbor_seconds * distances * mean_channels * levels * readings,
            disk_bytes=graph_bytes,
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
            seconds=page_images * measured.picture_seconds,
            disk_bytes=None,
            memory_bytes=None,
            how=f"thumbnails of {page_images:,} images, at the speed of reading and decoding",
        ),
    )
