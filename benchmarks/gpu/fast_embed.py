"""How many images a second does the pyramid embed, against torchvision and against what the machine reaches?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from decode import by_the_clock
from embed import random_weights, settings_of, torchvision_run
from gpu.ceilings import copy_rate, matrix_rate
from gpu.pictures import LARGE, SMALL, jpegs
from gpu.stage import Found, Part, Setting, Stopwatch, rates_of
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.gpu import decode_on_gpu
from gapscope.device.protocol import Network
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.settings import SPEEDUPS, Precision, Preprocess

MODEL, DRY_MODEL = "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_320_fpn"
_SIZES, _BATCH = (224, 512), 128


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way to compute the pyramid.

    Attributes:
        rounded: what convolutions and products are rounded to; None for float32.
        tf32: float32 convolutions may be rounded to TF32, as torch does by default and gapscope does not.
        torchvision: as torchvision has it, not ours.
        compiled: by torch.compile.
        captured: in a CUDA graph.
    """

    rounded: torch.dtype | None = None
    tf32: bool = False
    torchvision: bool = False
    compiled: bool = False
    captured: bool = False

    @property
    def rate(self) -> tuple[torch.dtype, bool]:
        """Return the kind of matrix product that bounds it: dtype, and whether it is rounded to TF32."""
        return self.rounded or torch.float32, self.tf32

    @property
    def precision(self) -> Precision | None:
        """Return the project's own word for its arithmetic; None where it has none."""
        return {(None, False): "float32", (torch.bfloat16, False): "bfloat16"}.get((self.rounded, self.tf32))  # type: ignore[return-value]


_BF16, _FP16 = torch.bfloat16, torch.float16
VARIANTS: dict[str, Variant] = {
    "bfloat16, compiled": Variant(rounded=_BF16, compiled=True),
    "bfloat16": Variant(rounded=_BF16),
    "torchvision, float32": Variant(torchvision=True),
    "torchvision, bfloat16, channels last": Variant(torchvision=True, rounded=_BF16),
    "float16, compiled": Variant(rounded=_FP16, compiled=True),
    "bfloat16, compiled, CUDA graph": Variant(rounded=_BF16, compiled=True, captured=True),
    "bfloat16, CUDA graph": Variant(rounded=_BF16, captured=True),
    "float16": Variant(rounded=_FP16),
    "torchvision, float32, TF32": Variant(torchvision=True, tf32=True),
    "float32": Variant(),
    "float32, TF32": Variant(tf32=True),
    "float32, compiled": Variant(compiled=True),
}
"""In order of worth: time may run out."""
DRY_VARIANTS = ("bfloat16", "torchvision, float32, TF32", "float32, TF32")


def timed(size: int, batch: int, wanted: tuple[str, ...] | None, setting: Setting) -> Iterator[Found]:
    """Time ours and torchvision, each also with the other's rounding; shares are of rates of the same process."""
    model, side = setting.size(MODEL, DRY_MODEL), setting.size(size, 64)
    device: Any = replace(setting.device, batch_images=setting.size(batch, 2))  # type: ignore[type-var]
    operations, traffic = backbone_work(model, side)
    yield {
        "model": model,
        "side": side,
        "batch": device.batch_images,
        "backbone_operations_per_image": operations,
        "backbone_bytes_per_image": traffic,
    }
    copies = copy_rate(setting)["median"]
    yield {"memory_rate": copies}
    pixels = device.allocate_batch((device.batch_images, side, side, 3))
    pixels[...] = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    weights, products = random_weights(model, setting.folder("speeds")), dict[tuple[torch.dtype, bool], float]()
    names = setting.size(wanted or tuple(VARIANTS), DRY_VARIANTS)
    for name in names:
        variant = VARIANTS[name]
        if variant.rate not in products:
            products[variant.rate] = matrix_rate(setting, variant.rate[0], tf32=variant.tf32)["best"]
        clock = Stopwatch()
        run, network = _built(variant, model, weights, side, pixels, device)
        run()
        found: Found = {"first_batch_seconds": clock.lap()}
        found["images_per_second"] = rates_of(device.batch_images, run, setting.size(10, 1))
        rate = found["images_per_second"]["median"]
        found["matrix_rate"] = products[variant.rate]
        found["share_of_matrix_rate"] = rate * operations / products[variant.rate]
        found["share_of_memory_rate"] = rate * traffic * (1 if variant.rounded else 2) / copies
        if network is not None and variant.precision and not variant.captured:
            found["images_per_second_one_batch_ahead"] = _one_ahead(
                device, network, pixels, variant.precision, setting.size(20, 2)
            )
        yield {name: found}
        # Each has the card to itself.
        del run, network
        if setting.on_gpu:
            torch.cuda.empty_cache()


