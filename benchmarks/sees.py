"""Do the embeddings see what is in an image? Classes by the nearest neighbors, level by level.

Takes a folder with a sub-folder of photographs per class, and asks how often the classes of an image's 5 nearest
neighbors are its own (5 folds), in the distances that comparisons are made with: for the bundled model, for networks
with random weights, and for raw pixels. Any other model with weights can be named.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gapscope.bench.machine import machine
from gapscope.decode.picture import decode
from gapscope.device import choose_device
from gapscope.pyramid import find_model, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source

_SPEEDUPS = ("pooled-fpn", "fold", "channels-last")


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--images", type=int, default=500, help="photographs, chosen at random")
    parser.add_argument("--model", action="append", default=[], help="NAME=WEIGHTS of another model to judge")
    options = parser.parse_args()
    root = options.folder.resolve()
    source = open_source("photographs", str(root))
    entries = list(source.entries())
    chosen = np.random.default_rng(0).permutation(len(entries))[: options.images]
    files = [source.read(entries[at]) for at in chosen]
    labels = np.array([Path(entries[at].uri).relative_to(root).parts[0] for at in chosen])

    models = [("bundled", find_model("bundled").weights()), *(name.split("=", 1) for name in options.model)]
    accuracy: dict[str, Any] = {name: _levels(name, Path(weights), files, labels) for name, weights in models}
    for name in ("bundled", "fasterrcnn_resnet50_fpn_v2"):
        accuracy[f"{name}, random weights"] = _random(name, files, labels, options.out.parent)
    pixels = np.stack([decode(data, Preprocess(size=224)).pixels for data in files])
    accuracy["pixels"] = {f"{side} x {side}": _accuracy(_shrunk(pixels, side), labels) for side in (8, 32)}
    for name, numbers in accuracy.items():
        print(f"{name:<44}" + "  ".join(f"{level} {value:.3f}" for level, value in numbers.items()))
    result = {"machine": machine(), "images": len(labels), "size": 224, "accuracy": accuracy}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _random(name: str, files: list[bytes], labels: NDArray[Any], folder: Path) -> dict[str, float]:
    torch.manual_seed(0)
    trunk = find_model(name).build().eval()
    # Statistics of its own activations, as training would leave them: without them deep maps fade or explode.
    trunk.train()
    images = np.stack([decode(data, Preprocess(size=224)).pixels for data in files[:32]])
    with torch.no_grad():
        for _ in range(20):
            trunk(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 64 - 2)
    state = trunk.eval().state_dict()
    path = folder / f".{name}.random.pth"
    try:
        torch.save({key.removeprefix("network."): value for key, value in state.items()}, path)
        return _levels(name, path, files, labels)
    finally:
        path.unlink(missing_ok=True)


def _levels(name: str, weights: Path, files: list[bytes], labels: NDArray[Any]) -> dict[str, float]:
    model, device = find_model(name), choose_device()
    settings = EmbedSettings(
        model=name,
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=model.choose_levels(None),
        preprocess=Preprocess(size=224),
        precision="float32",
    )
    settings = replace(settings, speedups=_SPEEDUPS)
    network = device.prepare_network(load_pyramid(settings), _SPEEDUPS)
    parts = []
    for start in range(0, len(files), device.batch_images):
        some = [decode(data, settings.preprocess).pixels for data in files[start : start + device.batch_images]]
        pixels = device.buffer((device.batch_images, 224, 224, 3))
        pixels[...] = 0
        pixels[: len(some)] = np.stack(some)
        found = device.embed(network, pixels, "float32")()
        parts.append({level: values[: len(some)] for level, values in found.items()})
    return {level: _accuracy(np.concatenate([part[level] for part in parts]), labels) for level in settings.levels}


def _shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    step = pixels.shape[1] // side
    blocks = pixels.reshape(len(pixels), side, step, side, step, 3).astype(np.float32)
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(pixels), -1))


def _accuracy(values: NDArray[np.float32], labels: NDArray[Any]) -> float:
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(5, metric="cosine"))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(classifier, values.astype(np.float64), labels, cv=folds).mean())


if __name__ == "__main__":
    main()
