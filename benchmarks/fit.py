"""Which fit tells two datasets of other aspect ratios apart by their frames, and which keeps what they show?

Takes a folder with a sub-folder of photographs per class. Every second photograph is cut to 4:3, half of what goes from
its top and half from its bottom: two datasets of the same kind that differ in aspect ratio alone. For each fit and
level of the bundled pyramid:

- frames: accuracy of the 5 nearest neighbors (cosine distance of standardised embeddings, the photograph itself left
  out) in telling cut from whole; 0.5 is what chance gives, and what a fit should give;
- classes: their accuracy in telling the class from the photographs of the other aspect ratio alone; higher is better.

Takes about three minutes.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gapscope.bench.machine import machine
from gapscope.decode.fit import fit_to_square
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Fit, Preprocess
from gapscope.sources import open_source

_BATCH = 32
_K = 5


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--images", type=int, default=800, help="photographs to take (default: 800)")
    options = parser.parse_args()
    paths = [Path(entry.uri) for entry in open_source("photographs", str(options.folder)).entries()]
    chosen = sorted(np.random.default_rng(0).permutation(len(paths))[: options.images])
    images = [Image.open(paths[at]).convert("RGB") for at in chosen]
    classes = np.array([paths[at].parent.name for at in chosen])
    cut = np.arange(len(images)) % 2 == 1
    shown = [to_four_by_three(image) if part else image for image, part in zip(images, cut, strict=True)]
    found = {fit: judged(shown, fit, cut, classes) for fit in get_args(Fit)}
    for fit, levels in found.items():
        print(f"{fit:<8}", "  ".join(f"{level} {frames:.3f}/{kind:.3f}" for level, (frames, kind) in levels.items()))
    result = {
        "machine": machine(),
        "images": len(images),
        "classes": dict(Counter(classes.tolist())),
        "fits": {
            fit: {level: {"frames": frames, "classes": kind} for level, (frames, kind) in levels.items()}
            for fit, levels in found.items()
        },
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def to_four_by_three(image: Image.Image) -> Image.Image:
    """Cut an image that is higher than 4:3 allows."""
    height = round(image.width * 3 / 4)
    top = (image.height - height) // 2
    return image.crop((0, top, image.width, top + height)) if top > 0 else image


def judged(
    images: list[Image.Image], fit: Fit, cut: NDArray[np.bool_], classes: NDArray[Any]
) -> dict[str, tuple[float, float]]:
    """Return both accuracies per level."""
    weights = MODELS["bundled"].weights()
    pyramid = load_pyramid(
        EmbedSettings(
            model="bundled",
            weights=str(weights),
            weights_sha256=sha256_of(weights),
            levels=MODELS["bundled"].choose_levels(None),
            preprocess=Preprocess(size=224, fit=fit),
        )
    )
    parts: dict[str, list[NDArray[np.float32]]] = {}
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            squares = [
                fit_to_square(torch.from_numpy(np.array(image)), 224, fit) for image in images[start : start + _BATCH]
            ]
            for level, values in pyramid(torch.stack(squares).permute(0, 3, 1, 2)).items():
                parts.setdefault(level, []).append(values.numpy())
    other = cut[:, None] != cut[None]
    answers = {}
    for level, values in ((level, np.concatenate(part)) for level, part in parts.items()):
        standard = (values - values.mean(axis=0)) / values.std(axis=0)
        unit = standard / np.linalg.norm(standard, axis=1, keepdims=True)
        likeness = unit @ unit.T
        np.fill_diagonal(likeness, -np.inf)
        answers[level] = (
            accuracy(likeness, cut.astype(str)),
            accuracy(np.where(other, likeness, -np.inf), classes),
        )
    return answers


def accuracy(likeness: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """Return the share of images whose label most of their nearest have."""
    nearest = np.argsort(-likeness, axis=1)[:, :_K]
    votes = [Counter(labels[row].tolist()).most_common(1)[0][0] for row in nearest]
    return float(np.mean(np.array(votes) == labels))


if __name__ == "__main__":
    main()
