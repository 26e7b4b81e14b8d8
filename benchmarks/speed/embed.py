"""What each speed-up of the network gains, what bfloat16 costs, and whether decoding keeps the network waiting.

The benchmark has three parts, each with its baseline on the same machine and in the same process:

1. Images per second of a detector's pyramid (random weights, full batches), from plain torchvision to all speed-ups
   together. The variants take turns, so that a machine that slows down slows all of them.
2. The error of bfloat16 against float32 on real photographs, per level: the relative error, and the error as a share of
   the distance to the nearest neighbor, in the distances that comparisons use.
3. Files to Zarr, against decoding alone and the network alone. On a CPU the two share the cores, so the bound is the
   sum of their times; on a GPU it is the slower one.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.cluster import lazy_cluster
from gapscope.device import Device, choose_device
from gapscope.progress import Silent
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import embed_settings, random_weights
from runs import start_run

Embeddings = dict[str, NDArray[np.float32]]

STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("float32", "float32", ()),
    ("+ pooled FPN", "float32", ("pooled-fpn",)),
    ("+ folded", "float32", ("pooled-fpn", "fold")),
    ("+ channels last", "float32", ("pooled-fpn", "fold", "channels-last")),
    ("+ bfloat16", "bfloat16", ("pooled-fpn", "fold", "channels-last")),
    ("+ compiled", "bfloat16", ("pooled-fpn", "fold", "channels-last", "compile")),
    ("all but bfloat16", "float32", ("pooled-fpn", "fold", "channels-last", "compile")),
)


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__, repeats=3)
    parser.add_argument("folder", type=Path, help="photographs, in any sub-folders")
    parser.add_argument("--model", default="fasterrcnn_resnet50_fpn", help="the detector to measure")
    parser.add_argument("--size", type=int, default=512, help="side of the images in pixels (default: 512)")
    parser.add_argument("--images", type=int, default=400, help="photographs for parts two and three")
    options = parser.parse_args()
    device = choose_device()
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(options.model, Path(folder))
        result = {
            "threads": torch.get_num_threads(),
            "network": measure_speedups(options.model, weights, options.size, options.repeats, device),
            "bfloat16": {
                name: _measure_rounding(name, file, size, options.folder, options.images // 4, device)
                for name, file, size in (
                    ("bundled", MODELS["bundled"].weights(), 224),
                    (options.model, weights, options.size),
                )
            },
            "feeding": {
                name: _measure_feeding(name, file, size, options.folder, options.images, Path(folder), device)
                for name, file, size in (
                    ("bundled", MODELS["bundled"].weights(), 224),
                    (options.model, weights, options.size),
                )
            },
        }
    print(json.dumps(result, indent=2))
    write_result(options.out, result)


def measure_speedups(model: str, weights: Path, size: int, repeats: int, device: Device) -> dict[str, Any]:
    """Return images per second of a detector's pyramid: of torchvision's two variants, and of `STEPS`."""
    pixels = device.allocate_batch((device.batch_images, size, size, 3))
    pixels[...] = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    runs: dict[str, Callable[[], Any]] = {
        "torchvision float32": torchvision_embedder(model, weights, size, pixels, device),
        "torchvision bfloat16, channels last": torchvision_embedder(
            model, weights, size, pixels, device, autocast=torch.bfloat16
        ),
    }
    for name, precision, speedups in STEPS:
        settings = replace(embed_settings(model, weights, size), precision=precision, speedups=speedups)  # type: ignore[arg-type]
        network = device.prepare_network(load_pyramid(settings), speedups)
        runs[name] = lambda network=network, precision=precision: device.embed(network, pixels, precision)()  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    first_batch = {name: _seconds(run) for name, run in runs.items()}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(_seconds(run))
    rates = {name: [device.batch_images / value for value in values] for name, values in seconds.items()}
    median = {name: float(np.median(values)) for name, values in rates.items()}
    return {
        "model": model,
        "size": size,
        "batch": device.batch_images,
        "first_batch_seconds": first_batch,
        "images_per_second": rates,
        "times_torchvision_float32": {name: value / median["torchvision float32"] for name, value in median.items()},
        "times_torchvision_bfloat16": {
            name: value / median["torchvision bfloat16, channels last"] for name, value in median.items()
        },
    }


def torchvision_embedder(
    model: str,
    weights: Path,
    size: int,
    pixels: NDArray[np.uint8],
    device: Device,
    *,
    autocast: torch.dtype | None = None,
    tf32: bool = False,
) -> Callable[[], Any]:
    """Return a function that embeds a batch with torchvision's backbone and FPN, and averages each map.

    Args:
        model: the detector whose backbone is used.
        weights: its weights file.
        size: side of the images in pixels.
        pixels: (n, size, size, 3) uint8.
        device: the device to compute on.
        autocast: dtype of convolutions, which are then channels last; None for float32.
        tf32: whether float32 convolutions on a GPU may use TF32, which is torch's default.
    """
    pyramid = load_pyramid(replace(embed_settings(model, weights, size), precision="float32", speedups=()))
    backbone: Any = pyramid.trunk.backbone
    backbone = backbone.to(device.name)
    if autocast is not None:
        backbone = backbone.to(memory_format=torch.channels_last)
    normalize = pyramid.normalize.to(device.name)

    def run() -> list[NDArray[np.float32]]:
        batch = torch.from_numpy(pixels).to(device.name).permute(0, 3, 1, 2)
        if autocast is None:
            batch = batch.contiguous()
        with (
            torch.inference_mode(),
            torch.autocast(device.name, autocast or torch.bfloat16, enabled=autocast is not None),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32),
        ):
            maps = backbone(normalize(batch))
            return [map_.float().mean(dim=(2, 3)).cpu().numpy() for map_ in maps.values()]

    return run


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def read_pixels(folder: Path, images: int, size: int, device: Device) -> NDArray[np.uint8]:
    """Decode randomly chosen images of a folder: (images, size, size, 3) uint8."""
    source = open_source("photographs", str(folder))
    entries = list(source.entries())
    chosen = np.random.default_rng(0).permutation(len(entries))[:images]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        preprocess = Preprocess(size=size)
        return np.stack(
            list(pool.map(lambda index: device.decode(source.read(entries[index]), preprocess).pixels, chosen.tolist()))
        )


def _measure_rounding(
    model: str, weights: Path, size: int, folder: Path, images: int, device: Device
) -> dict[str, Any]:
    pixels = read_pixels(folder, images // device.batch_images * device.batch_images, size, device)
    embeddings = {
        precision: _embed_pixels(model, weights, size, pixels, precision, device)
        for precision in ("float32", "bfloat16")
    }
    sizes: dict[str, Any] = {"size": size, "images": len(pixels)}
    return sizes | rounding_errors(embeddings["float32"], embeddings["bfloat16"])


def rounding_errors(exact_by_level: Embeddings, rounded_by_level: Embeddings) -> dict[str, dict[str, float]]:
    """Return per level how far embeddings (n, channels) are from the exact ones, and how that changes neighbors."""
    errors = {}
    for level, exact in exact_by_level.items():
        rounded = rounded_by_level[level]
        error = np.linalg.norm(rounded - exact, axis=1) / np.linalg.norm(exact, axis=1)
        mean, std = exact.mean(axis=0), exact.std(axis=0) + 1e-12
        exact_units, rounded_units = (_normalized((values - mean) / std) for values in (exact, rounded))
        distances = 1 - exact_units @ exact_units.T
        np.fill_diagonal(distances, np.inf)
        shift = 1 - (exact_units * rounded_units).sum(axis=1)
        rounded_distances = 1 - rounded_units @ rounded_units.T
        np.fill_diagonal(rounded_distances, np.inf)
        errors[level] = {
            "relative_error": float(np.median(error)),
            "largest_relative_error": float(error.max()),
            "moved_by": float(np.median(shift)),
            "nearest_neighbor_at": float(np.median(distances.min(axis=1))),
            "share_of_nearest_neighbor_distance": float(np.median(shift / distances.min(axis=1))),
            "same_nearest_neighbor": float((distances.argmin(axis=1) == rounded_distances.argmin(axis=1)).mean()),
        }
    return errors


def _normalized(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def _embed_pixels(
    model: str, weights: Path, size: int, pixels: NDArray[np.uint8], precision: str, device: Device
) -> Embeddings:
    speedups = ("pooled-fpn", "fold", "channels-last")
    settings = replace(embed_settings(model, weights, size), precision=precision, speedups=speedups)  # type: ignore[arg-type]
    network = device.prepare_network(load_pyramid(settings), speedups)
    parts = [
        device.embed(network, pixels[start : start + device.batch_images], settings.precision)()
        for start in range(0, len(pixels), device.batch_images)
    ]
    return {level: np.concatenate([part[level] for part in parts]) for level in parts[0]}


def _measure_feeding(
    model: str, weights: Path, size: int, folder: Path, images: int, scratch: Path, device: Device
) -> dict[str, Any]:
    entries = [entry.uri for entry in open_source("photographs", str(folder)).entries()]
    chosen = np.random.default_rng(0).permutation(len(entries))[: images // device.batch_images * device.batch_images]
    image_list = scratch / "photographs.txt"
    image_list.write_text("\n".join(entries[index] for index in chosen) + "\n", encoding="utf-8")
    precision = "bfloat16" if device.has_bfloat16() else "float32"
    speedups = ("pooled-fpn", "fold", "channels-last")
    settings = replace(embed_settings(model, weights, size), precision=precision, speedups=speedups)  # type: ignore[arg-type]
    start = time.perf_counter()
    pixels = read_pixels(folder, len(chosen), size, device)
    decode_seconds = time.perf_counter() - start
    network = device.prepare_network(load_pyramid(settings), speedups)
    device.embed(network, pixels[: device.batch_images], settings.precision)()
    start = time.perf_counter()
    for first in range(0, len(pixels), device.batch_images):
        device.embed(network, pixels[first : first + device.batch_images], settings.precision)()
    network_seconds = time.perf_counter() - start
    total_seconds = files_to_zarr(settings, image_list, scratch / f"run-{model}", device)
    slower_seconds = max(decode_seconds, network_seconds)
    bound_seconds = slower_seconds if device.name == "cuda" else decode_seconds + network_seconds
    return {
        "size": size,
        "images": len(chosen),
        "decode_alone_images_per_second": len(chosen) / decode_seconds,
        "network_alone_images_per_second": len(chosen) / network_seconds,
        "files_to_zarr_images_per_second": len(chosen) / total_seconds,
        "share_of_slower_stage": slower_seconds / total_seconds,
        "share_of_bound": bound_seconds / total_seconds,
    }


def files_to_zarr(settings: EmbedSettings, image_list: Path, run: Path, device: Device) -> float:
    """List and embed the images of a list file; return the seconds that embedding took."""
    source = open_source("photographs", str(image_list))
    store = start_run(run, ["photographs"], settings)
    list_datasets(store, {"photographs": source}, Silent(), update=False)
    with lazy_cluster("inline", device.name, 0) as connect:
        start = time.perf_counter()
        embed_datasets(store, {"photographs": source}, settings, device, connect, Silent())
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
