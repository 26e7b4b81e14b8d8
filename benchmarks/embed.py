"""What does every speed-up of the network bring, what does rounding cost, and does decoding keep the network waiting?

Three parts, each against something on the same machine and in the same run:

1. Images per second of a detector's pyramid (random weights, full batches), from torchvision as it comes to all
   speed-ups together; the variants take turns, so that a machine that slows down slows all of them.
2. The error of bfloat16 against float32 on real photographs, per level: relative, and as a share of the distance to the
   nearest neighbor, in the distances that comparisons are made with.
3. Files to Zarr against decoding alone and the network alone. On a CPU they share the cores, so that the bound is the
   sum of their times; on a GPU it is the slower one.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import gapscope
from gapscope.bench.machine import machine
from gapscope.cluster import lazy_cluster
from gapscope.device import Device, choose_device
from gapscope.progress import Silent
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source
from gapscope.stages.embed import embed_datasets
from gapscope.stages.listing import list_datasets
from gapscope.store.run_record import RunRecord, open_or_create

Embedded = dict[str, NDArray[np.float32]]

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="photographs, in any sub-folders")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--model", default="fasterrcnn_resnet50_fpn", help="whose speed is measured")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=400, help="photographs for parts two and three")
    options = parser.parse_args()
    device = choose_device()
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(options.model, Path(folder))
        result = {
            "machine": machine(),
            "threads": torch.get_num_threads(),
            "network": speeds(options.model, weights, options.size, options.repeats, device),
            "bfloat16": {
                name: _rounding(name, file, size, options.folder, options.images // 4, device)
                for name, file, size in (
                    ("bundled", MODELS["bundled"].weights(), 224),
                    (options.model, weights, options.size),
                )
            },
            "feeding": {
                name: _feeding(name, file, size, options.folder, options.images, Path(folder), device)
                for name, file, size in (
                    ("bundled", MODELS["bundled"].weights(), 224),
                    (options.model, weights, options.size),
                )
            },
        }
    print(json.dumps({name: part for name, part in result.items() if name != "machine"}, indent=2))
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def random_weights(model: str, folder: Path) -> Path:
    """Write weights as a network has them before training, but with batch norms that do something; return the file."""
    torch.manual_seed(0)
    trunk = MODELS[model].build()
    for name, buffer in trunk.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    path = folder / f"{model}.pth"
    torch.save(trunk.state_dict(), path)
    return path


def settings_of(model: str, weights: Path, size: int) -> EmbedSettings:
    """Return settings for all levels of a model."""
    return EmbedSettings(
        model=model,
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=MODELS[model].choose_levels(None),
        preprocess=Preprocess(size=size),
    )


def speeds(
    model: str, weights: Path, size: int, repeats: int, device: Device, wanted: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return images per second of a detector's pyramid, as torchvision has it and by `STEPS`, or those of a name."""
    pixels = device.buffer((device.batch_images, size, size, 3))
    pixels[...] = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    runs: dict[str, Callable[[], Any]] = {
        "torchvision float32": torchvision_run(model, weights, size, pixels, device),
        "torchvision bfloat16, channels last": torchvision_run(
            model, weights, size, pixels, device, rounded=torch.bfloat16
        ),
    }
    for name, precision, speedups in STEPS:
        if wanted is not None and name not in wanted:
            continue
        settings = replace(settings_of(model, weights, size), precision=precision, speedups=speedups)  # type: ignore[arg-type]
        network = device.prepare_network(load_pyramid(settings), speedups)
        runs[name] = lambda network=network, precision=precision: device.embed(network, pixels, precision)()  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    first = {name: _timed(run) for name, run in runs.items()}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(_timed(run))
    rate = {name: [device.batch_images / value for value in values] for name, values in seconds.items()}
    median = {name: float(np.median(values)) for name, values in rate.items()}
    return {
        "model": model,
        "size": size,
        "batch": device.batch_images,
        "first_batch_seconds": first,
        "images_per_second": rate,
        "times_torchvision_float32": {name: value / median["torchvision float32"] for name, value in median.items()},
        "times_torchvision_bfloat16": {
            name: value / median["torchvision bfloat16, channels last"] for name, value in median.items()
        },
    }


def torchvision_run(
    model: str,
    weights: Path,
    size: int,
    pixels: NDArray[np.uint8],
    device: Device,
    *,
    rounded: torch.dtype | None = None,
    tf32: bool = False,
) -> Callable[[], Any]:
    """Return a function that embeds a batch with torchvision's backbone and FPN, and the mean over space.

    Args:
        model: whose backbone.
        weights: their file.
        size: side of the images.
        pixels: (n, size, size, 3).
        device: on what.
        rounded: what convolutions are rounded to, channels last; None for float32.
        tf32: on a GPU, convolutions in float32 may be rounded to TF32, as torch does unless it is told not to.
    """
    pyramid = load_pyramid(replace(settings_of(model, weights, size), precision="float32", speedups=()))
    backbone: Any = pyramid.trunk.backbone
    backbone = backbone.to(device.name)
    if rounded is not None:
        backbone = backbone.to(memory_format=torch.channels_last)
    mean, std = pyramid.mean.to(device.name), pyramid.std.to(device.name)

    def run() -> list[NDArray[np.float32]]:
        batch = torch.from_numpy(pixels).to(device.name).permute(0, 3, 1, 2)
        if rounded is None:
            batch = batch.contiguous()
        with (
            torch.inference_mode(),
            torch.autocast(device.name, rounded or torch.bfloat16, enabled=rounded is not None),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32),
        ):
            maps = backbone((batch.float() - mean) / std)
            return [map_.float().mean(dim=(2, 3)).cpu().numpy() for map_ in maps.values()]

    return run


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def read_pixels(folder: Path, images: int, size: int, device: Device) -> NDArray[np.uint8]:
    """Decode some of a folder's images: (images, size, size, 3)."""
    source = open_source("photographs", str(folder))
    entries = list(source.entries())
    chosen = np.random.default_rng(0).permutation(len(entries))[:images]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        frame = Preprocess(size=size)
        return np.stack(
            list(pool.map(lambda at: device.decode(source.read(entries[at]), frame).pixels, chosen.tolist()))
        )


