"""How many photographs a second does a core bring into the network's square, and does shrinking on load change them?

Photographs of 500 x 375 and of 4000 x 3000 pixels are made from those that scikit-image's wheel carries: cut to 4:3,
scaled, given noise of a camera's size (standard deviation 3 of 255) and saved as JPEG of quality 90. Each is read from
its file, decoded, and brought to the square by

- pillow: a plain loop of `Image.open`, `convert("RGB")` and bicubic `resize`;
- torchvision: `decode_image` and an antialiased bicubic `resize`;
- libvips: `thumbnail_buffer`, which shrinks on load as well, on one thread; where pyvips is installed;
- gapscope here: what a decoder does, in this process;
- gapscope: what a run does, in a decoder process, with all that goes to it and comes back.

Rates are per second of processor time, of this process and of the decoder, so that other programs on the machine do
not count. For the large ones the change of the embedding by shrinking on load stands beside its price, for several
numbers of pixels that are kept per pixel wanted (gapscope's own is `gapscope.decode.shrink.KEPT`): the distance to the
embedding of the same photograph decoded whole, over the distance to the nearest other photograph.

Where there is a GPU, its decoder stands beside the CPU's by the clock, with 16 threads that ask for images as a run has
them.

Takes about two minutes and nothing from outside.
"""

import argparse
import importlib
import io
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from gapscope.bench.machine import machine
from gapscope.decode import shrink
from gapscope.decode.children import decode_in_subprocess
from gapscope.decode.gpu import decode_on_gpu
from gapscope.decode.picture import decode
from gapscope.pyramid import MODELS, Pyramid, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess

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
LARGEST_DIFFERENCE = 3.0
"""Mean absolute difference of pixels, of 255, between two ways: more is a wrong picture, not another filter."""

Way = Callable[[Path], NDArray[np.uint8]]


def main() -> None:
    """Measure, print tables, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--side", type=int, default=224, help="of the square, in pixels (default: 224)")
    parser.add_argument("--repeats", type=int, default=7, help="of every measurement (default: 7)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    frame = Preprocess(size=options.side)
    result: dict[str, Any] = {
        "machine": machine(),
        "settings": {"side": options.side, "fit": frame.fit, "noise": NOISE, "quality": QUALITY},
        "speed": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            paths = photographs(Path(folder), width, height)
            check_right(paths, frame)
            result["speed"][f"{width}x{height}"] = speed(paths, frame, options.repeats)
            if torch.cuda.is_available():
                readers = {"cpu": decode_in_subprocess, "gpu": decode_on_gpu}
                result["speed"][f"{width}x{height}"]["by_the_clock"] = {
                    name: by_the_clock(paths, partial(read, frame=frame), options.repeats, name)
                    for name, read in readers.items()
                }
        result["shrink_on_load"] = changes(paths, frame, options.repeats)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def photographs(folder: Path, width: int, height: int) -> list[Path]:
    """Write one JPEG file of this size per photograph of the wheel."""
    random, paths = np.random.default_rng(0), []
    for name in NAMES:
        image = Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")
        unit = min(image.width / width, image.height / height)
        left, top = (image.width - width * unit) / 2, (image.height - height * unit) / 2
        box = (left, top, left + width * unit, top + height * unit)
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box), np.float32)
        noisy = np.clip(pixels + random.normal(0, NOISE, pixels.shape), 0, 255).astype(np.uint8)
        paths.append(folder / f"{Path(name).stem}-{width}.jpg")
        Image.fromarray(noisy).save(paths[-1], quality=QUALITY)
    return paths


def ways(frame: Preprocess) -> dict[str, Way]:
    """Return every way from a file to its pixels. The first is what the others are held against."""
    side = frame.size

    def by_pillow(path: Path) -> NDArray[np.uint8]:
        return np.asarray(Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC))

    def by_torchvision(path: Path) -> NDArray[np.uint8]:
        pixels = decode_image(str(path), ImageReadMode.RGB)
        small = functional.resize(pixels, [side, side], InterpolationMode.BICUBIC, antialias=True)
        return np.asarray(small.permute(1, 2, 0), np.uint8)

    return {
        "pillow": by_pillow,
        "torchvision": by_torchvision,
        **by_libvips(side),
        "gapscope here": lambda path: decode(path.read_bytes(), frame).pixels,
        "gapscope": lambda path: decode_in_subprocess(path.read_bytes(), frame).pixels,
    }


def by_libvips(side: int) -> dict[str, Way]:
    """Return libvips' way, where it is installed."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    try:
        pyvips = importlib.import_module("pyvips")
    except ImportError:
        return {}
    pyvips.cache_set_max(0)

    def read(path: Path) -> NDArray[np.uint8]:
        found = pyvips.Image.thumbnail_buffer(path.read_bytes(), side, height=side, size="force").numpy()
        return np.asarray(found, np.uint8)

    return {"libvips": read}


