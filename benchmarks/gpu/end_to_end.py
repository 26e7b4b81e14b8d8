"""Files to Zarr on one GPU: images a second, how busy it is, and what the workers waited for."""

from collections.abc import Iterator
from functools import partial

from gpu.embedding import bundled_settings, detector_settings, embed_files
from gpu.pictures import LARGE, SMALL, jpegs, named
from gpu.stage import Found, Part, Setting

from gapscope.bench.watch import Watch
from gapscope.settings import EmbedSettings

_DISTINCT = 300


def _files_to_zarr(network: str, side: int, size: tuple[int, int], count: int, setting: Setting) -> Iterator[Found]:
    distinct = jpegs(setting, setting.size(_DISTINCT, 16), setting.size(size, (96, 72)))
    images = setting.size(count, 40)
    here = setting.folder(f"{network}-{side}-{size[0]}")
    folder = named(here / "images", distinct, images)
    pixels = setting.size(side, 64)
    settings: EmbedSettings = bundled_settings(pixels) if network == "bundled" else detector_settings(setting, pixels)
    # Compilers and decoders start; what they make is kept on disk or in this process.
    warm = named(here / "warm", distinct, setting.size(6000, 8))
    embed_files(here / "warm-run", warm, settings, setting, "inline")
    yield {"images": images, "distinct": len(distinct), "size_of_files": list(size), "network_side": pixels}
    with Watch() as watch:
        seconds, told, record = embed_files(here / "run", folder, settings, setting, "inline")
    yield {"seconds": seconds, "images_per_second": images / seconds, "block_rows": record.block_rows}
    yield {"watched": watch.facts(), "told": told.notes}


PARTS: dict[str, Part] = {
    "detector at 512, small files": partial(_files_to_zarr, "detector", 512, SMALL, 60_000),
    "bundled at 224, small files": partial(_files_to_zarr, "bundled", 224, SMALL, 60_000),
    "detector at 512, large files": partial(_files_to_zarr, "detector", 512, LARGE, 6_000),
    "detector at 224, small files": partial(_files_to_zarr, "detector", 224, SMALL, 60_000),
}
