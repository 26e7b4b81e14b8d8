"""Calibration under the null hypothesis: what the outlier tests list for random parts of one set of photographs.

The input is a folder with a sub-folder of photographs per class, and optionally a second, different folder to check
intervals with. For every level of the bundled network, the benchmark draws parts of several sizes, parts that share
copies, and parts with heavy tails. It reports how often the lists are not empty, how often p is at most 0.05, and
whether p is uniform. Takes some minutes.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kstest

from gapscope.compare.distances import distribution_distances
from gapscope.compare.fdr import estimate_share, q_values
from gapscope.compare.interval import share_interval
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.photographs import SIZE, embed_photographs

Indices = NDArray[np.int64]
Draw = Callable[[np.random.Generator, int], tuple[Indices, Indices]]
"""Draws query and reference from the indices of so many images."""

_K, _K_LOCAL, _FDR = 5, 30, 0.1
_INTERVAL_IMAGES = 250
_CPU = torch.device("cpu")


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--other", type=Path, help="a second such folder, which differs from the first")
    parser.add_argument("--seeds", type=int, default=100, help="random draws per row of the table (default: 100)")
    parser.add_argument("--keep", type=Path, help="a folder that keeps embeddings for the next time")
    options = parser.parse_args()
    embeddings = _embed(options.folder, options.keep)
    null: dict[str, dict[str, Any]] = {}
    intervals: dict[str, dict[str, float]] = {}
    result = {
        "images": len(embeddings["P2"]),
        "seeds": options.seeds,
        "columns": {
            "any_listed": "share of seeds whose manifest lists anything at 10%: the FDR, as all is false",
            "listed": "mean share of the query's images that are listed",
            "outside_p05": "share of images with p <= 0.05, first question",
            "under_p05": "the same, second question",
            "outside_ks": "p-value of a KS test of one image's p per seed against the uniform; first question",
            "under_ks": "the same, second question, with the steps of its discrete values smoothed",
            "share_outside": "mean estimated share outside, which is 0",
            "share_held": "share of seeds whose 95% interval of the share outside begins at 0",
        },
        "found": {"null": null, "intervals": intervals},
    }
    for level, rows in embeddings.items():
        null[level] = {name: _null_case(rows, name, options.seeds) for name in CASES}
        for name, shares in null[level].items():
            columns = "  ".join(f"{key} {value:.4f}" for key, value in shares.items())
            print(f"{level}  {name:<34}{columns}", flush=True)
        write_result(options.out, result)
    if options.other is not None:
        others = _embed(options.other, options.keep)
        for level in embeddings:
            intervals[level] = _interval_coverage(embeddings[level], others[level], max(20, options.seeds // 2))
            print(f"{level}  " + "  ".join(f"{key} {value:.3f}" for key, value in intervals[level].items()))
            write_result(options.out, result)


def _embed(folder: Path, keep: Path | None) -> dict[str, NDArray[np.float16]]:
    cache = keep / f"{folder.name}, bundled.npz" if keep else None
    return embed_photographs(folder, cache, partial(bundled_pyramid, SIZE))[0]


def _parts(query: int, reference: int) -> Draw:
    def draw(random: np.random.Generator, images: int) -> tuple[Indices, Indices]:
        order = random.permutation(images)
        return order[:query], order[query : query + reference]

    return draw


def _copies(random: np.random.Generator, images: int) -> tuple[Indices, Indices]:
    """Return halves of a set in which copies of the other images replace a third."""
    indices = random.permutation(images)
    indices[: images // 3] = random.choice(indices[images // 3 :], images // 3)
    query, reference = np.array_split(random.permutation(indices), 2)
    return query, reference


CASES: dict[str, Draw] = {
    "halves": _parts(835, 835),
    "100 against 1,500": _parts(100, 1500),
    "1,500 against 100": _parts(1500, 100),
    "halves, a third copied": _copies,
    "halves, heavy tails": _parts(835, 835),
}


def _null_case(rows: NDArray[np.float16], case: str, seeds: int) -> dict[str, float]:
    """Return the columns of one row of the table: means over the seeds, and two KS tests over them."""
    vectors = rows.astype(np.float64)
    if "heavy" in case:
        # Every image's deviation from the mean is scaled by a Cauchy factor, which has no mean.
        random = np.random.default_rng(1)
        factor = np.abs(random.standard_cauchy((len(vectors), 1)))
        noise = random.standard_t(2, size=vectors.shape) * vectors.std(axis=0)
        vectors = vectors.mean(axis=0) + (vectors - vectors.mean(axis=0) + noise) * np.minimum(factor, 1e3)
    std = vectors.std(axis=0)
    vectors = (vectors - vectors.mean(axis=0)) / np.where(std > 0, std, 1)
    unit = torch.from_numpy((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    distances = (1 - unit @ unit.T).clamp(min=0)
    # An image is at distance 0 to itself, also after rounding.
    distances.fill_diagonal_(0)
    columns: dict[str, list[float]] = {}
    single_p: dict[str, list[float]] = {"outside_ks": [], "under_ks": []}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        query, reference = CASES[case](random, len(unit))
        cross, within_query, within_reference = (
            _nearest_distances(distances, *pair)
            for pair in ((query, reference), (query, query), (reference, reference))
        )
        counts, k_local = count_reference_neighbors(within_query, cross, _K_LOCAL)
        scores = cross[:, _K - 1], within_reference[:, _K - 1]
        outside, under = outside_p(*scores), under_p(counts, k_local, len(query), len(reference))
        q = 2 * np.minimum(q_values(outside), q_values(under))
        share = estimate_share(outside)
        # Both tests give discrete p-values; a uniform draw within the step makes them continuous for the KS test.
        possible = np.unique(under_p(np.arange(k_local + 1), k_local, len(query), len(reference)))
        step = int(np.searchsorted(possible, under[0]))
        single_p["outside_ks"].append(outside[0] - random.uniform() / (len(reference) + 1))
        single_p["under_ks"].append(
            under[0] - random.uniform() * (possible[step] - (possible[step - 1] if step else 0))
        )
        for key, value in {
            "any_listed": float((q <= _FDR).any()),
            "listed": float((q <= _FDR).mean()),
            "outside_p05": float((outside <= 0.05).mean()),
            "under_p05": float((under <= 0.05).mean()),
            "share_outside": share,
            "share_held": float(share_interval(*scores, share)[0] == 0),
        }.items():
            columns.setdefault(key, []).append(value)
    means = {key: float(np.mean(values)) for key, values in columns.items()}
    return means | {key: float(kstest(values, "uniform").pvalue) for key, values in single_p.items()}


def _nearest_distances(distances: torch.Tensor, query: Indices, reference: Indices) -> NDArray[np.float32]:
    tile = distances[torch.from_numpy(query)][:, torch.from_numpy(reference)]
    if query is reference:
        tile.fill_diagonal_(torch.inf)
    return tile.topk(min(_K_LOCAL, tile.shape[1] - (query is reference)), dim=1, largest=False).values.numpy()


def _interval_coverage(rows: NDArray[np.float16], others: NDArray[np.float16], draws: int) -> dict[str, float]:
    """Return how often a 95% interval from 250 images of each set covers the true distance.

    The kernel distance is unbiased, so its true value is that of the whole sets. The Frechet distance of 250 images is
    biased, so its true value is the mean over all draws. The expected coverage is slightly above 0.95, since a draw
    shares images with the whole set (250 of over a thousand).
    """
    mean, std = fit_scaler([rows.astype(np.float32), others.astype(np.float32)])
    views = [_view(part, np.arange(len(part)), mean, std) for part in (rows, others)]
    whole, _ = distribution_distances(views[0], views[1], _CPU)
    results = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        chosen = [np.sort(random.choice(len(part), _INTERVAL_IMAGES, replace=False)) for part in (rows, others)]
        views = [_view(part, indices, mean, std) for part, indices in zip((rows, others), chosen, strict=True)]
        results.append(distribution_distances(views[0], views[1], _CPU)[0])
    frechet, kid = (
        np.array([(result[name].low, result[name].value, result[name].high) for result in results], dtype=float)
        for name in ("frechet", "kid")
    )
    true_frechet, true_kid = frechet[:, 1].mean(), whole["kid"].value
    return {
        "kid_whole": true_kid,
        "kid_held": float(((kid[:, 0] <= true_kid) & (true_kid <= kid[:, 2])).mean()),
        "frechet_whole": whole["frechet"].value,
        "frechet_mean_of_250": float(true_frechet),
        "frechet_held": float(((frechet[:, 0] <= true_frechet) & (true_frechet <= frechet[:, 2])).mean()),
    }


def _view(rows: NDArray[np.float16], indices: Indices, mean: Any, std: Any) -> EmbeddingView:
    return EmbeddingView(embeddings=rows, rows=indices, mean=mean, std=std)


if __name__ == "__main__":
    main()
