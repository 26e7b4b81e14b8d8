"""How many photographs per second one core decodes and resizes, and how shrinking on load changes their embeddings.

The inputs are photographs of 500 x 375 and of 4000 x 3000 pixels, made from those in scikit-image's wheel: cropped to
4:3, resized, with noise like a camera's (standard deviation 3 of 255), saved as JPEG of quality 90. Each method reads a
photograph from its file, decodes it, and resizes it to the network's square:

- pillow: a plain loop of `Image.open`, `convert("RGB")` and bicubic `resize`;
- torchvision: `decode_image` and an antialiased bicubic `resize`;
- libvips: `thumbnail_buffer`, which also shrinks on load, on one thread; only if pyvips is installed;
- gapscope here: gapscope's decoder in this process;
- gapscope: what a run does: the same in a decoder process, with the transfer to it and back.

Rates are per second of processor time of this process and of the decoder process, so that other programs on the machine
do not count. For the large photographs the benchmark also measures how shrinking on load changes the embedding and how
much time it saves, for several numbers of pixels kept per pixel needed (gapscope's own is
`gapscope.decode.shrink.OVERSAMPLING`). The change is the distance to the embedding of the same photograph decoded at
full size, divided by the distance to the nearest other photograph.

If there is a GPU, its decoder is compared with the CPU's by wall time, with 16 threads that request images as a run
does.

Takes about two minutes, and needs no input.
"""

import importlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from gapscope.decode import shrink
from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.gpu import decode_on_gpu
from gapscope.decode.picture import decode
from gapscope.pyramid import Pyramid
from gapscope.settings import Preprocess

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from images import skimage_photograph
from networks import bundled_pyramid

SIZES = ((500, 375), (4000, 3000))
NAMES = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
NOISE, QUALITY = 3.0, 90
KEPT = (1.0, 1.5, 2.0, 3.0)
MAX_DIFFERENCE = 3.0
"""Mean absolute difference of pixels, of 255, between two methods: more means a wrong picture, not another filter."""

Method = Callable[[Path], NDArray[np.uint8]]


def main() -> None:
    """Measure, print tables, and write the JSON."""
    parser = argument_parser(__doc__, repeats=7)
    parser.add_argument("--side", type=int, default=224, help="side of the square, in pixels (default: 224)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    preprocess = Preprocess(size=options.side)
    result: dict[str, Any] = {
        "settings": {"side": options.side, "fit": preprocess.fit, "noise": NOISE, "quality": QUALITY},
        "speed": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            paths = write_photographs(Path(folder), width, height)
            check_methods_agree(paths, preprocess)
            result["speed"][f"{width}x{height}"] = measure_speed(paths, preprocess, options.repeats)
            if torch.cuda.is_available():
                decoders = {"cpu": decode_in_subprocess, "gpu": decode_on_gpu}
                result["speed"][f"{width}x{height}"]["by_the_clock"] = {
                    name: threaded_rates(paths, partial(decode_bytes, preprocess=preprocess), options.repeats, name)
                    for name, decode_bytes in decoders.items()
                }
        result["shrink_on_load"] = measure_shrinking(paths, preprocess, options.repeats)
    write_result(options.out, result)


def write_photographs(folder: Path, width: int, height: int) -> list[Path]:
    """Write one JPEG file of this size per photograph of scikit-image's wheel."""
    random, paths = np.random.default_rng(0), []
    for name in NAMES:
        image = skimage_photograph(name)
        scale = min(image.width / width, image.height / height)
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        box = (left, top, left + width * scale, top + height * scale)
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box), np.float32)
        noisy = np.clip(pixels + random.normal(0, NOISE, pixels.shape), 0, 255).astype(np.uint8)
        paths.append(folder / f"{Path(name).stem}-{width}.jpg")
        Image.fromarray(noisy).save(paths[-1], quality=QUALITY)
    return paths


def methods_of(preprocess: Preprocess) -> dict[str, Method]:
    """Return every method to read a file's pixels; the first is the baseline of the others."""
    side = preprocess.size

    def read_with_pillow(path: Path) -> NDArray[np.uint8]:
        return np.asarray(Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC))

    def read_with_torchvision(path: Path) -> NDArray[np.uint8]:
        pixels = decode_image(str(path), ImageReadMode.RGB)
        resized = functional.resize(pixels, [side, side], InterpolationMode.BICUBIC, antialias=True)
        return np.asarray(resized.permute(1, 2, 0), np.uint8)

    return {
        "pillow": read_with_pillow,
        "torchvision": read_with_torchvision,
        **libvips_method(side),
        "gapscope here": lambda path: decode(path.read_bytes(), preprocess).pixels,
        "gapscope": lambda path: decode_in_subprocess(path.read_bytes(), preprocess).pixels,
    }


