"""Speed of each stage, as a share of its ceiling: the most that the hardware or the library below can do here.

    python benchmarks/speed/stages.py FIRST SECOND --out benchmarks/results/stages.json

Decoding is measured on the bytes of the images; store, search and layout on random embeddings, whose number is --rows;
comparison and report on a run of the two folders. `of_ceiling` is the median rate of the stage divided by that of its
ceiling. The result describes every ceiling.
"""

import io
import os
import random
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

import gapscope
from gapscope.bench.backends import warm_gapscope, warm_umap
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
from gapscope.store.datasets import all_pairs
from gapscope.store.neighbors import read_neighbors
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, rates_of, write_result
from networks import embed_settings

_MATRIX_SIDE = 2048
_SUFFIXES = {".jpg", ".jpeg"}


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__, repeats=5)
    parser.add_argument("folders", type=Path, nargs=2, help="two folders of JPEG images")
    parser.add_argument("--images", type=int, default=200, help="images of each folder (default: 200)")
    parser.add_argument("--rows", type=int, default=20_000, help="embeddings for search and layout (default: 20,000)")
    parser.add_argument("--model", default="bundled", help="the network (default: bundled)")
    options = parser.parse_args()
    device = choose_device()
    with tempfile.TemporaryDirectory(prefix="stages-") as name:
        scratch = Path(name)
        folders = [
            _copy_sample(folder, scratch / str(number), options.images) for number, folder in enumerate(options.folders)
        ]
        encoded = [file.read_bytes() for folder in folders for file in sorted(folder.iterdir())]
        run = gapscope.compare(
            dict(zip(("first", "second"), folders, strict=True)),
            out=scratch / "run",
            model=options.model,
            cluster="inline",
        )
        model = MODELS[options.model]
        settings = resolve_precision(embed_settings(options.model, model.weights(), model.size), len(encoded), device)
        stages = {
            "decode": _decode(encoded, settings.preprocess, device, options.repeats),
            "model": _model(settings, device, options.repeats),
            "write": _write(scratch, options.rows, options.repeats),
            **_search_and_layout(scratch, options.rows, device, options.repeats),
            "outliers": _outliers(run, device, options.repeats),
            "report": _report(run, options.repeats),
        }
        for stage in stages.values():
            ours, ceiling = median(stage["per_second"]), median(stage["ceiling_per_second"])
            stage["of_ceiling"] = ours / ceiling
        settings_used = {"images": len(encoded), "rows": options.rows}
    write_result(options.out, {"settings": settings_used, "stages": stages})
    print(f"{'stage':<10} {'per second':>12} {'ceiling':>12} {'share':>6}  unit; ceiling")
    for name, stage in stages.items():
        rates = " ".join(f"{median(stage[key]):>12.4g}" for key in ("per_second", "ceiling_per_second"))
        print(f"{name:<10} {rates} {stage['of_ceiling']:>6.0%}  {stage['unit']}; {stage['ceiling']}")


