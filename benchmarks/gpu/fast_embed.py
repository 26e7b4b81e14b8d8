"""Images per second of the pyramid, compared with torchvision and with the machine's own limits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from gpu.ceilings import copy_rate, matrix_rate
from gpu.pictures import LARGE, SMALL, jpegs
from gpu.stage import Part, Result, Setting, rate_summary
from harness import Stopwatch
from networks import embed_settings, random_weights
from numpy.typing import NDArray
from speed.decode import threaded_rates
from speed.embed import torchvision_embedder
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
        autocast: dtype of convolutions and matrix products; None for float32.
        tf32: whether float32 convolutions may use TF32, which torch does by default and gapscope does not.
        torchvision: whether torchvision computes it, not gapscope.
        compiled: whether torch.compile compiles it.
        captured: whether it runs as a CUDA graph.
    """

    autocast: torch.dtype | None = None
    tf32: bool = False
    torchvision: bool = False
    compiled: bool = False
    captured: bool = False

    @property
    def rate(self) -> tuple[torch.dtype, bool]:
        """Return the matrix product that bounds the speed: its dtype, and whether it uses TF32."""
        return self.autocast or torch.float32, self.tf32

    @property
    def precision(self) -> Precision | None:
        """Return gapscope's name for this arithmetic; None if gapscope does not offer it."""
        return {(None, False): "float32", (torch.bfloat16, False): "bfloat16"}.get((self.autocast, self.tf32))  # type: ignore[return-value]


_BF16, _FP16 = torch.bfloat16, torch.float16
VARIANTS: dict[str, Variant] = {
    "bfloat16, compiled": Variant(autocast=_BF16, compiled=True),
    "bfloat16": Variant(autocast=_BF16),
    "torchvision, float32": Variant(torchvision=True),
    "torchvision, bfloat16, channels last": Variant(torchvision=True, autocast=_BF16),
    "float16, compiled": Variant(autocast=_FP16, compiled=True),
    "bfloat16, compiled, CUDA graph": Variant(autocast=_BF16, compiled=True, captured=True),
    "bfloat16, CUDA graph": Variant(autocast=_BF16, captured=True),
    "float16": Variant(autocast=_FP16),
    "torchvision, float32, TF32": Variant(torchvision=True, tf32=True),
    "float32": Variant(),
    "float32, TF32": Variant(tf32=True),
    "float32, compiled": Variant(compiled=True),
}
"""The most important first, since time may run out."""
DRY_VARIANTS = ("bfloat16", "torchvision, float32, TF32", "float32, TF32")


def measure_variants(size: int, batch: int, variants: tuple[str, ...] | None, setting: Setting) -> Iterator[Result]:
    """Time gapscope and torchvision, each also with the other's precision; all shares are of rates in this process."""
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
    weights, matrix_rates = random_weights(model, setting.folder("speeds")), dict[tuple[torch.dtype, bool], float]()
    names = setting.size(variants or tuple(VARIANTS), DRY_VARIANTS)
    for name in names:
        variant = VARIANTS[name]
        if variant.rate not in matrix_rates:
            matrix_rates[variant.rate] = matrix_rate(setting, variant.rate[0], tf32=variant.tf32)["best"]
        clock = Stopwatch()
        run, network = _prepare(variant, model, weights, side, pixels, device)
        run()
        result: Result = {"first_batch_seconds": clock.lap()}
        result["images_per_second"] = rate_summary(device.batch_images, run, setting.size(10, 1))
        rate = result["images_per_second"]["median"]
        result["matrix_rate"] = matrix_rates[variant.rate]
        result["share_of_matrix_rate"] = rate * operations / matrix_rates[variant.rate]
        result["share_of_memory_rate"] = rate * traffic * (1 if variant.autocast else 2) / copies
        if network is not None and variant.precision and not variant.captured:
            result["images_per_second_one_batch_ahead"] = _rate_one_batch_ahead(
                device, network, pixels, variant.precision, setting.size(20, 2)
            )
        yield {name: result}
        # Each variant has the card to itself.
        del run, network
        if setting.on_gpu:
            torch.cuda.empty_cache()


def _prepare(
    variant: Variant, model: str, weights: Any, side: int, pixels: NDArray[np.uint8], device: Any
) -> tuple[Callable[[], Any], Network | None]:
    """Return a function that embeds the batch and waits for it, and the network unless it is torchvision's."""
    if variant.torchvision:
        run = torchvision_embedder(model, weights, side, pixels, device, autocast=variant.autocast, tf32=variant.tf32)
        return run, None
    speedups = SPEEDUPS if variant.compiled else SPEEDUPS[:-1]
    network = device.prepare_network(
        load_pyramid(replace(embed_settings(model, weights, side), speedups=speedups)), speedups
    )
    if variant.captured:
        return _capture_graph(variant, network, pixels), network
    if variant.precision:
        return partial(_embed, device, network, pixels, variant.precision), network
    return partial(_embed_with, variant, network, pixels, device.name), network


def _embed(device: Any, network: Network, pixels: NDArray[np.uint8], precision: Precision) -> None:
    """Embed a batch as a run does, and wait for it."""
    device.embed(network, pixels, precision)()