def libvips_method(side: int) -> dict[str, Method]:
    """Return libvips' method if pyvips is installed, else nothing."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    try:
        pyvips = importlib.import_module("pyvips")
    except ImportError:
        return {}
    pyvips.cache_set_max(0)

    def read(path: Path) -> NDArray[np.uint8]:
        pixels = pyvips.Image.thumbnail_buffer(path.read_bytes(), side, height=side, size="force").numpy()
        return np.asarray(pixels, np.uint8)

    return {"libvips": read}


def check_methods_agree(paths: Sequence[Path], preprocess: Preprocess) -> None:
    """Check that all methods give the same picture when none of them crops.

    Raises:
        SystemExit: a method gives another picture than Pillow.
    """
    stretched = Preprocess(size=preprocess.size, fit="stretch")
    baseline, methods = methods_of(preprocess)["pillow"], methods_of(stretched)
    for path in paths:
        for name in list(methods)[1:]:
            difference = np.abs(methods[name](path).astype(int) - baseline(path)).mean()
            if difference > MAX_DIFFERENCE:
                raise SystemExit(f"{name} gives a different picture of {path.name}: {difference:.1f} of 255")


def measure_speed(paths: Sequence[Path], preprocess: Preprocess, repeats: int) -> dict[str, Any]:
    """Measure every method on the same files."""
    images_per_second = {name: cpu_rates(paths, method, repeats) for name, method in methods_of(preprocess).items()}
    medians = {name: float(np.median(rates)) for name, rates in images_per_second.items()}
    mean_bytes = float(np.mean([path.stat().st_size for path in paths]))
    print(f"{paths[0].stem.rpartition('-')[2]} pixels wide, {mean_bytes / 1000:,.0f} kB on average")
    for name, median in medians.items():
        print(f"  {name:<16}{median:8.1f} images/s per core{median / medians['pillow']:8.2f} x pillow")
    return {
        "mean_bytes": mean_bytes,
        "images_per_second_per_core": images_per_second,
        "times_pillow": {name: median / medians["pillow"] for name, median in medians.items()},
    }


def threaded_rates(
    paths: Sequence[Path], decode_bytes: Callable[[bytes], Any], repeats: int, name: str, copies: int = 16
) -> list[float]:
    """Return images per second of wall time of the whole machine, with 16 threads that request them."""
    rates = []
    with ThreadPoolExecutor(16) as pool:
        encoded = [path.read_bytes() for path in paths] * copies
        list(pool.map(decode_bytes, encoded))
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(decode_bytes, encoded))
            rates.append(len(encoded) / (time.perf_counter() - start))
    print(f"  {name}, 16 threads {np.median(rates):10.1f} images/s")
    return rates


def cpu_rates(paths: Sequence[Path], method: Method, repeats: int) -> list[float]:
    """Return images per second of processor time for every repeat, each of at least half a second of work."""
    start = cpu_seconds()
    for path in paths:
        method(path)
    rounds = max(1, round(0.5 / (cpu_seconds() - start)))
    rates = []
    for _ in range(repeats):
        start = cpu_seconds()
        for _ in range(rounds):
            for path in paths:
                method(path)
        rates.append(rounds * len(paths) / (cpu_seconds() - start))
    return rates


def cpu_seconds() -> float:
    """Return the processor time of this process and its decoder processes, user and system time together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    # The first number is the time on a processor in nanoseconds: the kernel's documentation, scheduler/sched-stats.
    tasks = Path("/proc/self/task").iterdir()
    decoders = [Path(f"/proc/{child}/schedstat") for task in tasks for child in (task / "children").read_text().split()]
    return usage.ru_utime + usage.ru_stime + sum(int(file.read_text().split()[0]) for file in decoders) / 1e9


def measure_shrinking(paths: Sequence[Path], preprocess: Preprocess, repeats: int) -> list[dict[str, Any]]:
    """Measure how shrinking on load changes embeddings, and its speed, by the pixels kept per pixel needed."""
    pyramid, default_kept = bundled_pyramid(preprocess.size), shrink.OVERSAMPLING
    shrink.OVERSAMPLING = 1000
    full = embed_files(pyramid, paths, preprocess)
    results = []
    print("kept   images/s per core   change of the embedding over the distance to the nearest photograph, by level")
    for kept in KEPT:
        shrink.OVERSAMPLING = kept
        rates = cpu_rates(paths, methods_of(preprocess)["gapscope here"], repeats)
        shares = {}
        for level, values in embed_files(pyramid, paths, preprocess).items():
            distances = np.linalg.norm(full[level][:, None] - full[level][None], axis=2)
            nearest = np.where(np.eye(len(paths), dtype=bool), np.inf, distances).min(axis=1)
            shares[level] = (np.linalg.norm(values - full[level], axis=1) / nearest).tolist()
        results.append({"kept": kept, "images_per_second_per_core": rates, "share_of_nearest": shares})
        largest = "  ".join(f"{level} {max(values):.4f}" for level, values in shares.items())
        print(f"{kept:4.1f}{np.median(rates):16.1f}       largest: {largest}")
    shrink.OVERSAMPLING = default_kept
    return results


def embed_files(pyramid: Pyramid, paths: Sequence[Path], preprocess: Preprocess) -> dict[str, NDArray[np.float32]]:
    """Return the embeddings of files, per level (n, channels)."""
    pixels = np.stack([decode(path.read_bytes(), preprocess).pixels for path in paths])
    with torch.inference_mode():
        embeddings = pyramid(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return {level: values.numpy() for level, values in embeddings.items()}


if __name__ == "__main__":
    main()
