"""Where two datasets do not differ, is anything found? Random parts of one set of photographs, over many seeds.

Takes a folder with a sub-folder of photographs per class, and optionally another to measure intervals against. For
every level of the bundled network, and for parts of several sizes, with copies in both parts, and with heavy tails put
on: how often the lists hold anything, how often p is at most 0.05, and whether p is uniform. Takes some minutes.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from photographs import bundled_pyramid, embedded_photographs
from scipy.stats import kstest

from gapscope.bench.machine import machine
from gapscope.compare.distances import distribution_distances
from gapscope.compare.fdr import benjamini_hochberg, estimated_share
from gapscope.compare.interval import share_interval
from gapscope.compare.outlier_tests import count_reference_neighbors, outside_p, under_p
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler

Numbers = NDArray[np.int64]
_K, _CROWD, _FDR = 5, 30, 0.1
_DRAWN = 250


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("--other", type=Path, help="another such folder, which differs from the first")
    parser.add_argument("--seeds", type=int, default=100, help="random parts per row of the table")
    parser.add_argument("--keep", type=Path, help="a folder to keep embeddings in, or to take them from")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    embedded = _embedded(options.folder, options.keep)
    found: dict[str, Any] = {"null": {}, "intervals": {}}
    result = {
        "machine": machine(),
        "images": len(embedded["P2"]),
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
        "found": found,
    }
    for level, rows in embedded.items():
        found["null"][level] = {name: _null(rows, name, options.seeds) for name in CASES}
        for name, numbers in found["null"][level].items():
            print(
                f"{level}  {name:<34}" + "  ".join(f"{key} {value:.4f}" for key, value in numbers.items()), flush=True
            )
        _write(options.out, result)
    if options.other is not None:
        others = _embedded(options.other, options.keep)
        for level in embedded:
            found["intervals"][level] = _intervals(embedded[level], others[level], max(20, options.seeds // 2))
            print(f"{level}  " + "  ".join(f"{key} {value:.3f}" for key, value in found["intervals"][level].items()))
            _write(options.out, result)


def _write(path: Path, result: dict[str, Any]) -> None:
    # After every level: what is measured is kept, also where the rest is not.
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _embedded(folder: Path, keep: Path | None) -> dict[str, NDArray[np.float16]]:
    kept = keep / f"{folder.name}, bundled.npz" if keep else None
    return embedded_photographs(folder, kept, bundled_pyramid)[0]


def _parts(query: int, reference: int) -> Callable[[np.random.Generator, int], tuple[Numbers, Numbers]]:
    def draw(random: np.random.Generator, images: int) -> tuple[Numbers, Numbers]:
        order = random.permutation(images)
        return order[:query], order[query : query + reference]

    return draw


def _copies(random: np.random.Generator, images: int) -> tuple[Numbers, Numbers]:
    """Halves of a set a third of which was replaced by copies of the rest."""
    numbers = random.permutation(images)
    numbers[: images // 3] = random.choice(numbers[images // 3 :], images // 3)
    first, second = np.array_split(random.permutation(numbers), 2)
    return first, second


CASES: dict[str, Callable[[np.random.Generator, int], tuple[Numbers, Numbers]]] = {
    "halves": _parts(835, 835),
    "100 against 1,500": _parts(100, 1500),
    "1,500 against 100": _parts(1500, 100),
    "halves, a third copied": _copies,
    "halves, heavy tails": _parts(835, 835),
}


def _null(rows: NDArray[np.float16], case: str, seeds: int) -> dict[str, float]:
    vectors = rows.astype(np.float64)
    if "heavy" in case:
        # Every image's departure from the mean stretched by a factor without a mean of its own.
        random = np.random.default_rng(1)
        stretched = np.abs(random.standard_cauchy((len(vectors), 1)))
        noise = random.standard_t(2, size=vectors.shape) * vectors.std(axis=0)
        vectors = vectors.mean(axis=0) + (vectors - vectors.mean(axis=0) + noise) * np.minimum(stretched, 1e3)
    std = vectors.std(axis=0)
    vectors = (vectors - vectors.mean(axis=0)) / np.where(std > 0, std, 1)
    unit = torch.from_numpy((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    apart = (1 - unit @ unit.T).clamp(min=0)
    # The same image is at distance 0, also after rounding.
    apart.fill_diagonal_(0)
    numbers: dict[str, list[float]] = {}
    one_each: tuple[list[float], list[float]] = ([], [])
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        query, reference = CASES[case](random, len(unit))
        other, own, within = (
            _nearest(apart, *pair) for pair in ((query, reference), (query, query), (reference, reference))
        )
        counts, k_local = count_reference_neighbors(own, other, _CROWD)
        scores = other[:, _K - 1], within[:, _K - 1]
        p = outside_p(*scores), under_p(counts, k_local, len(query), len(reference))
        q = 2 * np.minimum(*(benjamini_hochberg(one) for one in p))
        share = estimated_share(p[0])
        possible = np.unique(under_p(np.arange(k_local + 1), k_local, len(query), len(reference)))
        at = int(np.searchsorted(possible, p[1][0]))
        one_each[0].append(p[0][0] - random.uniform() / (len(reference) + 1))
        one_each[1].append(p[1][0] - random.uniform() * (possible[at] - (possible[at - 1] if at else 0)))
        for key, value in {
            "any_listed": float((q <= _FDR).any()),
            "listed": float((q <= _FDR).mean()),
            "outside_p05": float((p[0] <= 0.05).mean()),
            "under_p05": float((p[1] <= 0.05).mean()),
            "share_outside": share,
            "share_held": float(share_interval(*scores, share)[0] == 0),
        }.items():
            numbers.setdefault(key, []).append(value)
    found = {key: float(np.mean(values)) for key, values in numbers.items()}
    return found | {
        name: float(kstest(values, "uniform").pvalue)
        for name, values in zip(("outside_ks", "under_ks"), one_each, strict=True)
    }


def _nearest(apart: torch.Tensor, query: Numbers, reference: Numbers) -> NDArray[np.float32]:
    tile = apart[torch.from_numpy(query)][:, torch.from_numpy(reference)]
    if query is reference:
        tile.fill_diagonal_(torch.inf)
    return tile.topk(min(_CROWD, tile.shape[1] - (query is reference)), dim=1, largest=False).values.numpy()


def _intervals(rows: NDArray[np.float16], others: NDArray[np.float16], draws: int) -> dict[str, float]:
    """Return how often 95% intervals from 250 images of each set hold what the whole sets, or all draws, give.

    The kernel distance has no bias, so the whole sets' is the truth. The Frechet distance of 250 images has one, and
    the truth is its mean over all draws. The share of draws whose interval holds it is to be held against 0.95; draws
    share images with the whole, 250 of over a thousand, so that a little more is expected.
    """
    mean, std = fit_scaler([rows.astype(np.float32), others.astype(np.float32)], rows.shape[1])
    views = [_view(part, np.arange(len(part)), mean, std) for part in (rows, others)]
    whole, _ = distribution_distances(views[0], views[1], _cpu())
    found = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        chosen = [np.sort(random.choice(len(part), _DRAWN, replace=False)) for part in (rows, others)]
        views = [_view(part, some, mean, std) for part, some in zip((rows, others), chosen, strict=True)]
        found.append(distribution_distances(views[0], views[1], _cpu())[0])
    frechet = np.array([(one["frechet"].low, one["frechet"].value, one["frechet"].high) for one in found], dtype=float)
    kid = np.array([(one["kid"].low, one["kid"].value, one["kid"].high) for one in found], dtype=float)
    truth = frechet[:, 1].mean()
    return {
        "kid_whole": whole["kid"].value,
        "kid_held": float(((kid[:, 0] <= whole["kid"].value) & (whole["kid"].value <= kid[:, 2])).mean()),
        "frechet_whole": whole["frechet"].value,
        "frechet_mean_of_250": float(truth),
        "frechet_held": float(((frechet[:, 0] <= truth) & (truth <= frechet[:, 2])).mean()),
    }


def _view(rows: NDArray[np.float16], some: Numbers, mean: Any, std: Any) -> EmbeddingView:
    return EmbeddingView(embeddings=rows, rows=some, mean=mean, std=std)  # type: ignore[arg-type]


def _cpu() -> torch.device:
    return torch.device("cpu")


if __name__ == "__main__":
    main()
