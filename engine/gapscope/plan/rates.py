"""How fast each part of a job goes: as measured on a sample, or as is typical of a machine that was measured before."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CORES = 2
"""Of the machine that the typical rates are from: an AMD EPYC with AVX512-BF16, in bfloat16."""

_COPIED = 20_000.0
"""Vectors per second that are copied into a run."""

_READ_AND_DECODED = 350.0
"""Images per second that its cores read and decode for a network."""


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """What is known of a model without building it.

    Attributes:
        size: its default side of images, in pixels.
        channels: of its levels, fine to coarse.
        images_per_second: of the network alone, on the machine that the rates are from.
    """

    size: int
    channels: Mapping[str, int]
    images_per_second: float


def _detector(images_per_second: float, *levels: str, size: int = 512) -> KnownModel:
    return KnownModel(size=size, channels=dict.fromkeys(levels, 256), images_per_second=images_per_second)


_FROM_P2, _FROM_P3, _FROM_P5 = ("P2", "P3", "P4", "P5", "P6"), ("P3", "P4", "P5", "P6", "P7"), ("P5", "P6")
KNOWN_MODELS: Mapping[str, KnownModel] = {
    "fasterrcnn_resnet50_fpn_v2": _detector(10.8, *_FROM_P2),
    "fasterrcnn_resnet50_fpn": _detector(11.0, *_FROM_P2),
    "fasterrcnn_mobilenet_v3_large_fpn": _detector(52.6, *_FROM_P5),
    "fasterrcnn_mobilenet_v3_large_320_fpn": _detector(235.0, *_FROM_P5, size=320),
    "retinanet_resnet50_fpn": _detector(11.5, *_FROM_P3),
    "retinanet_resnet50_fpn_v2": _detector(11.2, *_FROM_P3),
    "fcos_resnet50_fpn": _detector(11.7, *_FROM_P3),
    "maskrcnn_resnet50_fpn": _detector(11.0, *_FROM_P2),
    "maskrcnn_resnet50_fpn_v2": _detector(10.7, *_FROM_P2),
    "keypointrcnn_resnet50_fpn": _detector(11.6, *_FROM_P2),
    "bundled": KnownModel(
        size=224,
        channels={"P2": 24, "P3": 40, "P4": 112, "P5": 320, "P6": 1280},
        images_per_second=369.0,
    ),
}
"""The models of `gapscope models` by name; a test holds sizes and channels against the networks themselves."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds, bytes and rates, and where they are from.

    Attributes:
        start_seconds: until the first image is embedded: libraries, network and workers.
        listing_seconds: of all images.
        images: that were embedded to measure the next; 0 where nothing was measured.
        images_per_second: of one worker.
        limit: what embedding waits for most: `read`, `decode`, `model` or `write`.
        index_bytes: of the index per image.
        memory_bytes: of the process that embeds, at most.
        rows: made-up embeddings that were compared and laid out to measure the next two; 0 likewise.
        neighbor_seconds: per query row, reference row and dimension.
        layout_seconds: of one level of n images, divided by n log n.
        part_seconds: of a search in parts of embedding space, per image, dataset that is searched, and dimension.
        placed_seconds: of placing an image on a map.
    """

    start_seconds: float
    listing_seconds: float
    images: int
    images_per_second: float
    limit: str
    index_bytes: float
    memory_bytes: int
    rows: int
    neighbor_seconds: float
    layout_seconds: float
    part_seconds: float = 0.9e-6
    placed_seconds: float = 2e-5


_START_SECONDS = 8.0
"""Importing torch and UMAP, building a network and starting decoders."""

_INDEX_BYTES = 120.0
_MEMORY_BYTES = 1_300_000_000
_NEIGHBOR_SECONDS = 3.1e-11
_LAYOUT_SECONDS = 1.7e-4


def typical_rates(model: KnownModel, size: int | None, listing_seconds: float) -> Rates:
    """Return rates for this machine's cores, without measuring anything on it.

    Args:
        model: the network.
        size: side of the images in pixels; None for the model's own.
        listing_seconds: of all images, which was measured.
    """
    network = model.images_per_second * (model.size / (size or model.size)) ** 2
    together = 1 / (1 / network + 1 / _READ_AND_DECODED)
    limit = "model" if network < _READ_AND_DECODED else "decode"
    return _of_this_machine(together * _scale(), limit, listing_seconds)


def copying_rates(listing_seconds: float, *, decodes: bool) -> Rates:
    """Return rates of a job whose vectors are brought, so that no network runs.

    Args:
        listing_seconds: of all rows, which was measured.
        decodes: whether images beside them are decoded for their pictures.
    """
    if decodes:
        return _of_this_machine(_READ_AND_DECODED * _scale(), "decode", listing_seconds)
    return _of_this_machine(_COPIED, "read", listing_seconds)


def _of_this_machine(images_per_second: float, limit: str, listing_seconds: float) -> Rates:
    return Rates(
        start_seconds=_START_SECONDS,
        listing_seconds=listing_seconds,
        images=0,
        images_per_second=images_per_second,
        limit=limit,
        index_bytes=_INDEX_BYTES,
        memory_bytes=_MEMORY_BYTES,
        rows=0,
        neighbor_seconds=_NEIGHBOR_SECONDS / _scale(),
        # UMAP runs in one thread, so that the same seed gives the same map.
        layout_seconds=_LAYOUT_SECONDS,
        part_seconds=Rates.part_seconds / _scale(),
        placed_seconds=Rates.placed_seconds / _scale(),
    )


def _scale() -> float:
    """Return how many times the cores of the measured machine this one has."""
    return len(os.sched_getaffinity(0)) / _CORES


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA driver, without importing torch."""
    return Path("/proc/driver/nvidia/version").exists()
