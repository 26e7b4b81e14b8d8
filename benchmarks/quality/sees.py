"""Whether embeddings capture the content of an image: accuracy of a nearest-neighbor classifier, level by level.

The input is a folder with a sub-folder of photographs per class. The benchmark reports how often an image's 5 nearest
neighbors predict its class (5 folds), in the distances that comparisons use: for the bundled model, for networks with
random weights, and for raw pixels. `--model` adds other models.
"""

import sys
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

from gapscope.decode.picture import decode
from gapscope.device import choose_device
from gapscope.pyramid import find_model, load_pyramid
from gapscope.settings import Preprocess
from gapscope.sources import open_source

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import embed_settings

_SIZE = 224
_SPEEDUPS = ("pooled-fpn", "fold", "channels-last")


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--images", type=int, default=500, help="photographs, chosen at random (default: 500)")
    parser.add_argument("--model", action="append", default=[], help="NAME=WEIGHTS of another model")
    options = parser.parse_args()
    root = options.folder.resolve()
    source = open_source("photographs", str(root))
    entries = list(source.entries())
    chosen = np.random.default_rng(0).permutation(len(entries))[: options.images]
    encoded = [source.read(entries[index]) for index in chosen]
    labels = np.array([Path(entries[index].uri).relative_to(root).parts[0] for index in chosen])

    models = [("bundled", find_model("bundled").weights()), *(name.split("=", 1) for name in options.model)]
    accuracy: dict[str, Any] = {
        name: _level_accuracies(name, Path(weights), encoded, labels) for name, weights in models
    }
    for name in ("bundled", "fasterrcnn_resnet50_fpn_v2"):
        accuracy[f"{name}, random weights"] = _random_accuracies(name, encoded, labels, options.out.parent)
    pixels = np.stack([decode(data, Preprocess(size=_SIZE)).pixels for data in encoded])
    accuracy["pixels"] = {f"{side} x {side}": _knn_accuracy(_downsampled(pixels, side), labels) for side in (8, 32)}
    for name, levels in accuracy.items():
        print(f"{name:<44}" + "  ".join(f"{level} {value:.3f}" for level, value in levels.items()))
    write_result(options.out, {"images": len(labels), "size": _SIZE, "accuracy": accuracy})


def _random_accuracies(name: str, encoded: list[bytes], labels: NDArray[Any], folder: Path) -> dict[str, float]:
    torch.manual_seed(0)
    trunk = find_model(name).build().eval()
    # Batch norms get the statistics of real activations, as after training; without them deep maps vanish or explode.
    trunk.train()
    images = np.stack([decode(data, Preprocess(size=_SIZE)).pixels for data in encoded[:32]])
    with torch.no_grad():
        for _ in range(20):
            trunk(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 64 - 2)
    state = trunk.eval().state_dict()
    path = folder / f".{name}.random.pth"
    try:
        torch.save({key.removeprefix("network."): value for key, value in state.items()}, path)
        return _level_accuracies(name, path, encoded, labels)
    finally:
        path.unlink(missing_ok=True)


def _level_accuracies(name: str, weights: Path, encoded: list[bytes], labels: NDArray[Any]) -> dict[str, float]:
    device = choose_device()
    settings = replace(embed_settings(name, weights, _SIZE), precision="float32", speedups=_SPEEDUPS)
    network = device.prepare_network(load_pyramid(settings), _SPEEDUPS)
    parts = []
    for start in range(0, len(encoded), device.batch_images):
        images = [decode(data, settings.preprocess).pixels for data in encoded[start : start + device.batch_images]]
        pixels = device.allocate_batch((device.batch_images, _SIZE, _SIZE, 3))
        pixels[...] = 0
        pixels[: len(images)] = np.stack(images)
        embeddings = device.embed(network, pixels, "float32")()
        parts.append({level: values[: len(images)] for level, values in embeddings.items()})
    return {level: _knn_accuracy(np.concatenate([part[level] for part in parts]), labels) for level in settings.levels}


def _downsampled(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    step = pixels.shape[1] // side
    blocks = pixels.reshape(len(pixels), side, step, side, step, 3).astype(np.float32)
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(pixels), -1))


def _knn_accuracy(values: NDArray[np.float32], labels: NDArray[Any]) -> float:
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(5, metric="cosine"))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(classifier, values.astype(np.float64), labels, cv=folds).mean())


if __name__ == "__main__":
    main()
