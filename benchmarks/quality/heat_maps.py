"""Heat maps: whether they point at a square that was planted in a photograph, and whether they open at the best level.

The input is a folder of photographs and one of paintings, with a sub-folder per class. Squares of a quarter of the side
are planted anywhere in 96 photographs: of another photograph, of a painting, of three textures, and made ones. The
reference is the photographs that are left. A bank has what one has on the page of a run with as many images: 24 images
that tell what is usual, the nearest of each of these and of each image that is held against it, 24 at a time, and 150
random ones.

For each kind of square: the area under the ROC curve of its pixels, per level, as a mean over the images; and at the
level that the page would open at for eight images together. Fails if the best level's is under 0.9 for squares of other
pictures or of textures, each as a mean.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.photographs import SIZE, read_photographs

from gapscope.demo.photographs import open_photograph
from gapscope.heat_maps.bank import Bank, fit_bank
from gapscope.heat_maps.opening import opening_level
from gapscope.heat_maps.squares import Square, choose_squares, paste, pointing_of
from gapscope.pyramid.local_features import LocalFeatures

Pixels = NDArray[np.uint8]
Maps = dict[str, NDArray[np.float32]]

_IMAGES, _AT_ONCE, _OF_A_KIND = 96, 24, 8
_USUAL, _RANDOM = 24, 150
_NEAREST_AT = "P5"
_SIDE = SIZE // 4
_GOOD = 0.9
_PICTURES = ("photograph", "whole photograph", "painting")
_TEXTURES = ("brick", "gravel", "grass")
COLUMNS = {
    "levels": "mean area under the ROC curve, per level",
    "best": "the largest of these",
    "opens": "the same at the level that eight images together open at",
    "opened": "how often each level was that",
}


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("photographs", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("paintings", type=Path, help="a sub-folder of paintings per class")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    photographs, paintings = (
        random.permutation(read_photographs(folder)[0]) for folder in (options.photographs, options.paintings)
    )
    images, others, reference = np.split(photographs, [_IMAGES, 2 * _IMAGES])
    squares = [Square(0, *map(int, random.integers(0, SIZE - _SIDE + 1, 2))) for _ in range(_IMAGES)]
    network = LocalFeatures(bundled_pyramid(SIZE))
    features = local_features(network, reference)
    result: dict[str, Any] = {"columns": COLUMNS, "reference": len(reference), "planted": {}}
    seconds = {"bank": 0.0, "images": 0.0}
    for name, patch in _patches(others, paintings, random).items():
        planted = _planted(images, squares, patch)
        result["planted"][name] = _measure(network, reference, features, planted, squares, seconds)
        print(f"{name:20s}", result["planted"][name])
    result["milliseconds"] = {
        "bank, per image": 1000 * seconds["bank"] / (_IMAGES * len(result["planted"])),
        "heat maps, per image": 1000 * seconds["images"] / (_IMAGES * len(result["planted"])),
    }
    write_result(options.out, result)
    planted = result["planted"]
    found = {
        what: float(np.mean([planted[name]["best"] for name in names]))
        for what, names in {"other pictures": _PICTURES, "textures": _TEXTURES}.items()
    }
    failed = [f"{name}: {area:.3f}" for name, area in found.items() if area < _GOOD]
    if failed:
        raise SystemExit(f"under {_GOOD}: {', '.join(failed)}")


def local_features(network: LocalFeatures, pixels: Pixels) -> Maps:
    """Return (n, channels, h, w) by level."""
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(pixels[start : start + 32]).permute(0, 3, 1, 2))
            for start in range(0, len(pixels), 32)
        ]
    return {level: np.concatenate([part[level].numpy() for part in parts]) for level in parts[0]}


def _patches(
    others: Pixels, paintings: Pixels, random: np.random.Generator
) -> dict[str, Callable[[int, Pixels], Pixels]]:
    """Return what makes the square of the image that comes `number`-th, from what it covers."""
    middle = slice((SIZE - _SIDE) // 2, (SIZE + _SIDE) // 2)
    textures = {name: (open_photograph(f"{name}.png") * 255).astype(np.uint8) for name in _TEXTURES}
    checkers = np.add(*np.indices((_SIDE, _SIDE)) // 7) % 2 * 255

    def texture(name: str) -> Callable[[int, Pixels], Pixels]:
        def patch(number: int, covered: Pixels) -> Pixels:
            top, left = random.integers(0, textures[name].shape[0] - 2 * _SIDE, 2)
            return textures[name][top : top + 2 * _SIDE : 2, left : left + 2 * _SIDE : 2]

        return patch

    def whole(number: int, covered: Pixels) -> Pixels:
        return np.asarray(Image.fromarray(others[number]).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))

    return {
        "photograph": lambda number, covered: others[number][middle, middle],
        "whole photograph": whole,
        "painting": lambda number, covered: paintings[number][middle, middle],
        **{name: texture(name) for name in _TEXTURES},
        "checkers": lambda number, covered: np.repeat(checkers[..., None], 3, axis=2).astype(np.uint8),
        "noise": lambda number, covered: random.integers(0, 256, covered.shape).astype(np.uint8),
        "blur": lambda number, covered: np.asarray(Image.fromarray(covered).filter(ImageFilter.GaussianBlur(3))),
    }


def _planted(images: Pixels, squares: list[Square], patch: Callable[[int, Pixels], Pixels]) -> Pixels:
    planted = images.copy()
    for number, (image, square) in enumerate(zip(planted, squares, strict=True)):
        place = (slice(square.top, square.top + _SIDE), slice(square.left, square.left + _SIDE))
        image[place] = patch(number, image[place])
    return planted


def _measure(
    network: LocalFeatures,
    reference: Pixels,
    features: Maps,
    planted: Pixels,
    squares: list[Square],
    seconds: dict[str, float],
) -> dict[str, Any]:
    own = local_features(network, planted)
    areas: dict[str, list[float]] = {level: [] for level in own}
    opens, opened = [], []
    for start in range(0, _IMAGES, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        began = time.perf_counter()
        banks = _banks(network, reference, features, own[_NEAREST_AT][part])
        seconds["bank"] += time.perf_counter() - began
        began = time.perf_counter()
        maps = {level: bank.heat_maps(own[level][part]) for level, bank in banks.items()}
        seconds["images"] += time.perf_counter() - began
        for level, found in maps.items():
            areas[level].append(pointing_of(found, squares[part], SIZE))
        for first in range(0, _AT_ONCE, _OF_A_KIND):
            kind = slice(first, first + _OF_A_KIND)
            focus = {level: float(banks[level].focus_of(found[kind]).mean()) for level, found in maps.items()}
            opened.append(opening_level(focus, {level: bank.pointing for level, bank in banks.items()}))
            opens.append(pointing_of(maps[opened[-1]][kind], squares[part][kind], SIZE))
    means = {level: round(float(np.mean(values)), 3) for level, values in areas.items()}
    return {
        "levels": means,
        "best": max(means.values()),
        "opens": round(float(np.mean(opens)), 3),
        "opened": {level: opened.count(level) for level in means},
    }


def _banks(network: LocalFeatures, reference: Pixels, features: Maps, queries: NDArray[np.float32]) -> dict[str, Bank]:
    pooled, means = queries.mean(axis=(2, 3)), features[_NEAREST_AT].mean(axis=(2, 3))
    center, spread = means.mean(axis=0), means.std(axis=0)
    vectors, query_vectors = ((values - center) / spread for values in (means, pooled))
    vectors, query_vectors = (
        values / np.linalg.norm(values, axis=1, keepdims=True) for values in (vectors, query_vectors)
    )
    likeness = np.concatenate([query_vectors, vectors[:_USUAL]]) @ vectors.T
    likeness[len(queries) + np.arange(_USUAL), np.arange(_USUAL)] = -1
    random = [*range(_USUAL + _RANDOM)]
    chosen = np.array([*random, *sorted({*likeness.argmax(axis=1).tolist()} - {*random})])
    squares = choose_squares(len(chosen), _USUAL, SIZE)
    pasted = local_features(network, paste(reference[chosen], squares))
    return {level: fit_bank(maps[chosen], pasted[level], squares, SIZE) for level, maps in features.items()}


if __name__ == "__main__":
    main()
