"""Each stage beside the ceiling that this machine has for it: what the hardware, or the library below, does at most.

    python benchmarks/stages.py FIRST SECOND --out benchmarks/results/stages.json

Decoding is measured on the images' own bytes, store, search and map on as many made-up embeddings as --rows says, and
comparison and report on a run that is made of the two folders. `of_ceiling` is the median of the stage over that of its
ceiling. What each ceiling means stands beside it in the result.
"""

import argparse
import io
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from embed import settings_of
from gpu.stage import seconds_of
from numpy.typing import NDArray
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

import gapscope
from gapscope.bench.backends import warm_gapscope, warm_umap
from gapscope.bench.machine import machine
from gapscope.bench.points import made_points, view_of
from gapscope.device import Device, choose_device
from gapscope.device.protocol import Network
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.progress import Silent
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.run import Run
from gapscope.settings import CompareSettings, EmbedSettings, LayoutSettings, Preprocess
from gapscope.stages.compare import compare_datasets
from gapscope.stages.precision import resolve_precision
from gapscope.stages.report import write_report
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.results import read_neighbors

Rates = list[float]
_MATRIX = 2048
_ENDINGS = {".jpg", ".jpeg"}


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs=2, help="two folders of JPEG images")
    parser.add_argument("--images", type=int, default=200, help="of each folder (default: 200)")
    parser.add_argument("--rows", type=int, default=20_000, help="embeddings for search and map (default: 20,000)")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    device = choose_device()
    with tempfile.TemporaryDirectory(prefix="stages-") as name:
        scratch = Path(name)
        folders = [_picked(folder, scratch / str(at), options.images) for at, folder in enumerate(options.folders)]
        data = [file.read_bytes() for folder in folders for file in sorted(folder.iterdir())]
        made = gapscope.compare(
            dict(zip(("first", "second"), folders, strict=True)),
            out=scratch / "run",
            model=options.model,
            cluster="inline",
        )
        model = MODELS[options.model]
        settings = resolve_precision(settings_of(options.model, model.weights(), model.size), len(data), device)
        found = {
            "decode": _decode(data, settings.preprocess, device, options.repeats),
            "model": _model(settings, device, options.repeats),
            "write": _write(scratch, options.rows, options.repeats),
            **_search_and_map(scratch, options.rows, device, options.repeats),
            "outliers": _outliers(made, device, options.repeats),
            "report": _report(made, options.repeats),
        }
        for stage in found.values():
            ours, ceiling = median(stage["per_second"]), median(stage["ceiling_per_second"])
            stage["of_ceiling"] = ours / ceiling
        result = {"machine": machine(), "settings": {"images": len(data), "rows": options.rows}, "stages": found}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{'stage':<10} {'per second':>12} {'ceiling':>12} {'share':>6}  unit; ceiling")
    for name, stage in found.items():
        rates = " ".join(f"{median(stage[key]):>12.4g}" for key in ("per_second", "ceiling_per_second"))
        print(f"{name:<10} {rates} {stage['of_ceiling']:>6.0%}  {stage['unit']}; {stage['ceiling']}")


def _picked(folder: Path, to: Path, count: int) -> Path:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS)
    to.mkdir()
    for number, file in enumerate(random.Random(0).sample(files, min(count, len(files)))):
        shutil.copy(file, to / f"{number:06d}.jpg")
    return to


def _rates(amount: float, run: Callable[[], Any], repeats: int) -> Rates:
    """Return `amount` per second for every repeat."""
    return [amount / seconds for seconds in seconds_of(run, repeats)]


def _decode(data: list[bytes], frame: Preprocess, device: Device, repeats: int) -> dict[str, Any]:
    def plain(one: bytes) -> None:
        image = Image.open(io.BytesIO(one))
        # As small as the decoder can make it for nothing, but twice what is wanted, as ours does.
        image.draft("RGB", (2 * frame.size, 2 * frame.size))
        image.load()

    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        return {
            "unit": "images",
            "ceiling": "Pillow's decoder alone, in threads of this process, one per core: no resize, no facts",
            "per_second": _rates(
                len(data), lambda: list(pool.map(lambda one: device.decode(one, frame), data)), repeats
            ),
            "ceiling_per_second": _rates(len(data), lambda: list(pool.map(plain, data)), repeats),
        }


