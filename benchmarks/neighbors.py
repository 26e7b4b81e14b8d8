"""Ways to find 30 neighbors on the CPU: comparing everything, faiss's cells, and pynndescent, on the same points.

Half of the points are one dataset and half another, and the neighbors of all four ordered pairs are found, as a run
needs them. `recall` is measured here, on 300 images per pair against an exact search. Each case runs in a process of
its own, with everything compiled before the clock starts. `copies` is the real points with 3,000 copies of one of them
in each half.
"""

import argparse
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
from layout_points import mixture, real_points
from numpy.typing import NDArray

from gapscope.bench.machine import machine
from gapscope.bench.points import view_of
from gapscope.bench.subprocess_case import in_child, peak_gib
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.faiss_ivf import FaissIvf
from gapscope.neighbors.ivf import ivf_neighbors
from gapscope.neighbors.result import recall

_K, _SAMPLE, _COPIES = 30, 300, 3000
_HERE = torch.device("cpu")
Halves = tuple[EmbeddingView, EmbeddingView]
Found = dict[tuple[int, int], NDArray[np.float32]]
"""Ordered pair to distances (n, k)."""


def main() -> None:
    """Measure, print, and write the JSON."""
    if sys.argv[1:2] == ["case"]:
        _case(*sys.argv[2:4])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="images, in a sub-folder per class")
    parser.add_argument("--sizes", default="copies,10000,50000,100000", help="numbers of points, or `copies`")
    parser.add_argument("--exact-up-to", type=int, default=50_000, help="points that are compared with everything")
    parser.add_argument("--timeout", type=float, default=900, help="seconds that a case may take")
    parser.add_argument("--cache", type=Path, default=Path("layout-points.npz"), help="where embeddings are kept")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    real, _ = real_points(options.folders, options.cache)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            values = _points(real, size)
            points = Path(folder) / f"{size}.npy"
            np.save(points, values)
            for case in _CASES:
                if case == "exact" and len(values) > options.exact_up_to:
                    continue
                good, said = in_child(__file__, "case", case, str(points), timeout=options.timeout)
                numbers = json.loads(said.splitlines()[-1]) if good else {"failed": said}
                found.append({"points": size, "case": case, **numbers})
                print(found[-1], flush=True)
                result = {"machine": machine(), "real_points": len(real), "channels": real.shape[1], "cases": found}
                options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _points(real: NDArray[np.float32], size: str) -> NDArray[np.float32]:
    if size != "copies":
        return (
            real[np.random.default_rng(0).permutation(len(real))[: int(size)]]
            if int(size) <= len(real)
            else mixture(real, int(size), 0)
        )
    random = np.random.default_rng(0).permutation(len(real))
    return np.concatenate(
        [real[random[: len(real) // 2]], np.repeat(real[:1], 2 * _COPIES, axis=0), real[random[len(real) // 2 :]]]
    )


def _case(name: str, file: str) -> None:
    view = view_of(Path(file))
    halves = view.take(slice(0, len(view) // 2)), view.take(slice(len(view) // 2, len(view)))
    if name == "pynndescent":
        few = view.take(slice(0, 3000))
        _pynndescent((few, few))
    before, cpu, start = peak_gib(), time.process_time(), time.perf_counter()
    found = _CASES[name](halves)
    numbers = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "added_gib": peak_gib() - before,
    }
    print(json.dumps(numbers | {"recall": _recall(halves, found)}))


def _recall(halves: Halves, found: Found) -> dict[str, float]:
    shares = {}
    for (query, reference), distances in found.items():
        sample = np.sort(np.random.default_rng(1).choice(len(distances), _SAMPLE, replace=False))
        true = exact_neighbors(halves[query].take(sample), halves[reference], _K, same=query == reference, device=_HERE)
        shares[f"{query}-vs-{reference}"] = recall(np.sort(distances[sample], axis=1), true.distances)
    return shares


def _exact(halves: Halves) -> Found:
    return {
        (one, two): exact_neighbors(halves[one], halves[two], _K, same=one == two, device=_HERE).distances
        for one, two in product((0, 1), repeat=2)
    }


def _cells(halves: Halves) -> Found:
    return {
        (one, two): ivf_neighbors(
            halves[one], halves[two], _K, same=one == two, batch_invariant=False, build_index=FaissIvf, device=_HERE
        ).distances
        for one, two in product((0, 1), repeat=2)
    }


def _pynndescent(halves: Halves) -> Found:
    import pynndescent

    vectors = [view.tile(0, len(view)) for view in halves]
    found: Found = {}
    for reference, values in enumerate(vectors):
        index = pynndescent.NNDescent(values, metric="cosine", n_neighbors=_K + 1, random_state=0)
        near, distances = index.neighbor_graph
        itself = near == np.arange(len(near))[:, None]
        # Among copies an image may not find itself.
        itself[~itself.any(axis=1), -1] = True
        found[reference, reference] = distances[~itself].reshape(len(near), _K)
        found[1 - reference, reference] = index.query(vectors[1 - reference], k=_K)[1]
    return found


_CASES: dict[str, Callable[[Halves], Found]] = {"exact": _exact, "cells": _cells, "pynndescent": _pynndescent}

if __name__ == "__main__":
    main()
