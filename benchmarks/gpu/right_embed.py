"""Are embeddings and pictures on the GPU those of the CPU?"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from embed import differences, random_weights, settings_of
from gpu.pictures import LARGE, SMALL, jpegs
from gpu.stage import Found, Part, Setting
from numpy.typing import NDArray

from gapscope.decode.gpu import _BOOT, GpuDecoder
from gapscope.decode.picture import decode
from gapscope.device import Device
from gapscope.device.cpu import Cpu
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.settings import DEFAULT_MODEL, SPEEDUPS, EmbedSettings, Precision, Preprocess

_IMAGES, _BATCH = 64, 16
Ways = dict[str, tuple[Precision, tuple[str, ...]]]
WAYS: Ways = {
    "float32": ("float32", ()),
    "float32, not compiled": ("float32", SPEEDUPS[:-1]),
    "bfloat16, not compiled": ("bfloat16", SPEEDUPS[:-1]),
}
_ALL_WAYS: Ways = {**WAYS, "float32, compiled": ("float32", SPEEDUPS), "bfloat16, compiled": ("bfloat16", SPEEDUPS)}
_DRY_WAYS: Ways = {"float32": WAYS["float32"]}

# The decoder's process with Pillow in it, so that all around the GPU's decoder runs where there is no GPU.
_DRY_BOOT = """
import io
import numpy as np, torch
from PIL import Image
from gapscope.decode.child import serve
from gapscope.decode.gpu_child import batch_handler
def one(data):
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB")))
serve({memory}, batch_handler(lambda batch: [one(data) for data in batch]))
"""


def model_right(name: str, ways: Ways, setting: Setting) -> Iterator[Found]:
    """Hold the device against the CPU in float32 without any speed-up, on the same pixels."""
    model = MODELS[name]
    weights = model.weights() if name == "bundled" else random_weights(name, setting.folder(name))
    size = setting.size(model.size, 64)
    frame = Preprocess(size=size)
    paths = jpegs(setting, setting.size(_IMAGES, 16), setting.size(SMALL, (96, 72)))
    pixels = np.stack([decode(path.read_bytes(), frame).pixels for path in paths])
    settings = settings_of(name, weights, size)
    kind = "its own" if name == "bundled" else "random, with batch norms that do something"
    yield {"images": len(paths), "size": size, "weights": kind}
    exact = _embedded(Cpu(), settings, pixels, "float32", ())
    for way, (precision, speedups) in setting.size(ways, _DRY_WAYS).items():
        yield {way: differences(exact, _embedded(setting.device, settings, pixels, precision, speedups))}


def _embedded(
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


def _decoder(setting: Setting) -> Iterator[Found]:
    """Hold the GPU's decoder against the CPU's: pixels, and embeddings by the bundled network."""
    read = GpuDecoder(setting.size(_BOOT, _DRY_BOOT))
    frame = Preprocess(size=setting.size(224, 64))
    settings = settings_of("bundled", MODELS["bundled"].weights(), frame.size)
    for size in setting.size((SMALL, LARGE), ((96, 72),)):
        data = [path.read_bytes() for path in jpegs(setting, setting.size(64, 16), size)]
        ours, theirs = [read(each, frame) for each in data], [decode(each, frame) for each in data]
        both = [(mine.pixels, its.pixels) for mine, its in zip(ours, theirs, strict=True) if mine is not None]
        numbers: Found = {
            "images": len(data),
            "left to the CPU": len(data) - len(both),
            "given up": read.fallback_reason,
        }
        if both:
            by_gpu, by_cpu = (np.stack(pixels) for pixels in zip(*both, strict=True))
            apart = np.abs(by_gpu.astype(int) - by_cpu)
            numbers |= {"mean_difference_of_255": float(apart.mean()), "largest_difference": int(apart.max())}
            exact, other = (_embedded(Cpu(), settings, pixels, "float32", ()) for pixels in (by_cpu, by_gpu))
            numbers["embeddings"] = differences(exact, other)
        yield {f"{size[0]}x{size[1]}": numbers}


PARTS: dict[str, Part] = {
    "decoder": _decoder,
    "bundled": partial(model_right, "bundled", _ALL_WAYS),
    DEFAULT_MODEL: partial(model_right, DEFAULT_MODEL, _ALL_WAYS),
}
