"""Looks that photographs can be given, so that two datasets differ in style and in nothing else."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from quality.photographs import SIZE, embed, read_photographs

from gapscope.pyramid import Pyramid

_BILINEAR = Image.Resampling.BILINEAR


def _pencil_sketch(image: Image.Image) -> Image.Image:
    """Divide the gray image by its blurred self, which leaves lines on white."""
    gray = ImageOps.grayscale(image)
    blurred = ImageOps.invert(gray).filter(ImageFilter.GaussianBlur(6))
    lines = np.asarray(gray, float) * 255 / (256 - np.asarray(blurred, float))
    return Image.fromarray(np.clip(lines, 0, 255).astype(np.uint8))


def _poster(image: Image.Image) -> Image.Image:
    """Leave few strong colors in flat areas, with dark outlines."""
    flat = image.filter(ImageFilter.MedianFilter(7)).filter(ImageFilter.ModeFilter(7))
    pixels = np.asarray(ImageOps.posterize(flat, 3)).copy()
    edges = ImageOps.grayscale(image).filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    pixels[np.asarray(edges) > 40] = 20
    return ImageEnhance.Color(Image.fromarray(pixels)).enhance(1.8)


def _jpeg_quality_30(image: Image.Image) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=30)
    return Image.open(encoded)


def _half_size_and_back(image: Image.Image) -> Image.Image:
    return image.resize((SIZE // 2, SIZE // 2), _BILINEAR).resize((SIZE, SIZE), _BILINEAR)


def _warmer(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image, float) * (1.1, 1.0, 0.85), 0, 255).astype(np.uint8))


LOOKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "pencil sketch": _pencil_sketch,
    "poster": _poster,
    "JPEG quality 30": _jpeg_quality_30,
    "half the size and back": _half_size_and_back,
    "warmer": _warmer,
}


def embed_looks(
    folder: Path, keep: Path | None, make_pyramid: Callable[[], Pyramid]
) -> dict[str, dict[str, NDArray[np.float16]]]:
    """Return the embeddings of a folder's photographs per look and level.

    Args:
        folder: a sub-folder per class.
        keep: a folder that keeps embeddings, one file per look, and from which they are read; None for none.
        make_pyramid: makes the network.
    """
    caches = {name: keep / f"{folder.name}, {name}.npz" if keep else None for name in LOOKS}
    found = {name: dict(np.load(cache)) for name, cache in caches.items() if cache is not None and cache.exists()}
    missing = [name for name in LOOKS if name not in found]
    if missing:
        pyramid, (pixels, _) = make_pyramid(), read_photographs(folder)
        for name in missing:
            found[name] = embed(pyramid, _render(pixels, LOOKS[name]))
            if (cache := caches[name]) is not None:
                np.savez(cache, **found[name])
    return found


def _render(pixels: NDArray[np.uint8], look: Callable[[Image.Image], Image.Image]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(look(Image.fromarray(image)).convert("RGB"), np.uint8) for image in pixels])