def _model(settings: EmbedSettings, device: Device, repeats: int) -> dict[str, Any]:
    size, batch = settings.preprocess.size, device.batch_images
    pixels = device.buffer((batch, size, size, 3))
    pixels[...] = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    pyramid = load_pyramid(settings)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        pyramid(torch.from_numpy(pixels[:1]).permute(0, 3, 1, 2))
    network = device.prepare_network(pyramid, settings.speedups)
    kind = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    flops = _matrix_flops(device, kind, repeats)
    return {
        "unit": "images",
        "ceiling": f"the operations of its convolutions ({counter.get_total_flops():.3g} an image) at the rate of a "
        f"{_MATRIX} x {_MATRIX} product in {settings.precision}",
        "per_second": _rates(batch, lambda: _embedded(device, network, pixels, settings), repeats),
        "ceiling_per_second": [rate / counter.get_total_flops() for rate in flops],
    }


def _embedded(device: Device, network: Network, pixels: NDArray[np.uint8], settings: EmbedSettings) -> None:
    device.embed(network, pixels, settings.precision)()


def _matrix_flops(device: Device, kind: torch.dtype, repeats: int) -> Rates:
    one, other = (torch.randn(_MATRIX, _MATRIX, device=device.name).to(kind) for _ in range(2))
    return _rates(2.0 * _MATRIX**3, lambda: one @ other, repeats)


def _write(scratch: Path, rows: int, repeats: int) -> dict[str, Any]:
    values = made_points(rows, 256, seed=0).astype(np.float16)
    create_pyramid(scratch / "written", "one", rows, 8192, {"P5": 256})
    plain = scratch / "plain.bin"

    def ours() -> None:
        for start in range(0, rows, 8192):
            write_embeddings(scratch / "written", "one", start, {"P5": values[start : start + 8192]})

    def theirs() -> None:
        with plain.open("wb") as file:
            file.write(values.tobytes())

    return {
        "unit": "bytes",
        "ceiling": "the same bytes written to one plain file; neither waits for the disk",
        "per_second": _rates(values.nbytes, ours, repeats),
        "ceiling_per_second": _rates(values.nbytes, theirs, repeats),
    }


def _search_and_map(scratch: Path, rows: int, device: Device, repeats: int) -> dict[str, Any]:
    import umap

    file = scratch / "points.npy"
    np.save(file, made_points(rows, 256, seed=0))
    view, layout = view_of(file), LayoutSettings()
    pairs = float(rows) * rows
    near = device.neighbors(view, view, 30, same=True)
    graph = with_self(near.distances[:, : layout.graph_k], near.indices[:, : layout.graph_k])
    start = pca_init([view], 0)
    warm_gapscope(device)
    warm_umap()

    def unbound() -> None:
        umap.UMAP(
            n_components=3, init=start, precomputed_knn=(graph[1], graph[0]), force_approximation_algorithm=True
        ).fit(start)

    return {
        "neighbors": {
            "unit": "pairs of 256 dimensions",
            "ceiling": f"their products at the rate of a {_MATRIX} x {_MATRIX} product in float32; a search that skips "
            "pairs can pass it",
            "method": near.method,
            "per_second": _rates(pairs, lambda: device.neighbors(view, view, 30, same=True), repeats),
            "ceiling_per_second": [rate / (2 * 256) for rate in _matrix_flops(device, torch.float32, repeats)],
        },
        "layout": {
            "unit": "embeddings",
            "ceiling": "umap-learn on the same graph with all cores and no seed, whose map is another each time",
            "per_second": _rates(rows, lambda: device.layout(start, *graph, layout), repeats),
            "ceiling_per_second": _rates(rows, unbound, repeats),
        },
    }


def _outliers(made: Run, device: Device, repeats: int) -> dict[str, Any]:
    images = sum(facts["listed"] for facts in made.record.datasets.values())

    def ours() -> None:
        compare_datasets(made.path, made.record, CompareSettings(), device, Silent())

    def theirs() -> None:
        for level in made.levels:
            for query in made.datasets:
                for reference in made.datasets:
                    read_neighbors(made.path, level, query, reference)

    return {
        "unit": "images",
        "ceiling": "reading every neighbor once: error bars, permutations and lists are what the rest goes to",
        "per_second": _rates(images, ours, repeats),
        "ceiling_per_second": _rates(images, theirs, repeats),
    }


def _report(made: Run, repeats: int) -> dict[str, Any]:
    ours = _rates(1, lambda: write_report(made, Silent()), repeats)
    content = [file.read_bytes() for file in (made.path / "report").rglob("*") if file.is_file()]
    copy = made.path / "copy.bin"
    return {
        "unit": "reports",
        "ceiling": f"its {sum(map(len, content)) / 1e6:.1f} MB written to one plain file",
        "per_second": ours,
        "ceiling_per_second": _rates(1, lambda: copy.write_bytes(b"".join(content)), repeats),
    }


if __name__ == "__main__":
    main()