def _rounding(model: str, weights: Path, size: int, folder: Path, images: int, device: Device) -> dict[str, Any]:
    pixels = read_pixels(folder, images // device.batch_images * device.batch_images, size, device)
    found = {
        precision: _embedded(model, weights, size, pixels, precision, device) for precision in ("float32", "bfloat16")
    }
    numbers: dict[str, Any] = {"size": size, "images": len(pixels)}
    return numbers | differences(found["float32"], found["bfloat16"])


def differences(exact_by_level: Embedded, other_by_level: Embedded) -> dict[str, dict[str, float]]:
    """Return per level how far embeddings (n, channels) lie from the exact ones, and what that does to neighbors."""
    numbers = {}
    for level, exact in exact_by_level.items():
        rounded = other_by_level[level]
        error = np.linalg.norm(rounded - exact, axis=1) / np.linalg.norm(exact, axis=1)
        mean, std = exact.mean(axis=0), exact.std(axis=0) + 1e-12
        unit, other = (_unit((values - mean) / std) for values in (exact, rounded))
        apart = 1 - unit @ unit.T
        np.fill_diagonal(apart, np.inf)
        moved = 1 - (unit * other).sum(axis=1)
        rounded_apart = 1 - other @ other.T
        np.fill_diagonal(rounded_apart, np.inf)
        numbers[level] = {
            "relative_error": float(np.median(error)),
            "largest_relative_error": float(error.max()),
            "moved_by": float(np.median(moved)),
            "nearest_neighbor_at": float(np.median(apart.min(axis=1))),
            "share_of_nearest_neighbor_distance": float(np.median(moved / apart.min(axis=1))),
            "same_nearest_neighbor": float((apart.argmin(axis=1) == rounded_apart.argmin(axis=1)).mean()),
        }
    return numbers


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def _embedded(
    model: str, weights: Path, size: int, pixels: NDArray[np.uint8], precision: str, device: Device
) -> Embedded:
    speedups = ("pooled-fpn", "fold", "channels-last")
    settings = replace(settings_of(model, weights, size), precision=precision, speedups=speedups)  # type: ignore[arg-type]
    network = device.prepare_network(load_pyramid(settings), speedups)
    parts = [
        device.embed(network, pixels[start : start + device.batch_images], settings.precision)()
        for start in range(0, len(pixels), device.batch_images)
    ]
    return {level: np.concatenate([part[level] for part in parts]) for level in parts[0]}


def _feeding(
    model: str, weights: Path, size: int, folder: Path, images: int, scratch: Path, device: Device
) -> dict[str, Any]:
    entries = [entry.uri for entry in open_source("photographs", str(folder)).entries()]
    chosen = np.random.default_rng(0).permutation(len(entries))[: images // device.batch_images * device.batch_images]
    names = scratch / "photographs.txt"
    names.write_text("\n".join(entries[at] for at in chosen) + "\n", encoding="utf-8")
    precision = "bfloat16" if device.has_bfloat16() else "float32"
    speedups = ("pooled-fpn", "fold", "channels-last")
    settings = replace(settings_of(model, weights, size), precision=precision, speedups=speedups)  # type: ignore[arg-type]
    start = time.perf_counter()
    pixels = read_pixels(folder, len(chosen), size, device)
    decoding = time.perf_counter() - start
    network = device.prepare_network(load_pyramid(settings), speedups)
    device.embed(network, pixels[: device.batch_images], settings.precision)()
    start = time.perf_counter()
    for first in range(0, len(pixels), device.batch_images):
        device.embed(network, pixels[first : first + device.batch_images], settings.precision)()
    computing = time.perf_counter() - start
    both = files_to_zarr(settings, names, scratch / f"run-{model}", device)
    bound = max(decoding, computing) if device.name == "cuda" else decoding + computing
    return {
        "size": size,
        "images": len(chosen),
        "decode_alone_images_per_second": len(chosen) / decoding,
        "network_alone_images_per_second": len(chosen) / computing,
        "files_to_zarr_images_per_second": len(chosen) / both,
        "share_of_slower_stage": max(decoding, computing) / both,
        "share_of_bound": bound / both,
    }


def files_to_zarr(settings: EmbedSettings, names: Path, run: Path, device: Device) -> float:
    """List and embed the images that a list names; return the seconds that embedding took."""
    source = open_source("photographs", str(names))
    record = open_or_create(run, RunRecord(config={}, model={}, versions={"gapscope": gapscope.__version__}))
    list_datasets(run, record, {"photographs": source}, Silent(), update=False)
    with lazy_cluster("inline", device.name, 0) as connect:
        start = time.perf_counter()
        embed_datasets(run, record, {"photographs": source}, settings, device, connect, Silent())
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