def _built(
    variant: Variant, model: str, weights: Any, side: int, pixels: NDArray[np.uint8], device: Any
) -> tuple[Callable[[], Any], Network | None]:
    """Return what embeds the batch and waits for it, and the network where it is ours."""
    if variant.torchvision:
        run = torchvision_run(model, weights, side, pixels, device, rounded=variant.rounded, tf32=variant.tf32)
        return run, None
    speedups = SPEEDUPS if variant.compiled else SPEEDUPS[:-1]
    network = device.prepare_network(
        load_pyramid(replace(settings_of(model, weights, side), speedups=speedups)), speedups
    )
    if variant.captured:
        return _captured(variant, network, pixels), network
    if variant.precision:
        return partial(_embedded_by, device, network, pixels, variant.precision), network
    return partial(_embedded, variant, network, pixels, device.name), network


def _embedded_by(device: Any, network: Network, pixels: NDArray[np.uint8], precision: Precision) -> None:
    """Embed a batch as a run does, and wait for it."""
    device.embed(network, pixels, precision)()


def _embedded(variant: Variant, network: Network, pixels: NDArray[np.uint8], where: str) -> list[Tensor]:
    """Embed a batch with an arithmetic that the project does not offer."""
    batch = torch.from_numpy(pixels).to(where, non_blocking=True)
    with _arithmetic(variant, where), torch.inference_mode():
        return [values.cpu() for values in network(batch.permute(0, 3, 1, 2)).values()]


@contextmanager
def _arithmetic(variant: Variant, where: str, *, cache: bool = True) -> Iterator[None]:
    rounded = variant.rounded or torch.bfloat16
    with (
        torch.autocast(where, rounded, enabled=variant.rounded is not None, cache_enabled=cache),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=variant.tf32),
    ):
        yield


def _captured(variant: Variant, network: Network, pixels: NDArray[np.uint8]) -> Callable[[], None]:
    """Capture the network in a CUDA graph, which the project does not use: is there anything to gain?"""
    given = torch.from_numpy(pixels)
    batch = given.to("cuda")
    with torch.inference_mode(), _arithmetic(variant, "cuda", cache=False):
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
        batch.copy_(given, non_blocking=True)
        graph.replay()
        for values in answers.values():
            values.cpu()

    return run


def _one_ahead(device: Any, network: Network, pixels: NDArray[np.uint8], precision: Precision, batches: int) -> float:
    """Return images per second as a run embeds: the next batch is sent before the last is waited for."""
    other = device.allocate_batch(pixels.shape)
    other[...] = pixels
    clock, under_way = Stopwatch(), None
    for number in range(batches):
        sent = device.embed(network, (pixels, other)[number % 2], precision)
        if under_way is not None:
            under_way()
        under_way = sent
    assert under_way is not None
    under_way()
    return batches * len(pixels) / max(clock.lap(), 1e-9)


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


def _profile(size: int, setting: Setting) -> Iterator[Found]:
    """Say which kernels take the time, with and without the compiler."""
    model, side = setting.size(MODEL, DRY_MODEL), setting.size(size, 64)
    device: Any = replace(setting.device, batch_images=setting.size(128, 2))  # type: ignore[type-var]
    weights = random_weights(model, setting.folder("profile"))
    pixels = device.allocate_batch((device.batch_images, side, side, 3))
    pixels[...] = 128
    for name, speedups in (("compiled", SPEEDUPS), ("not compiled", SPEEDUPS[:-1]))[setting.size(0, 1) :]:
        settings = replace(settings_of(model, weights, side), precision="bfloat16", speedups=speedups)
        network = device.prepare_network(load_pyramid(settings), speedups)
        for _ in range(3):
            device.embed(network, pixels, "bfloat16")()
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.name == "cuda" else [])]
        with profile(activities=kinds) as profiler:
            for _ in range(setting.size(5, 1)):
                device.embed(network, pixels, "bfloat16")()
        order = "self_device_time_total" if device.name == "cuda" else "self_cpu_time_total"
        table = profiler.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=80)
        yield {name: table.splitlines()}


def _decode(setting: Setting) -> Iterator[Found]:
    """Time decoding by the CPU's cores and by the GPU, asked for by 16 threads, as a run asks."""
    readers = {"cpu": decode_in_subprocess}
    if setting.on_gpu:
        readers["gpu"] = decode_on_gpu
    for size, copies in setting.size(((SMALL, 32), (LARGE, 4)), (((96, 72), 1),)):
        paths = jpegs(setting, setting.size(64, 16), size)
        for side in setting.size(_SIZES, (64,)):
            for name, read in readers.items():
                rates = by_the_clock(
                    paths, partial(read, preprocess=Preprocess(size=side)), setting.size(5, 1), name, copies
                )
                yield {f"{size[0]}x{size[1]} to {side}, {name}": rates}


PARTS: dict[str, Part] = {
    **{f"{size} pixels, batch {_BATCH}": partial(timed, size, _BATCH, None) for size in _SIZES[::-1]},
    **{f"profile at {size} pixels": partial(_profile, size) for size in _SIZES[::-1]},
    "decode": _decode,
}