def check_right(paths: Sequence[Path], frame: Preprocess) -> None:
    """See that the ways that are timed give pictures of the same thing; they differ in what they cut off."""
    stretched = Preprocess(size=frame.size, fit="stretch")
    plain, whole = ways(frame)["pillow"], ways(stretched)
    for path in paths:
        for name in list(whole)[1:]:
            difference = np.abs(whole[name](path).astype(int) - plain(path)).mean()
            if difference > LARGEST_DIFFERENCE:
                raise SystemExit(f"{name} gives another picture of {path.name}: {difference:.1f} of 255")


def speed(paths: Sequence[Path], frame: Preprocess, repeats: int) -> dict[str, Any]:
    """Measure every way on the same files."""
    images_per_second = {name: rates(paths, way, repeats) for name, way in ways(frame).items()}
    medians = {name: float(np.median(found)) for name, found in images_per_second.items()}
    mean_bytes = float(np.mean([path.stat().st_size for path in paths]))
    print(f"{paths[0].stem.rpartition('-')[2]} pixels wide, {mean_bytes / 1000:,.0f} kB on average")
    for name, median in medians.items():
        print(f"  {name:<16}{median:8.1f} images/s per core{median / medians['pillow']:8.2f} x pillow")
    return {
        "mean_bytes": mean_bytes,
        "images_per_second_per_core": images_per_second,
        "times_pillow": {name: median / medians["pillow"] for name, median in medians.items()},
    }


def by_the_clock(
    paths: Sequence[Path], decoded: Callable[[bytes], Any], repeats: int, name: str, copies: int = 16
) -> list[float]:
    """Return images per second of the whole machine, asked for by 16 threads."""
    found = []
    with ThreadPoolExecutor(16) as pool:
        many = [path.read_bytes() for path in paths] * copies
        list(pool.map(decoded, many))
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(decoded, many))
            found.append(len(many) / (time.perf_counter() - start))
    print(f"  {name}, 16 threads {np.median(found):10.1f} images/s")
    return found


def rates(paths: Sequence[Path], way: Way, repeats: int) -> list[float]:
    """Return images per second of processor time, once per repeat; half a second of work or more each."""
    start = processor_seconds()
    for path in paths:
        way(path)
    rounds = max(1, round(0.5 / (processor_seconds() - start)))
    found = []
    for _ in range(repeats):
        start = processor_seconds()
        for _ in range(rounds):
            for path in paths:
                way(path)
        found.append(rounds * len(paths) / (processor_seconds() - start))
    return found


def processor_seconds() -> float:
    """Return the processor time that this process and its decoders have taken, the kernel's work for them included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    # The first number is the time on a processor in nanoseconds: the kernel's documentation, scheduler/sched-stats.
    tasks = Path("/proc/self/task").iterdir()
    decoders = [Path(f"/proc/{child}/schedstat") for task in tasks for child in (task / "children").read_text().split()]
    return used.ru_utime + used.ru_stime + sum(int(each.read_text().split()[0]) for each in decoders) / 1e9


def changes(paths: Sequence[Path], frame: Preprocess, repeats: int) -> list[dict[str, Any]]:
    """Measure what shrinking on load does to embeddings, and what it costs, by the pixels kept per pixel wanted."""
    pyramid, kept = bundled(frame), shrink.KEPT
    shrink.KEPT = 1000
    whole = embeddings(pyramid, paths, frame)
    found = []
    print("kept   images/s per core   change of the embedding over the distance to the nearest photograph, by level")
    for number in KEPT:
        shrink.KEPT = number
        rate = rates(paths, ways(frame)["gapscope here"], repeats)
        shares = {}
        for level, values in embeddings(pyramid, paths, frame).items():
            between = np.linalg.norm(whole[level][:, None] - whole[level][None], axis=2)
            nearest = np.where(np.eye(len(paths), dtype=bool), np.inf, between).min(axis=1)
            shares[level] = (np.linalg.norm(values - whole[level], axis=1) / nearest).tolist()
        found.append({"kept": number, "images_per_second_per_core": rate, "share_of_nearest": shares})
        means = "  ".join(f"{level} {max(values):.4f}" for level, values in shares.items())
        print(f"{number:4.1f}{np.median(rate):16.1f}       largest: {means}")
    shrink.KEPT = kept
    return found


def bundled(frame: Preprocess) -> Pyramid:
    """Return the bundled network with all its levels."""
    model, weights = MODELS["bundled"], MODELS["bundled"].weights()
    return load_pyramid(
        EmbedSettings(
            model="bundled",
            weights=str(weights),
            weights_sha256=sha256_of(weights),
            levels=model.choose_levels(None),
            preprocess=frame,
        )
    )


def embeddings(pyramid: Pyramid, paths: Sequence[Path], frame: Preprocess) -> dict[str, NDArray[np.float32]]:
    """Embed files: per level (n, channels)."""
    pixels = np.stack([decode(path.read_bytes(), frame).pixels for path in paths])
    with torch.inference_mode():
        found = pyramid(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return {level: values.numpy() for level, values in found.items()}


if __name__ == "__main__":
    main()
