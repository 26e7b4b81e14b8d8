"""Estimated time, memory, disk and requests for 100 million and a billion images on 8 and 64 GPUs.

No rate of a GPU has been measured for this project yet: how many images a GPU embeds per second is an option with
several values. The other stages follow from what `gapscope bench scale` measured on two cores, by their exponents, on
the processor cores that stand beside the GPUs. All results are arithmetic. They are printed as Markdown tables;
docs/scale.md has those of the defaults.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path

from gapscope.neighbors.partition import count_parts
from gapscope.plan.estimate import estimate
from gapscope.plan.rates import Rates
from gapscope.stages.listing import block_rows_for

_LEVELS, _CHANNELS, _K, _DATASETS, _READINGS = 5, 256, 30, 2, 2
_MEASURED_CORES = 2
_ROWS_PER_CHUNK = 2**18
"""Rows of a dataset that a job of a search in parts takes, of many."""
_RANGE_BYTES = 8 * 2**20
"""Bytes of an archive that are read at a time."""
_ONE_FILE_EACH, _IN_ARCHIVES = "images, one file each", "or images in tar archives, in ranges of 8 MiB"
_ONE_PROCESS = {
    "listing": ("listing real", "listing synthetic"),
    "comparison": ("outliers",),
    "kinds": ("kinds", "manifests"),
}
"""Stages of the process of the command, and the pieces of work that were measured."""


@dataclass(frozen=True)
class Measured:
    """What `gapscope bench scale` measured, of one level.

    Attributes:
        rows: per size, the number of images.
        seconds: per piece of work, its seconds at each size.
        exponents: per piece of work, the slope in a log-log fit.
        channels: of the embeddings.
        command_bytes: per size, the peak memory of the process of the command.
    """

    rows: Sequence[int]
    seconds: Mapping[str, Sequence[float]]
    exponents: Mapping[str, float]
    channels: int
    command_bytes: Sequence[float]

    @classmethod
    def read(cls, path: Path) -> "Measured":
        """Read a result."""
        result = json.loads(path.read_text(encoding="utf-8"))
        cases = sorted(result["cases"], key=lambda case: case["rows"])
        return cls(
            rows=[case["rows"] for case in cases],
            seconds={name: [case["stages"][name]["seconds"] for case in cases] for name in cases[0]["stages"]},
            exponents=result["exponent"],
            channels=result["settings"]["dims"],
            command_bytes=[case["command_gib"] * 2**30 for case in cases],
        )

    def at(self, works: Iterable[str], images: int) -> float:
        """Return the seconds of pieces of work, from those of the largest size and their exponents, at least 1."""
        growth = images / self.rows[-1]
        seconds = (self.seconds[work][-1] * float(growth ** max(1.0, self.exponents[work])) for work in works)
        return sum(seconds)

    def placing(self, images: int) -> float:
        """Return the seconds of placing images on a map whose landmarks are laid out, from the two largest sizes."""
        maps = self.seconds["layout"]
        return (maps[-1] - maps[-2]) / (self.rows[-1] - self.rows[-2]) * images

    def command_gib(self, images: int) -> float:
        """Return the memory of the process of the command, by a line through the two largest sizes."""
        slope = (self.command_bytes[-1] - self.command_bytes[-2]) / (self.rows[-1] - self.rows[-2])
        return (self.command_bytes[-1] + slope * (images - self.rows[-1])) / 2**30


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, nargs="+", default=[1e8, 1e9], help="of all datasets")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64], help="numbers of GPUs")
    parser.add_argument("--images-per-second", type=float, nargs="+", default=[500, 1000, 2000, 4000], help="per GPU")
    parser.add_argument("--cores", type=int, default=16, help="processor cores per GPU (default: 16)")
    parser.add_argument("--mean-bytes", type=float, default=100e3, help="mean size of an image file")
    parser.add_argument("--decodes-per-core", type=float, default=615, help="images per second (decode.json, 500x375)")
    parser.add_argument("--gpu-hour", type=float, help="price of a GPU and its cores for an hour")
    parser.add_argument("--get-price", type=float, help="price of 1,000 GET requests")
    parser.add_argument("--put-price", type=float, help="price of 1,000 PUT or LIST requests")
    parser.add_argument(
        "--measured",
        type=Path,
        default=Path(__file__).parents[1] / "results" / "scale" / "rows.json",
        help="a result of gapscope bench scale",
    )
    options = parser.parse_args()
    cases = list(product([int(images) for images in options.images], options.gpus))
    measured = Measured.read(options.measured)
    _print_embedding(cases, options)
    _print_stages(cases, measured, options)
    _print_disk([int(images) for images in options.images])
    _print_requests([int(images) for images in options.images], options)


def _print_embedding(cases: Sequence[tuple[int, int]], options: argparse.Namespace) -> None:
    print("| assumed: images/s per GPU | cores to decode, per GPU | " + " | ".join(_names(cases)) + " |")
    print("|" + "---|" * (len(cases) + 2))
    for rate in options.images_per_second:
        cells = []
        for images, gpus in cases:
            hours = images / rate / gpus / 3600
            bandwidth = rate * gpus * options.mean_bytes / 1e9
            price = "" if options.gpu_hour is None else f", {hours * gpus * options.gpu_hour:,.0f}"
            cells.append(f"{_time(hours * 3600)}, {bandwidth:.1f} GB/s{price}")
        print(f"| {rate:,.0f} | {rate / options.decodes_per_core:.1f} | " + " | ".join(cells) + " |")


def _print_stages(cases: Sequence[tuple[int, int]], measured: Measured, options: argparse.Namespace) -> None:
    print("\n| stage | runs on | " + " | ".join(_names(cases)) + " |")
    print("|" + "---|" * (len(cases) + 2))
    width = _CHANNELS / measured.channels

    def row(stage: str, where: str, cells: Iterable[str]) -> None:
        print(f"| {stage} | {where} | " + " | ".join(cells) + " |")

    row("listing", "one process", (_time(measured.at(_ONE_PROCESS["listing"], images)) for images, _ in cases))
    searched = [
        measured.at(("neighbors", "neighbors style aside"), images) * _LEVELS * width * _MEASURED_CORES
        for images, _ in cases
    ]
    row("neighbors, core-hours", "all cores", (f"{seconds / 3600:,.0f}" for seconds in searched))
    row(
        "neighbors",
        "all cores",
        (_time(seconds / gpus / options.cores) for seconds, (_, gpus) in zip(searched, cases, strict=True)),
    )
    row(
        "maps: placing",
        "all cores",
        (
            _time(measured.placing(images) * _LEVELS * width * _MEASURED_CORES / gpus / options.cores)
            for images, gpus in cases
        ),
    )
    compared = [measured.at(_ONE_PROCESS["comparison"], images) * _LEVELS for images, _ in cases]
    row("comparison", "one process", map(_time, compared))
    row("kinds", "one process", (_time(measured.at(_ONE_PROCESS["kinds"], images)) for images, _ in cases))
    row("memory of that process", "", (f"{measured.command_gib(images):,.0f} GiB" for images, _ in cases))


def _print_disk(sizes: Sequence[int]) -> None:
    print("\n| part of the run | " + " | ".join(f"{images:,}" for images in sizes) + " |")
    print("|" + "---|" * (len(sizes) + 1))
    stages = [_disk(images) for images in sizes]
    for name in stages[0]:
        print(f"| {name} | " + " | ".join(f"{own[name] / 1e12:,.2f} TB" for own in stages) + " |")


def _disk(images: int) -> dict[str, int]:
    rates = Rates(
        start_seconds=0.0,
        listing_seconds=0.0,
        images=1,
        images_per_second=1.0,
        limit="model",
        index_bytes=0.0,
        memory_bytes=0,
        rows=1,
        neighbor_seconds=0.0,
        layout_seconds=0.0,
    )
    sizes = {f"dataset {number}": images // _DATASETS for number in range(_DATASETS)}
    channels = {f"P{level}": _CHANNELS for level in range(2, 2 + _LEVELS)}
    stages = estimate(sizes, channels, rates, _K, block_rows_for(images), 1, _READINGS)
    return {stage.name: stage.disk_bytes for stage in stages if stage.disk_bytes}


def _print_requests(sizes: Sequence[int], options: argparse.Namespace) -> None:
    print("\n| requests | " + " | ".join(f"{images:,}" for images in sizes) + " |")
    print("|" + "---|" * (len(sizes) + 1))
    counts = [_requests(images, options.mean_bytes) for images in sizes]
    for name in counts[0]:
        print(f"| {name} | " + " | ".join(f"{own[name][1]:,.0f} {own[name][0]}" for own in counts) + " |")
    if options.get_price is None or options.put_price is None:
        return
    prices = {"GET": options.get_price, "PUT": options.put_price, "LIST": options.put_price}
    for label, left_out in (("price, one file each", _IN_ARCHIVES), ("price, in archives", _ONE_FILE_EACH)):
        costs = [
            sum(prices[kind] * count / 1000 for name, (kind, count) in own.items() if name != left_out)
            for own in counts
        ]
        print(f"| {label} | " + " | ".join(f"{cost:,.0f}" for cost in costs) + " |")


def _requests(images: int, mean_bytes: float) -> dict[str, tuple[str, float]]:
    """Return the requests that grow with the images, by what they are for; per block as counted in store.json."""
    blocks = ceil(images / block_rows_for(images))
    chunks, parts = ceil(images / _ROWS_PER_CHUNK), count_parts(images, _CHANNELS)
    # A part's images are read once per dataset that is searched, and a chunk's neighbors from every part.
    ranges = (parts * _DATASETS * chunks * (1 + 1 / _DATASETS) + chunks * parts * _DATASETS) * _LEVELS * _READINGS
    return {
        _ONE_FILE_EACH: ("GET", images),
        _IN_ARCHIVES: ("GET", images * mean_bytes / _RANGE_BYTES),
        "embedding and scaler, 13 per block": ("GET", 13 * blocks),
        "embedding, 8 per block": ("PUT", 8 * blocks),
        "listing, 1,000 names each": ("LIST", images / 1000),
        "neighbors: ranges of shuffle files": ("GET", ranges),
    }


def _names(cases: Iterable[tuple[int, int]]) -> list[str]:
    return [f"{images:,} on {gpus}" for images, gpus in cases]


def _time(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f} h" if hours >= 1 else f"{seconds / 60:,.0f} min"


if __name__ == "__main__":
    main()
