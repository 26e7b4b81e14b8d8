"""Maps of 10 thousand to a million embeddings, against plain `umap.UMAP(n_components=3).fit_transform` of the same.

Each case runs in a process of its own, with everything compiled before the clock starts. `neighbors` is the time that
gapscope's graph takes, which it needs for the outliers anyway; `layout` is what the map takes on top. Beyond the real
embeddings that the folders give, points are of a mixture fitted to them. `gapscope-side-by-side` is what a map costs
where two levels are drawn at a time, each on a core. On 2 cores, 10,000 and 100,000 take some ten minutes, a million
half an hour.
"""

import argparse
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
from layout_points import mixture, real_points

from gapscope.bench.backends import (
    LayoutResult,
    drawn_by_gapscope,
    drawn_by_landmarks,
    drawn_by_umap,
    warm_gapscope,
    warm_umap,
)
from gapscope.bench.machine import machine
from gapscope.bench.points import view_of
from gapscope.bench.subprocess_case import in_child, peak_gib
from gapscope.device.cpu import Cpu
from gapscope.layout.graph import with_self
from gapscope.layout.pca_init import pca_init
from gapscope.layout.quality import layout_quality
from gapscope.settings import LayoutSettings

_SETTINGS = LayoutSettings()
_TWO = "gapscope-side-by-side"


def main() -> None:
    """Measure, print, and write the JSON."""
    if sys.argv[1:2] == ["case"]:
        _case(*sys.argv[2:4])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="images, in a sub-folder per class")
    parser.add_argument("--sizes", default="10000,100000", help="numbers of points")
    cases = [*_CASES, _TWO]
    parser.add_argument("--cases", default=",".join(cases), help=f"some of {', '.join(cases)}")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds that a case may take")
    parser.add_argument("--cache", type=Path, default=Path("layout-points.npz"), help="where embeddings are kept")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write; cases that it has are kept")
    options = parser.parse_args()
    real, _ = real_points(options.folders, options.cache)
    found: list[dict[str, Any]] = json.loads(options.out.read_text())["cases"] if options.out.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, options.sizes.split(",")):
            points = Path(folder) / f"{size}.npy"
            np.save(points, real[:size] if size <= len(real) else mixture(real, size, seed=0))
            kind = "real" if size <= len(real) else "mixture"
            for case in options.cases.split(","):
                numbers = (_side_by_side if case == _TWO else partial(_alone, case))(points, options.timeout)
                found = [old for old in found if (old["points"], old["case"]) != (size, case)]
                found.append({"points": size, "kind": kind, "case": case, **numbers})
                print(found[-1], flush=True)
                result = {"machine": machine(), "real_points": len(real), "channels": real.shape[1], "cases": found}
                options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            points.unlink()


def _alone(case: str, points: Path, timeout: float) -> dict[str, Any]:
    good, said = in_child(__file__, "case", case, str(points), timeout=timeout)
    found: dict[str, Any] = json.loads(said) if good else {"failed": said}
    return found


def _side_by_side(points: Path, timeout: float) -> dict[str, Any]:
    """Draw two maps at a time, as a run does with its levels; seconds are those of both over two."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: _alone("gapscope", points, timeout), range(2)))
    if failed := [one for one in both if "failed" in one]:
        return failed[0]
    return {name: max(one[name] for one in both) / 2 for name in ("neighbors", "layout", "seconds")}


def _case(name: str, file: str) -> None:
    warnings.simplefilter("ignore")
    points = Path(file)
    _compile(plain=name.startswith("plain"), seeded="unseeded" not in name)
    before, cpu, start = peak_gib(), time.process_time(), time.perf_counter()
    drawn, numbers = _CASES[name](points)
    numbers |= {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    numbers |= {"peak_gib": peak_gib(), "peak_before_gib": before}
    print(json.dumps(numbers | layout_quality([view_of(points)], drawn, seed=0)))


def _compile(*, plain: bool, seeded: bool) -> None:
    if not plain and seeded:
        warm_gapscope(Cpu())
        return
    for seed in (None, 0):
        warm_umap(seed)


def _unseeded(points: Path) -> LayoutResult:
    import umap

    view = view_of(points)
    near = Cpu().neighbors(view, view, _SETTINGS.graph_k, same=True)
    distances, indices = with_self(near.distances, near.indices)
    start, between, used = pca_init([view], 0), time.perf_counter(), time.process_time()
    fitted = umap.UMAP(
        n_components=3,
        init=start,
        precomputed_knn=(indices, distances),
        force_approximation_algorithm=True,
    ).fit(start)
    seconds = {"layout": time.perf_counter() - between, "layout_cpu_seconds": time.process_time() - used}
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
