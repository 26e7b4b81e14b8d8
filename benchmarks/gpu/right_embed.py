"""Embeddings and decoded pixels on the GPU, compared with the CPU's."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from gpu.pictures import LARGE, SMALL, jpegs
from gpu.stage import Part, Result, Setting
from networks import embed_settings, random_weights
from numpy.typing import NDArray
from speed.embed import rounding_errors

from gapscope.decode.gpu import _BOOT, GpuDecoder
from gapscope.decode.picture import decode
from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.settings import DEFAULT_MODEL, SPEEDUPS, EmbedSettings, Precision, Preprocess

_IMAGES, _BATCH = 64, 16
Variants = dict[str, tuple[Precision, tuple[str, ...]]]
"""Precision and speed-ups by name."""
VARIANTS: Variants = {
    "float32": ("float32", ()),
    "float32, not compiled": ("float32", SPEEDUPS[:-1]),
    "bfloat16, not compiled": ("bfloat16", SPEEDUPS[:-1]),
}
_ALL_VARIANTS: Variants = {
    **VARIANTS,
    "float32, compiled": ("float32", SPEEDUPS),
    "bfloat16, compiled": ("bfloat16", SPEEDUPS),
}
_DRY_VARIANTS: Variants = {"float32": VARIANTS["float32"]}

# The GPU decoder's child process with Pillow as the decoder, so that a dry run needs no GPU.
_DRY_BOOT = """
import io
import numpy as np, torch
from PIL import Image
from gapscope.decode.child import serve
from gapscope.decode.gpu_child import batch_handler
def decode_one(data):
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB")))
serve({memory}, batch_handler(lambda batch: [decode_one(data) for data in batch]))
"""


def compare_model(name: str, variants: Variants, setting: Setting) -> Iterator[Result]:
    """Compare the device with the CPU in float32 without any speed-up, on the same pixels."""
    model = MODELS[name]
    weights = model.weights() if name == "bundled" else random_weights(name, setting.folder(name))
    size = setting.size(model.size, 64)
    frame = Preprocess(size=size)
    paths = jpegs(setting, setting.size(_IMAGES, 16), setting.size(SMALL, (96, 72)))
    pixels = np.stack([decode(path.read_bytes(), frame).pixels for path in paths])
    settings = embed_settings(name, weights, size)
    origin = "its own" if name == "bundled" else "random, with batch norms that do something"
    yield {"images": len(paths), "size": size, "weights": origin}
    exact = _embed(Cpu(), settings, pixels, "float32", ())
    for variant, (precision, speedups) in setting.size(variants, _DRY_VARIANTS).items():
        yield {variant: rounding_errors(exact, _embed(setting.device, settings, pixels, precision, speedups))}


def _embed(
    device: Device,
    settings: EmbedSettings,
    pixels: NDArray[np.uint8],
    precision: Precision,
    speedups: tuple[str, ...],
) -> dict[str, NDArray[np.float32]]:
    network = device.prepare_network(load_pyramid(replace(settings, precision=precision, speedups=speedups)), speedups)
    parts = [
        device.embed(network, pixels[start : start + _BATCH], precision)() for start in range(0, len(pixels), _BATCH)
    ]
    return {level: np.concatenate([part[level] for part in parts]) for level in parts[0]}


def _decoder(setting: Setting) -> Iterator[Result]:
    """Compare the GPU's decoder with the CPU's: pixels, and embeddings of the bundled network."""
    gpu_decode = GpuDecoder(setting.size(_BOOT, _DRY_BOOT))
    frame = Preprocess(size=setting.size(224, 64))
    settings = embed_settings("bundled", MODELS["bundled"].weights(), frame.size)
    for size in setting.size((SMALL, LARGE), ((96, 72),)):
        data = [path.read_bytes() for path in jpegs(setting, setting.size(64, 16), size)]
        decoded = [(gpu_decode(encoded, frame), decode(encoded, frame)) for encoded in data]
        pairs = [(by_gpu.pixels, by_cpu.pixels) for by_gpu, by_cpu in decoded if by_gpu is not None]
        result: Result = {
            "images": len(data),
            "left to the CPU": len(data) - len(pairs),
            "given up": gpu_decode.fallback_reason,
        }
        if pairs:
            gpu_pixels, cpu_pixels = (np.stack(pixels) for pixels in zip(*pairs, strict=True))
            difference = np.abs(gpu_pixels.astype(int) - cpu_pixels)
            result |= {"mean_difference_of_255": float(difference.mean()), "largest_difference": int(difference.max())}
            by_cpu, by_gpu = (_embed(Cpu(), settings, pixels, "float32", ()) for pixels in (cpu_pixels, gpu_pixels))
            result["embeddings"] = rounding_errors(by_cpu, by_gpu)
        yield {f"{size[0]}x{size[1]}": result}


PARTS: dict[str, Part] = {
    "decoder": _decoder,
    "bundled": partial(compare_model, "bundled", _ALL_VARIANTS),
    DEFAULT_MODEL: partial(compare_model, DEFAULT_MODEL, _ALL_VARIANTS),
}
