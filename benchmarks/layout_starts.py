"""Where should a map start from? Principal components, a spectral layout, or random places, on the same embeddings.

Every start is tried with several seeds. Beside quality stand what a start can spoil: `shape`, the rank correlation of
distances on the map with distances by embedding, over random pairs of points; `steady`, how alike the maps of two seeds
are once one is turned onto the other, 1 for the same; and `thrown`, points that lie farther from the nearest
other point than a hundredth of the map's diameter, though they are no outliers by embedding.
"""

import argparse
import json
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from layout_points import real_points
from numpy.typing import NDArray
from scipy.spatial import KDTree, procrustes
from scipy.stats import spearmanr

from gapscope.bench.machine import machine
from gapscope.bench.points import view_of
from gapscope.device.cpu import Cpu
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.neighbors.embedding_view import EmbeddingView

_SEEDS = (0, 1, 2)
_NEIGHBORS = 15
_PAIRS = 20_000


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="images, in a sub-folder per class")
    parser.add_argument("--cache", type=Path, default=Path("layout-points.npz"), help="where embeddings are kept")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    real, _ = real_points(options.folders, options.cache)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "points.npy"
        np.save(file, real)
        view = view_of(file)
    near = Cpu().neighbors(view, view, _NEIGHBORS - 1, same=True)
    graph = with_self(near.distances, near.indices)
    found = {start: _judge(start, view, graph) for start in ("principal", "spectral", "random")}
    result = {"machine": machine(), "points": len(view), "seeds": list(_SEEDS), "starts": found}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _judge(start: str, view: EmbeddingView, graph: tuple[NDArray[np.float32], NDArray[np.int64]]) -> dict[str, Any]:
    import umap

    maps, rounds = [], []
    for seed in _SEEDS:
        begun = time.perf_counter()
        places = pca_init([view], seed)
        fitted = umap.UMAP(
            n_components=3,
            n_neighbors=_NEIGHBORS,
            init=places if start == "principal" else start,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(graph[1].copy(), graph[0].copy()),
            force_approximation_algorithm=True,
        ).fit(places if start == "principal" else view.tile(0, len(view)))
        maps.append(fitted.embedding_)
        numbers = {
            "seconds": time.perf_counter() - begun,
            "shape": _shape(view, maps[-1]),
            "thrown": _thrown(graph[0], maps[-1]),
            **layout_quality([view], maps[-1], seed=0),
        }
        rounds.append(numbers)
        print(f"{start:<10}", {key: round(value, 4) for key, value in numbers.items()}, flush=True)
    steady = [1 - procrustes(one, other)[2] for one, other in pairwise(maps)]
    print(f"{start:<10} steady {np.mean(steady):.4f}", flush=True)
    return {"rounds": rounds, "steady": steady}


def _shape(view: EmbeddingView, points: NDArray[np.float32]) -> float:
    one, other = np.random.default_rng(0).integers(0, len(points), (2, _PAIRS))
    vectors = view.tile(0, len(view))
    apart = np.linalg.norm(vectors[one] - vectors[other], axis=1)
    return float(spearmanr(apart, np.linalg.norm(points[one] - points[other], axis=1)).statistic)


def _thrown(distances: NDArray[np.float32], points: NDArray[np.float32]) -> int:
    alone = KDTree(points).query(points, k=2)[0][:, 1] > np.linalg.norm(np.ptp(points, axis=0)) / 100
    usual = distances[:, 1] <= np.quantile(distances[:, 1], 0.95)
    return int(np.count_nonzero(alone & usual))


if __name__ == "__main__":
    main()
