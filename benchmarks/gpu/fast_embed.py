"""How many images a second does the pyramid embed, against torchvision and against what the machine reaches?"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from decode import by_the_clock
from embed import random_weights, settings_of, speeds
from gpu.ceilings import copy_rate, matrix_rate
from gpu.pictures import LARGE, SMALL, jpegs
from gpu.stage import Part, Setting, rates_of
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from gapscope.decode.children import decode_apart
from gapscope.decode.gpu import decode_on_gpu
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.settings import SPEEDUPS, Frame

MODEL, DRY_MODEL = "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_320_fpn"
DRY_STEPS = ("float32", "+ channels last")
_SIZES, _BATCH = (224, 512), 128


def timed(size: int, batch: int, wanted: tuple[str, ...] | None, setting: Setting) -> dict[str, Any]:
    """Time torchvision as it comes and ours, step by step; shares are of the rates measured in the same process."""
    model, side = setting.size(MODEL, DRY_MODEL), setting.size(size, 64)
    device: Any = replace(setting.device, batch_images=setting.size(batch, 2))  # type: ignore[type-var]
    weights = random_weights(model, setting.folder(f"speeds-{size}-{batch}"))
    found = speeds(model, weights, side, setting.size(10, 1), device, setting.size(wanted, DRY_STEPS))
    medians = {name: float(np.median(rates)) for name, rates in found["images_per_second"].items()}
    operations, traffic = backbone_work(model, side)
    products, copies = matrix_rate(setting, torch.bfloat16)["best"], copy_rate(setting)["median"]
    return {
        **found,
        "backbone_operations_per_image": operations,
        "backbone_bytes_per_image": traffic,
        "matrix_rate": products,
        "memory_rate": copies,
        "share_of_matrix_rate": {name: rate * operations / products for name, rate in medians.items()},
        "share_of_memory_rate": {name: rate * traffic / copies for name, rate in medians.items()},
    }


def backbone_work(model: str, size: int) -> tuple[float, float]:
    """Return what the backbone needs per image: operations, and bytes of bfloat16 that convolutions read and write.

    The FPN is not counted: what ours skips would be credited to it otherwise. Bytes are those of every convolution's
    input and output, which is what is left when all else is fused into them; weights, shared by a batch, are not.
    """
    trunk: Any = MODELS[model].build()
    body = trunk.backbone.body
    moved: list[int] = []

    def count(_: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        moved.append(2 * (given[0].numel() + found.numel()))

    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        body.eval()(torch.zeros(1, 3, size, size))
    return float(counter.get_total_flops()), float(sum(moved))


def _captured(size: int, setting: Setting) -> dict[str, Any]:
    """Time the same network replayed from a CUDA graph, which the project does not use: is there anything to gain?"""
    model, device = MODEL, replace(setting.device, batch_images=_BATCH)  # type: ignore[type-var]
    weights = random_weights(model, setting.folder(f"captured-{size}"))
    speedups = SPEEDUPS[:-1]
    network = device.place(load_pyramid(replace(settings_of(model, weights, size), speedups=speedups)), speedups)
    pixels = torch.from_numpy(device.buffer((device.batch_images, size, size, 3)))
    batch = pixels.to("cuda")
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
        # Warmed up on another stream, as torch's notes on CUDA graphs ask for.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                network(batch.permute(0, 3, 1, 2))
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answers = network(batch.permute(0, 3, 1, 2))

    def run() -> None:
        batch.copy_(pixels, non_blocking=True)
        graph.replay()
        for values in answers.values():
            values.cpu()

    return rates_of(len(batch), run, setting.size(10, 1))


def _profile(size: int, setting: Setting) -> dict[str, Any]:
    """Say which kernels take the time, with and without the compiler."""
    model, side = setting.size(MODEL, DRY_MODEL), setting.size(size, 64)
    device: Any = replace(setting.device, batch_images=setting.size(128, 2))  # type: ignore[type-var]
    weights = random_weights(model, setting.folder(f"profile-{size}"))
    pixels = device.buffer((device.batch_images, side, side, 3))
    pixels[...] = 128
    found: dict[str, Any] = {}
    for name, speedups in (("compiled", SPEEDUPS), ("not compiled", SPEEDUPS[:-1]))[setting.size(0, 1) :]:
        settings = replace(settings_of(model, weights, side), precision="bfloat16", speedups=speedups)
        network = device.place(load_pyramid(settings), speedups)
        for _ in range(3):
            device.embed(network, pixels, "bfloat16")()
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.name == "cuda" else [])]
        with profile(activities=kinds) as profiler:
            for _ in range(setting.size(5, 1)):
                device.embed(network, pixels, "bfloat16")()
        order = "self_device_time_total" if device.name == "cuda" else "self_cpu_time_total"
        found[name] = profiler.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=80).splitlines()
    return found


def _decode(setting: Setting) -> dict[str, Any]:
    """Time decoding by the CPU's cores and by the GPU, asked for by 16 threads, as a run asks."""
    found: dict[str, Any] = {}
    readers = {"cpu": decode_apart}
    if setting.device.name == "cuda":
        readers["gpu"] = decode_on_gpu
    for size, copies in setting.size(((SMALL, 32), (LARGE, 4)), (((96, 72), 1),)):
        paths = jpegs(setting, setting.size(64, 16), size)
        for side in setting.size(_SIZES, (64,)):
            found[f"{size[0]}x{size[1]} to {side}"] = {
                name: by_the_clock(paths, partial(read, frame=Frame(size=side)), setting.size(5, 1), name, copies)
                for name, read in readers.items()
            }
    return found


PARTS: dict[str, Part] = {
    **{f"{size} pixels, batch {_BATCH}": partial(timed, size, _BATCH, None) for size in _SIZES[::-1]},
    **{f"profile at {size} pixels": partial(_profile, size) for size in _SIZES[::-1]},
    "decode": _decode,
    **{f"graph captured at {size} pixels": partial(_captured, size) for size in _SIZES[::-1]},
}
DRY = ("224 pixels, batch 128", "profile at 224 pixels", "decode")
