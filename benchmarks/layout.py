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
from layout_points import in_child, mixture, peak_gib, real_points, view_of
from machine import machine
from numpy.typing import NDArray

from gapscope.device.cpu import Cpu
from gapscope.layout.graph import with_itself
from gapscope.layout.quality import map_quality
from gapscope.layout.start import principal_start
from gapscope.layout.ways import by_landmarks
from gapscope.neighbors.unit_rows import UnitRows
from gapscope.settings import LayoutSettings

Drawn = tuple[NDArray[np.float32], dict[str, Any]]
_SETTINGS = LayoutSettings()
_GRAPH_K = 30
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
    print(json.dumps(numbers | map_quality([view_of(points)], drawn, seed=0)))


def _compile(*, plain: bool, seeded: bool) -> None:
    few = np.random.default_rng(0).normal(size=(5000, 8)).astype(np.float32)
    if plain or not seeded:
        import umap

        for seed in (None, 0):
            umap.UMAP(n_components=3, n_epochs=11, random_state=seed).fit(few)
    else:
        indices = (np.arange(5000)[:, None] + np.arange(15)) % 5000
        distances = np.sort(np.abs(few[:, :1] + np.arange(15, dtype=np.float32)), axis=1)
        Cpu().layout(few[:, :3].copy(), distances, indices, LayoutSettings(n_epochs=11))


def _plain(points: Path, seed: int | None) -> Drawn:
    import umap

    view = view_of(points)
    return umap.UMAP(n_components=3, random_state=seed).fit_transform(view.tile(0, len(view))), {}


def _gapscope(points: Path, epochs: int | None = None) -> Drawn:
    view, device = view_of(points), Cpu()
    start = time.perf_counter()
    near = device.neighbors(view, view, _GRAPH_K, same=True)
    between, used = time.perf_counter(), time.process_time()
    graph = with_itself(near.distances[:, : _SETTINGS.graph_k], near.indices[:, : _SETTINGS.graph_k])
    way, recall = near.way, near.recall
    del near
    drawn = device.layout(principal_start([view], 0), *graph, LayoutSettings(n_epochs=epochs))
    numbers = {
        "neighbors": between - start,
        "layout": time.perf_counter() - between,
        "layout_cpu_seconds": time.process_time() - used,
    }
    return drawn, {**numbers, "neighbors_way": way, "neighbors_recall": recall}


def _unseeded(points: Path) -> Drawn:
    import umap

    view = view_of(points)
    near = Cpu().neighbors(view, view, _SETTINGS.graph_k, same=True)
    distances, indices = with_itself(near.distances, near.indices)
    start, between, used = principal_start([view], 0), time.perf_counter(), time.process_time()
    fitted = umap.UMAP(
        n_components=3,
        init=start,
        precomputed_knn=(indices, distances),
        force_approximation_algorithm=True,
    ).fit(start)
    seconds = {"layout": time.perf_counter() - between, "layout_cpu_seconds": time.process_time() - used}
    return fitted.embedding_, seconds


def _landmarks(points: Path, share: int) -> Drawn:
    view: UnitRows = view_of(points)
    made = by_landmarks([view], _SETTINGS, Cpu(), len(view) // share, "")
    return made.points, {"landmarks": made.laid_out}


_CASES: dict[str, Callable[[Path], Drawn]] = {
    "plain": lambda points: _plain(points, None),
    "plain-seeded": lambda points: _plain(points, 0),
    "gapscope": _gapscope,
    "gapscope-unseeded": _unseeded,
    "landmarks-half": lambda points: _landmarks(points, 2),
    "landmarks-tenth": lambda points: _landmarks(points, 10),
}

if __name__ == "__main__":
    main()