def _copy_sample(folder: Path, target: Path, count: int) -> Path:
    """Copy a random sample of a folder's JPEG files into `target`, and return it."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
    target.mkdir()
    for number, file in enumerate(random.Random(0).sample(files, min(count, len(files)))):
        shutil.copy(file, target / f"{number:06d}.jpg")
    return target


def _decode(encoded: list[bytes], preprocess: Preprocess, device: Device, repeats: int) -> dict[str, Any]:
    def decode_with_pillow(data: bytes) -> None:
        image = Image.open(io.BytesIO(data))
        # Shrinking while decoding costs nothing. Gapscope also keeps twice the pixels that it needs.
        image.draft("RGB", (2 * preprocess.size, 2 * preprocess.size))
        image.load()

    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        return {
            "unit": "images",
            "ceiling": "Pillow's decoder alone, in threads of this process, one per core: no resize, no statistics",
            "per_second": rates_of(
                len(encoded), lambda: list(pool.map(lambda data: device.decode(data, preprocess), encoded)), repeats
            ),
            "ceiling_per_second": rates_of(len(encoded), lambda: list(pool.map(decode_with_pillow, encoded)), repeats),
        }


def _model(settings: EmbedSettings, device: Device, repeats: int) -> dict[str, Any]:
    size, batch = settings.preprocess.size, device.batch_images
    pixels = device.allocate_batch((batch, size, size, 3))
    pixels[...] = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    pyramid = load_pyramid(settings)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        pyramid(torch.from_numpy(pixels[:1]).permute(0, 3, 1, 2))
    network = device.prepare_network(pyramid, settings.speedups)
    dtype = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    flops = _matrix_flops(device, dtype, repeats)
    return {
        "unit": "images",
        "ceiling": f"the operations of its convolutions ({counter.get_total_flops():.3g} an image) at the rate of a "
        f"{_MATRIX_SIDE} x {_MATRIX_SIDE} product in {settings.precision}",
        "per_second": rates_of(batch, lambda: _embed(device, network, pixels, settings), repeats),
        "ceiling_per_second": [rate / counter.get_total_flops() for rate in flops],
    }


def _embed(device: Device, network: Network, pixels: NDArray[np.uint8], settings: EmbedSettings) -> None:
    device.embed(network, pixels, settings.precision)()


def _matrix_flops(device: Device, dtype: torch.dtype, repeats: int) -> list[float]:
    """Return the floating-point operations per second of square matrix products."""
    left, right = (torch.randn(_MATRIX_SIDE, _MATRIX_SIDE, device=device.name).to(dtype) for _ in range(2))
    return rates_of(2.0 * _MATRIX_SIDE**3, lambda: left @ right, repeats)


def _write(scratch: Path, rows: int, repeats: int) -> dict[str, Any]:
    values = made_points(rows, 256, seed=0).astype(np.float16)
    store = RunStore(scratch / "written", RunRecord.of_embeddings({"images": rows}, {"P5": 256}, block_rows=8192))
    create_pyramid(store, "images", {"P5": 256})
    plain_file = scratch / "plain.bin"

    def write_store() -> None:
        for start in range(0, rows, 8192):
            write_embeddings(store, "images", start, {"P5": values[start : start + 8192]})

    def write_plain_file() -> None:
        with plain_file.open("wb") as file:
            file.write(values.tobytes())

    return {
        "unit": "bytes",
        "ceiling": "the same bytes written to one plain file; neither is synced to disk",
        "per_second": rates_of(values.nbytes, write_store, repeats),
        "ceiling_per_second": rates_of(values.nbytes, write_plain_file, repeats),
    }


def _search_and_layout(scratch: Path, rows: int, device: Device, repeats: int) -> dict[str, Any]:
    import umap

    file = scratch / "points.npy"
    np.save(file, made_points(rows, 256, seed=0))
    view, layout = view_of(file), LayoutSettings()
    pairs = float(rows) * rows
    neighbors = device.neighbors(view, view, 30, same=True)
    graph = with_self(neighbors.distances[:, : layout.graph_k], neighbors.indices[:, : layout.graph_k])
    initial = pca_init([view], 0)
    warm_gapscope(device)
    warm_umap()

    def umap_without_seed() -> None:
        umap.UMAP(
            n_components=3, init=initial, precomputed_knn=(graph[1], graph[0]), force_approximation_algorithm=True
        ).fit(initial)

    return {
        "neighbors": {
            "unit": "pairs of 256 dimensions",
            "ceiling": f"their products at the rate of a {_MATRIX_SIDE} x {_MATRIX_SIDE} product in float32; a search "
            "that skips pairs can pass it",
            "method": neighbors.method,
            "per_second": rates_of(pairs, lambda: device.neighbors(view, view, 30, same=True), repeats),
            "ceiling_per_second": [rate / (2 * 256) for rate in _matrix_flops(device, torch.float32, repeats)],
        },
        "layout": {
            "unit": "embeddings",
            "ceiling": "umap-learn on the same graph with all cores and no seed, whose map differs from call to call",
            "per_second": rates_of(rows, lambda: device.layout(initial, *graph, layout), repeats),
            "ceiling_per_second": rates_of(rows, umap_without_seed, repeats),
        },
    }


def _outliers(run: Run, device: Device, repeats: int) -> dict[str, Any]:
    images = run.record.listed

    def compare() -> None:
        compare_datasets(run.store, CompareSettings(), device, Silent())

    def read_graph() -> None:
        for level in run.levels:
            for pair in all_pairs(run.datasets):
                read_neighbors(run.store, level, pair)

    return {
        "unit": "images",
        "ceiling": "reading every neighbor once; error bars, permutations and lists take the rest",
        "per_second": rates_of(images, compare, repeats),
        "ceiling_per_second": rates_of(images, read_graph, repeats),
    }


def _report(run: Run, repeats: int) -> dict[str, Any]:
    rates = rates_of(1, lambda: write_report(run.store, Silent()), repeats)
    content = [file.read_bytes() for file in (run.path / "report").rglob("*") if file.is_file()]
    copy = run.path / "copy.bin"
    return {
        "unit": "reports",
        "ceiling": f"its {sum(map(len, content)) / 1e6:.1f} MB written to one plain file",
        "per_second": rates,
        "ceiling_per_second": rates_of(1, lambda: copy.write_bytes(b"".join(content)), repeats),
    }


if __name__ == "__main__":
    main()
