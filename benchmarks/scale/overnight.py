"""Estimated time per stage for 100 million images on 8 GPUs, from assumed rates.

No rate of a GPU has been measured for this project yet. The rates are therefore options with several values each, and
the results are arithmetic: they follow from gapscope's own model (`gapscope.plan.estimate`) if it covers a stage, and
otherwise from what the code does at this size. Prices are options too. The tables are printed as Markdown;
docs/scale.md has those of the defaults.
"""

import argparse
from math import ceil

from gapscope.plan.estimate import Stage, estimate
from gapscope.plan.rates import Rates
from gapscope.stages.listing import block_rows_for

_LEVELS, _CHANNELS, _K, _DATASETS = 5, 256, 30, 2


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, default=1e8, help="of all datasets (default: 100 million)")
    parser.add_argument("--gpus", type=int, default=8, help="number of GPUs (default: 8)")
    parser.add_argument("--images-per-second", type=float, nargs="+", default=[500, 1000, 2000, 4000], help="per GPU")
    parser.add_argument("--mean-bytes", type=float, default=100e3, help="mean size of an image file")
    parser.add_argument("--decodes-per-core", type=float, default=615, help="images per second (decode.json, 500x375)")
    parser.add_argument("--gpu-hour", type=float, default=None, help="price of a GPU for an hour")
    options = parser.parse_args()
    images, gpus = int(options.images), options.gpus
    rows = block_rows_for(images)
    title = f"{images:,} images in {_DATASETS} equal datasets, {_LEVELS} levels"
    print(f"{title}, {ceil(images / rows):,} blocks of {rows:,}\n")
    print("| assumed: images/s per GPU | embedding | bytes/s from the store | cores to decode, per GPU | blocks/s |")
    print("|---|---|---|---|---|")
    for rate in options.images_per_second:
        embedding = next(stage for stage in _estimate(images, gpus, rate, rows) if stage.name == "embedding")
        bandwidth = rate * gpus * options.mean_bytes / 1e9
        print(
            f"| {rate:,.0f} | {embedding.seconds / 3600:.1f} h | {bandwidth:.1f} GB/s |"
            f" {rate / options.decodes_per_core:.1f} | {rate * gpus / rows:.2f} |"
        )
    print("\n| part of the run | bytes |")
    print("|---|---|")
    for stage in _estimate(images, gpus, options.images_per_second[0], rows):
        if stage.name != "listing" and stage.disk_bytes:
            print(f"| {stage.name} | {stage.disk_bytes / 1e9:,.0f} GB |")
    if options.gpu_hour is not None:
        for rate in options.images_per_second:
            hours = images / rate / gpus / 3600
            print(f"\nembedding at {rate:,.0f} images/s: {hours * gpus * options.gpu_hour:,.0f}")


def _estimate(images: int, gpus: int, rate: float, rows: int) -> tuple[Stage, ...]:
    rates = Rates(
        start_seconds=0.0,
        listing_seconds=0.0,
        images=1,
        images_per_second=rate,
        limit="model",
        index_bytes=0.0,
        memory_bytes=0,
        rows=1,
        neighbor_seconds=0.0,
        layout_seconds=0.0,
    )
    sizes = {f"dataset {number}": images // _DATASETS for number in range(_DATASETS)}
    channels = {f"P{level}": _CHANNELS for level in range(2, 2 + _LEVELS)}
    return estimate(sizes, channels, rates, _K, rows, gpus)


if __name__ == "__main__":
    main()
