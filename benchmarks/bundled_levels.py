"""How should the bundled pyramid's levels be formed? Candidates, judged by the comparisons that they make possible.

Takes a folder with a sub-folder of photographs per class. For every candidate feature, and averaged over the classes:
one half of all photographs is the query, the other half without one class is the reference, and the left-out class must
be found. Beside it stands the accuracy of a 5-nearest-neighbor classifier of the classes (5 folds).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from gapscope.bench.machine import machine
from gapscope.compare.fdr import benjamini_hochberg
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.decode.picture import decode
from gapscope.pyramid import MODELS, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess
from gapscope.sources import open_source

_BATCH = 32
_K, _CROWD = 5, 30


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    images, labels = _read(options.folder)
    features = _features(images)
    found = {name: _judge(values, labels) for name, values in features.items()}
    for name, numbers in found.items():
        print(f"{name:<34}" + "  ".join(f"{key} {value:.3f}" for key, value in numbers.items()))
    result = {
        "machine": machine(),
        "images": len(labels),
        "classes": {name: int(np.count_nonzero(labels == name)) for name in sorted(set(labels))},
        "candidates": found,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _read(folder: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    source, frame = open_source("photographs", str(folder)), Preprocess(size=224)
    entries = list(source.entries())
    pixels = np.stack([decode(source.read(entry), frame).pixels for entry in entries])
    return pixels, np.array([Path(entry.uri).relative_to(folder.absolute()).parts[0] for entry in entries])


def _features(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    model, weights = MODELS["bundled"], MODELS["bundled"].weights()
    pyramid = load_pyramid(
        EmbedSettings(
            model="bundled",
            weights=str(weights),
            weights_sha256=sha256_of(weights),
            levels=model.choose_levels(None),
            preprocess=Preprocess(size=224),
        )
    )
    parts: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(images[start : start + _BATCH]).permute(0, 3, 1, 2)
            normal = (batch.float() - pyramid.mean) / pyramid.std
            for name, values in _candidates(pyramid.trunk, normal):
                parts.setdefault(name, []).append(values)
    return {name: torch.cat(values).numpy() for name, values in sorted(parts.items())}


def _candidates(trunk: Any, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    maps, network = trunk(images), trunk.network
    for level in ("P2", "P3", "P4", "P5"):
        yield f"{level} mean of the stage", maps[level].mean(dim=(2, 3))
        yield f"{level} mean and spread of the stage", torch.cat(torch.std_mean(maps[level], dim=(2, 3)), dim=1)
    last = maps["P5"]
    yield "P5 last convolution", network.bn2(network.conv_head(last)).mean(dim=(2, 3))
    yield "P6 stage, every second position", last[..., ::2, ::2].mean(dim=(2, 3))
    yield "P6 stage, 2x2 maximum", torch.nn.functional.max_pool2d(last, 2, ceil_mode=True).mean(dim=(2, 3))
    yield (
        "P6 last convolution, 2x2 mean",
        network.bn2(network.conv_head(torch.nn.functional.avg_pool2d(last, 2, ceil_mode=True))).mean(dim=(2, 3)),
    )
    yield "P6 last convolution, every second", maps["P6"].mean(dim=(2, 3))


def _judge(values: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, float]:
    some = np.random.default_rng(0).permutation(len(values))[:700]
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(5, metric="cosine"))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    rounds = [_left_out(values, labels, name, seed) for seed, name in enumerate(sorted(set(labels)))]
    return {
        "knn_accuracy": float(cross_val_score(classifier, values[some], labels[some], cv=folds).mean()),
        **{key: float(np.mean([numbers[key] for numbers in rounds])) for key in rounds[0]},
    }


def _left_out(values: NDArray[np.float32], labels: NDArray[Any], name: str, seed: int) -> dict[str, float]:
    order = np.random.default_rng(seed).permutation(len(values))
    query, reference = np.array_split(order, 2)
    reference = reference[labels[reference] != name]
    both = np.concatenate([query, reference])
    unit = StandardScaler().fit_transform(values[both])
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    a, b = unit[: len(query)], unit[len(query) :]
    own, within = 1 - a @ a.T, 1 - b @ b.T
    np.fill_diagonal(own, np.inf)
    np.fill_diagonal(within, np.inf)
    own, other, within = (np.sort(apart, axis=1)[:, :_CROWD].astype(np.float32) for apart in (own, 1 - a @ b.T, within))
    p1 = outside_p(other[:, _K - 1], within[:, _K - 1])
    counts, k_local = count_reference_neighbors(own, other, _CROWD)
    q1 = benjamini_hochberg(p1)
    q2 = benjamini_hochberg(under_p(counts, k_local, len(a), len(b)))
    planted = labels[query] == name
    return {
        "outside_auc": float(roc_auc_score(planted, other[:, _K - 1])),
        "outside_p05": float((p1[planted] <= 0.05).mean()),
        "outside_found_fdr10": float((q1[planted] <= 0.1).mean()),
        "under_found_fdr5": float((q2[planted] <= 0.05).mean()),
        "under_false_fdr5": float((q2[~planted] <= 0.05).sum() / max(1, (q2 <= 0.05).sum())),
    }


if __name__ == "__main__":
    main()