def _embed_with(variant: Variant, network: Network, pixels: NDArray[np.uint8], device_name: str) -> list[Tensor]:
    """Embed a batch with an arithmetic that gapscope does not offer."""
    batch = torch.from_numpy(pixels).to(device_name, non_blocking=True)
    with _arithmetic(variant, device_name), torch.inference_mode():
        return [values.cpu() for values in network(batch.permute(0, 3, 1, 2)).values()]


@contextmanager
def _arithmetic(variant: Variant, device_name: str, *, cache: bool = True) -> Iterator[None]:
    dtype = variant.autocast or torch.bfloat16
    with (
        torch.autocast(device_name, dtype, enabled=variant.autocast is not None, cache_enabled=cache),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=variant.tf32),
    ):
        yield


def _capture_graph(variant: Variant, network: Network, pixels: NDArray[np.uint8]) -> Callable[[], None]:
    """Capture the network in a CUDA graph, which gapscope does not use, to see what it would gain."""
    host_batch = torch.from_numpy(pixels)
    batch = host_batch.to("cuda")
    with torch.inference_mode(), _arithmetic(variant, "cuda", cache=False):
        # The warm-up runs on another stream, as torch's notes on CUDA graphs require.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                network(batch.permute(0, 3, 1, 2))
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = network(batch.permute(0, 3, 1, 2))

    def run() -> None:
        batch.copy_(host_batch, non_blocking=True)
        graph.replay()
        for values in outputs.values():
            values.cpu()

    return run


def _rate_one_batch_ahead(
    device: Any, network: Network, pixels: NDArray[np.uint8], precision: Precision, batches: int
) -> float:
    """Return images per second as a run embeds: it sends the next batch before it waits for the last one."""
    other = device.allocate_batch(pixels.shape)
    other[...] = pixels
    clock, pending = Stopwatch(), None
    for number in range(batches):
        submitted = device.embed(network, (pixels, other)[number % 2], precision)
        if pending is not None:
            pending()
        pending = submitted
    assert pending is not None
    pending()
    return batches * len(pixels) / max(clock.lap(), 1e-9)


def backbone_work(model: str, size: int) -> tuple[float, float]:
    """Return the operations of the backbone per image, and the bytes of bfloat16 that its convolutions read and write.

    The FPN is not counted, since gapscope would otherwise be credited with the operations that it skips. The bytes are
    those of every convolution's input and output, which remain when all other operations are fused into them. Weights
    are not counted, since a batch shares them.
    """
    trunk: Any = MODELS[model].build()
    body = trunk.backbone.body
    n_bytes: list[int] = []

    def count(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        n_bytes.append(2 * (inputs[0].numel() + output.numel()))

    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        body.eval()(torch.zeros(1, 3, size, size))
    return float(counter.get_total_flops()), float(sum(n_bytes))


def _profile(size: int, setting: Setting) -> Iterator[Result]:
    """Report which kernels take the time, with and without the compiler."""
    model, side = setting.size(MODEL, DRY_MODEL), setting.size(size, 64)
    device: Any = replace(setting.device, batch_images=setting.size(128, 2))  # type: ignore[type-var]
    weights = random_weights(model, setting.folder("profile"))
    pixels = device.allocate_batch((device.batch_images, side, side, 3))
    pixels[...] = 128
    for name, speedups in (("compiled", SPEEDUPS), ("not compiled", SPEEDUPS[:-1]))[setting.size(0, 1) :]:
        settings = replace(embed_settings(model, weights, side), precision="bfloat16", speedups=speedups)
        network = device.prepare_network(load_pyramid(settings), speedups)
        for _ in range(3):
            device.embed(network, pixels, "bfloat16")()
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.name == "cuda" else [])]
        with profile(activities=activities) as profiler:
            for _ in range(setting.size(5, 1)):
                device.embed(network, pixels, "bfloat16")()
        order = "self_device_time_total" if device.name == "cuda" else "self_cpu_time_total"
        table = profiler.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=80)
        yield {name: table.splitlines()}


def _decode(setting: Setting) -> Iterator[Result]:
    """Time decoding by the CPU's cores and by the GPU, with 16 threads that request images as a run does."""
    decoders = {"cpu": decode_in_subprocess}
    if setting.on_gpu:
        decoders["gpu"] = decode_on_gpu
    for size, copies in setting.size(((SMALL, 32), (LARGE, 4)), (((96, 72), 1),)):
        paths = jpegs(setting, setting.size(64, 16), size)
        for side in setting.size(_SIZES, (64,)):
            for name, decode_bytes in decoders.items():
                rates = threaded_rates(
                    paths, partial(decode_bytes, preprocess=Preprocess(size=side)), setting.size(5, 1), name, copies
                )
                yield {f"{size[0]}x{size[1]} to {side}, {name}": rates}


PARTS: dict[str, Part] = {
    **{f"{size} pixels, batch {_BATCH}": partial(measure_variants, size, _BATCH, None) for size in _SIZES[::-1]},
    **{f"profile at {size} pixels": partial(_profile, size) for size in _SIZES[::-1]},
    "decode": _decode,
}
