"""100 million images on 8 GPUs, on paper: what a stage would take, from rates that are given, not measured.

No rate of a GPU was measured for this project yet. So they are inputs, each with three values to choose from, and what
comes out is arithmetic: the program's own model (`gapscope.plan.estimate`) where it has one, and below it what the code
does at this size. Prices are inputs, too. Prints Markdown; docs/scale.md holds what the defaults give.
"""

import argparse
from math import ceil

from gapscope.plan.estimate import Stage, estimate
from gapscope.plan.measure import Measured
from gapscope.stages.listing import block_rows_for

_LEVELS, _CHANNELS, _K, _DATASETS = 5, 256, 30, 2
_PART_ROWS = 2**20
"""Rows of a reference that lie in one set of cells, and queries that are answered at a time (neighbors/ivf.py)."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, default=1e8)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--images-per-second", type=float, nargs="+", default=[500, 1000, 2000, 4000], help="of a GPU")
    parser.add_argument("--tflops", type=float, nargs="+", default=[50, 150, 400], help="that an exact search reaches")
    parser.add_argument("--part-seconds", type=float, nargs="+", default=[1, 5, 20], help="a million among a million")
    parser.add_argument("--mean-bytes", type=float, default=100e3, help="of an image file")
    parser.add_argument("--decodes-per-core", type=float, default=615, help="images a second (decode.json, 500x375)")
    parser.add_argument("--gpu-hour", type=float, default=None, help="price of a GPU for an hour")
    options = parser.parse_args()
    images, gpus = int(options.images), options.gpus
    rows = block_rows_for(images)
    what = f"{images:,} images in {_DATASETS} equal datasets, {_LEVELS} levels"
    print(f"{what}, {ceil(images / rows):,} blocks of {rows:,}\n")
    print("| assumed: images/s per GPU | embedding | bytes/s from the store | cores to decode, per GPU | blocks/s |")
    print("|---|---|---|---|---|")
    for rate in options.images_per_second:
        stage = {stage.name: stage for stage in _planned(images, gpus, rate, rows)}["embedding"]
        speed = rate * gpus * options.mean_bytes / 1e9
        print(
            f"| {rate:,.0f} | {stage.seconds / 3600:.1f} h | {speed:.1f} GB/s | {rate / options.decodes_per_core:.1f} |"
            f" {rate * gpus / rows:.2f} |"
        )
    jobs = _LEVELS * _DATASETS**2
    share = jobs / (ceil(jobs / gpus) * gpus)
    print(f"\nNeighbors: {jobs} jobs on {gpus} GPUs, so that at most {share:.0%} of them are at work\n")
    print("| assumed | neighbors |")
    print("|---|---|")
    for tflops in options.tflops:
        seconds = 2 * _CHANNELS * _LEVELS * images**2 / (tflops * 1e12) / gpus / share
        print(f"| everything compared at {tflops:g} TFLOP/s | {seconds / 3600:.1f} h |")
    parts = ceil(images / _DATASETS / _PART_ROWS) ** 2 * jobs
    for each in options.part_seconds:
        seconds = parts * each / gpus / share
        print(f"| cells, {each:g} s for a million among a million, {parts:,} times | {seconds / 3600:.1f} h |")
    print("\n| part of the run | bytes |")
    print("|---|---|")
    for stage in _planned(images, gpus, options.images_per_second[0], rows):
        if stage.name != "listing" and stage.disk_bytes:
            print(f"| {stage.name} | {stage.disk_bytes / 1e9:,.0f} GB |")
    if options.gpu_hour is not None:
        for rate in options.images_per_second:
            hours = images / rate / gpus / 3600
            print(f"\nembedding at {rate:,.0f} images/s: {hours * gpus * options.gpu_hour:,.0f}")


def _planned(images: int, gpus: int, rate: float, rows: int) -> tuple[Stage, ...]:
    measured = Measured(
        listing_seconds=0.0,
        images=1,
        images_per_second=rate,
        limit="model",
        picture_seconds=0.0,
        index_bytes=0.0,
        memory_bytes=0,
        rows=1,
        neighbor_seconds=0.0,
        layout_seconds=0.0,
    )
    names = {f"dataset {number}": images // _DATASETS for number in range(_DATASETS)}
    channels = {f"P{level}": _CHANNELS for level in range(2, 2 + _LEVELS)}
    return estimate(names, channels, measured, _K, rows, gpus)


if __name__ == "__main__":
    main()
