"""Files to Zarr on one GPU: images per second, how busy the GPU is, and what the workers waited for."""

from collections.abc import Iterator
from functools import partial

from gpu.embedding import detector_settings, embed_files
from gpu.pictures import LARGE, SMALL, hard_links, jpegs
from gpu.stage import Part, Result, Setting
from networks import bundled_settings

from gapscope.bench.watch import Watch
from gapscope.settings import EmbedSettings

_DISTINCT = 300


def _files_to_zarr(network: str, side: int, size: tuple[int, int], count: int, setting: Setting) -> Iterator[Result]:
    distinct = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(size, (96, 72)))
    images = setting.size(count, 40)
    parent = setting.folder(f"{network}-{side}-{size[0]}")
    folder = hard_links(parent / "images", distinct, images)
    pixels = setting.size(side, 64)
    settings: EmbedSettings = bundled_settings(pixels) if network == "bundled" else detector_settings(setting, pixels)
    # Compilers and decoders start here; their results stay on disk or in this process.
    warmup = hard_links(parent / "warm", distinct, setting.size(6000, 8))
    embed_files(parent / "warm-run", warmup, settings, setting, "inline")
    yield {"images": images, "distinct": len(distinct), "size_of_files": list(size), "network_side": pixels}
    with Watch() as watch:
        seconds, progress, record = embed_files(parent / "run", folder, settings, setting, "inline")
    yield {"seconds": seconds, "images_per_second": images / seconds, "block_rows": record.block_rows}
    yield {"watched": watch.facts(), "told": progress.notes}


PARTS: dict[str, Part] = {
    "detector at 512, small files": partial(_files_to_zarr, "detector", 512, SMALL, 60_000),
    "bundled at 224, small files": partial(_files_to_zarr, "bundled", 224, SMALL, 60_000),
    "detector at 512, large files": partial(_files_to_zarr, "detector", 512, LARGE, 6_000),
    "detector at 224, small files": partial(_files_to_zarr, "detector", 224, SMALL, 60_000),
}
