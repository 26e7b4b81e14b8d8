"""Three methods to find 30 neighbors on the CPU: exact search, faiss's IVF, and pynndescent, on the same points.

Half of the points are one dataset and half another, and each method finds the neighbors of all four ordered pairs, as a
run does. The benchmark measures `recall` on 300 images per pair against an exact search. Each case runs in a process of
its own, with everything compiled before the clock starts. The size `copies` is the real points with 3,000 copies of one
of them in each half.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.bench.points import view_of
from gapscope.bench.subprocess_case import peak_gib
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.faiss_ivf import FaissIvf
from gapscope.neighbors.ivf import ivf_neighbors
from gapscope.neighbors.result import recall

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, case_arguments, run_case, write_result
from speed.layout_points import mixture, real_points

_K, _SAMPLE, _COPIES = 30, 300, 3000
_CPU = torch.device("cpu")
Halves = tuple[EmbeddingView, EmbeddingView]
Distances = dict[tuple[int, int], NDArray[np.float32]]
"""Distances (n, k) by ordered pair (query, reference)."""


def main() -> None:
    """Measure, print, and write the JSON."""
    if (case := case_arguments()) is not None:
        _run(*case)
        return
    parser = argument_parser(__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of images, with a sub-folder per class")
    parser.add_argument("--sizes", default="copies,10000,50000,100000", help="numbers of points, or `copies`")
    parser.add_argument("--exact-up-to", type=int, default=50_000, help="largest number of points for the exact search")
    parser.add_argument("--timeout", type=float, default=900, help="maximum seconds per case")
    parser.add_argument("--cache", type=Path, default=Path("layout-points.npz"), help="file that keeps the embeddings")
    options = parser.parse_args()
    real, _ = real_points(options.folders, options.cache)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            values = _points(real, size)
            points = Path(folder) / f"{size}.npy"
            np.save(points, values)
            for method in _METHODS:
                if method == "exact" and len(values) > options.exact_up_to:
                    continue
                measured = run_case(__file__, method, str(points), timeout=options.timeout)
                results.append({"points": size, "case": method, **measured})
                print(results[-1], flush=True)
                result = {"real_points": len(real), "channels": real.shape[1], "cases": results}
                write_result(options.out, result)


def _points(real: NDArray[np.float32], size: str) -> NDArray[np.float32]:
    if size != "copies":
        return (
            real[np.random.default_rng(0).permutation(len(real))[: int(size)]]
            if int(size) <= len(real)
            else mixture(real, int(size), 0)
        )
    order = np.random.default_rng(0).permutation(len(real))
    return np.concatenate(
        [real[order[: len(real) // 2]], np.repeat(real[:1], 2 * _COPIES, axis=0), real[order[len(real) // 2 :]]]
    )


def _run(method: str, file: str) -> None:
    """Measure a method in this process, and print the result as JSON."""
    view = view_of(Path(file))
    halves = view.take(slice(0, len(view) // 2)), view.take(slice(len(view) // 2, len(view)))
    if method == "pynndescent":
        warmup = view.take(slice(0, 3000))
        _pynndescent((warmup, warmup))
    peak_before, cpu_start, start = peak_gib(), time.process_time(), time.perf_counter()
    distances_by_pair = _METHODS[method](halves)
    result = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
        "added_gib": peak_gib() - peak_before,
    }
    print(json.dumps(result | {"recall": _recall(halves, distances_by_pair)}))


def _recall(halves: Halves, distances_by_pair: Distances) -> dict[str, float]:
    shares = {}
    for (query, reference), distances in distances_by_pair.items():
        sample = np.sort(np.random.default_rng(1).choice(len(distances), _SAMPLE, replace=False))
        exact = exact_neighbors(halves[query].take(sample), halves[reference], _K, same=query == reference, device=_CPU)
        shares[f"{query}-vs-{reference}"] = recall(np.sort(distances[sample], axis=1), exact.distances)
    return shares


def _exact(halves: Halves) -> Distances:
    return {
        (query, reference): exact_neighbors(
            halves[query], halves[reference], _K, same=query == reference, device=_CPU
        ).distances
        for query, reference in product((0, 1), repeat=2)
    }


def _ivf(halves: Halves) -> Distances:
    return {
        (query, reference): ivf_neighbors(
            halves[query],
            halves[reference],
            _K,
            same=query == reference,
            build_index=FaissIvf,
            device=_CPU,
        ).distances
        for query, reference in product((0, 1), repeat=2)
    }


def _pynndescent(halves: Halves) -> Distances:
    import pynndescent

    vectors = [view.tile(0, len(view)) for view in halves]
    distances_by_pair: Distances = {}
    for reference, values in enumerate(vectors):
        index = pynndescent.NNDescent(values, metric="cosine", n_neighbors=_K + 1, random_state=0)
        neighbors, distances = index.neighbor_graph
        is_self = neighbors == np.arange(len(neighbors))[:, None]
        # An image with copies may not be among its own neighbors; then the last neighbor is dropped.
        is_self[~is_self.any(axis=1), -1] = True
        distances_by_pair[reference, reference] = distances[~is_self].reshape(len(neighbors), _K)
        distances_by_pair[1 - reference, reference] = index.query(vectors[1 - reference], k=_K)[1]
    return distances_by_pair


_METHODS: dict[str, Callable[[Halves], Distances]] = {"exact": _exact, "cells": _ivf, "pynndescent": _pynndescent}

if __name__ == "__main__":
    main()
