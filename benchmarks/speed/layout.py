"""Maps of 10 thousand to a million embeddings, against plain `umap.UMAP(n_components=3).fit_transform` of the same.

Each case runs in a process of its own, with everything compiled before the clock starts. `neighbors` is the time of
gapscope's neighbor graph, which it needs for the outliers anyway; `layout` is the additional time of the map. If a size
exceeds the number of real embeddings from the folders, its points are drawn from a mixture fitted to the real ones.
`gapscope-side-by-side` is the cost of a map while two levels are drawn at a time, each on one core. On 2 cores, 10,000
and 100,000 points take some ten minutes, a million half an hour.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gapscope.bench.backends import (
    LayoutResult,
    drawn_by_gapscope,
    drawn_by_landmarks,
    drawn_by_umap,
    warm_gapscope,
    warm_umap,
)
from gapscope.bench.points import view_of
from gapscope.bench.subprocess_case import peak_gib
from gapscope.device.cpu import Cpu
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.settings import LayoutSettings

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, case_arguments, run_case, write_result
from speed.layout_points import mixture, real_points

_SETTINGS = LayoutSettings()
_SIDE_BY_SIDE = "gapscope-side-by-side"


def main() -> None:
    """Measure, print, and write the JSON."""
    if (case := case_arguments()) is not None:
        _run(*case)
        return
    parser = argument_parser(__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of images, with a sub-folder per class")
    parser.add_argument("--sizes", default="10000,100000", help="numbers of points")
    cases = [*_CASES, _SIDE_BY_SIDE]
    parser.add_argument("--cases", default=",".join(cases), help=f"which of {', '.join(cases)}")
    parser.add_argument("--timeout", type=float, default=1800, help="maximum seconds per case")
    parser.add_argument("--cache", type=Path, default=Path("layout-points.npz"), help="file that keeps the embeddings")
    options = parser.parse_args()
    real, _ = real_points(options.folders, options.cache)
    # Cases of an earlier result stay, so that sizes can be measured one after the other.
    results: list[dict[str, Any]] = json.loads(options.out.read_text())["cases"] if options.out.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, options.sizes.split(",")):
            points = Path(folder) / f"{size}.npy"
            np.save(points, real[:size] if size <= len(real) else mixture(real, size, seed=0))
            kind = "real" if size <= len(real) else "mixture"
            for case in options.cases.split(","):
                measure = _measure_two if case == _SIDE_BY_SIDE else partial(run_case, __file__, case)
                measured = measure(str(points), timeout=options.timeout)
                results = [old for old in results if (old["points"], old["case"]) != (size, case)]
                results.append({"points": size, "kind": kind, "case": case, **measured})
                print(results[-1], flush=True)
                result = {"real_points": len(real), "channels": real.shape[1], "cases": results}
                write_result(options.out, result)
            points.unlink()


def _measure_two(points: str, *, timeout: float) -> dict[str, Any]:
    """Draw two maps at a time, as a run does with its levels; return half of the seconds that both take."""
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: run_case(__file__, "gapscope", points, timeout=timeout), range(2)))
    if failed := [result for result in results if "failed" in result]:
        return failed[0]
    return {name: max(result[name] for result in results) / 2 for name in ("neighbors", "layout", "seconds")}


def _run(case: str, file: str) -> None:
    """Measure a case in this process, and print the result as JSON."""
    warnings.simplefilter("ignore")
    points = Path(file)
    _warm_up(plain=case.startswith("plain"), seeded="unseeded" not in case)
    peak_before, cpu_start, start = peak_gib(), time.process_time(), time.perf_counter()
    coordinates, measured = _CASES[case](points)
    measured |= {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
    measured |= {"peak_gib": peak_gib(), "peak_before_gib": peak_before}
    print(json.dumps(measured | layout_quality([view_of(points)], coordinates, seed=0)))


def _warm_up(*, plain: bool, seeded: bool) -> None:
    if not plain and seeded:
        warm_gapscope(Cpu())
        return
    for seed in (None, 0):
        warm_umap(seed)


def _unseeded(points: Path) -> LayoutResult:
    import umap

    view = view_of(points)
    neighbors = Cpu().neighbors(view, view, _SETTINGS.graph_k, same=True)
    distances, indices = with_self(neighbors.distances, neighbors.indices)
    coordinates, start, cpu_start = pca_init([view], 0), time.perf_counter(), time.process_time()
    fitted = umap.UMAP(
        n_components=3,
        init=coordinates,
        precomputed_knn=(indices, distances),
        force_approximation_algorithm=True,
    ).fit(coordinates)
    seconds = {"layout": time.perf_counter() - start, "layout_cpu_seconds": time.process_time() - cpu_start}
    return fitted.embedding_, seconds


_CASES: dict[str, Callable[[Path], LayoutResult]] = {
    "plain": drawn_by_umap,
    "plain-seeded": lambda points: drawn_by_umap(points, 0),
    "gapscope": lambda points: drawn_by_gapscope(points, Cpu()),
    "gapscope-unseeded": _unseeded,
    "landmarks-half": lambda points: drawn_by_landmarks(points, Cpu(), 2),
    "landmarks-tenth": lambda points: drawn_by_landmarks(points, Cpu(), 10),
}

if __name__ == "__main__":
    main()
