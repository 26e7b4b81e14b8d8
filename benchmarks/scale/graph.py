"""The graph of each image's 30 nearest among a million: gapscope's search in parts against faiss and pynndescent.

The embeddings are of a mixture fitted to real ones. Each method runs in a process of its own on all cores, by turns.
faiss: an inverted file whose nprobe is raised until the recall of a sample reaches 95%. pynndescent: as by itself.

    python benchmarks/scale/graph.py --out graph.json --points embeddings.npy
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.bench.mixture import fit_mixture
from gapscope.bench.points import made_points
from gapscope.bench.watch import ProcessWatch
from gapscope.cluster import lazy_cluster
from gapscope.device.cpu import Cpu
from gapscope.errors import GapscopeError
from gapscope.neighbors.embedding_view import open_view
from gapscope.neighbors.result import recall
from gapscope.progress import Silent
from gapscope.stages.partitioned_search import DatasetRows, search_in_parts
from gapscope.stages.pipeline import compare
from gapscope.store.datasets import Pair
from gapscope.store.index import rows_read
from gapscope.store.neighbors import read_neighbor_rows
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, case_arguments, run_case, write_result

_K = 30
_QUERIES = 1000
_RECALL = 0.95
_EMBED = "embed"
_OTHERS = 2000
"""Images of the second dataset, which a run needs."""

Vectors = NDArray[np.float32]
Found = tuple[float, NDArray[np.float32]]
"""Seconds, and the distances (queries, k) of the sample, ascending."""


def by_gapscope(run: RunStore, _vectors: Vectors, sample: NDArray[np.int64]) -> Found:
    """Search in parts, with a worker per core."""
    pair = Pair("real", "real")
    (level,) = run.levels
    with lazy_cluster("local", "cpu", len(_vectors)) as connect:
        connect()
        start = time.perf_counter()
        datasets = {name: DatasetRows.of_images(name, rows_read(run, name)) for name in run.record.datasets}
        search_in_parts(run, {level: {pair: ""}}, "images", datasets, _K, Cpu(), connect, Silent(), "neighbors")
        seconds = time.perf_counter() - start
    return seconds, read_neighbor_rows(run, level, pair, sample)[0]


def by_faiss(_run: RunStore, vectors: Vectors, sample: NDArray[np.int64]) -> Found:
    """Search an IndexIVFFlat of faiss, of which as many lists are visited as a sample asks for."""
    import faiss

    start = time.perf_counter()
    lists = int(4 * len(vectors) ** 0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_L2)
    index.train(vectors)
    index.add(vectors)
    tried = vectors[np.random.default_rng(1).choice(len(vectors), 500, replace=False)]
    exact = faiss.knn(tried, vectors, _K + 1)[0]
    index.nprobe = 8
    while recall(index.search(tried, _K + 1)[0], exact) < _RECALL:
        index.nprobe *= 2
    squares, _ = index.search(vectors, _K + 1)
    return time.perf_counter() - start, _without_self(squares[sample] / 2)


def by_pynndescent(_run: RunStore, vectors: Vectors, sample: NDArray[np.int64]) -> Found:
    """Build the graph of pynndescent, after a small one that makes it compile."""
    import pynndescent

    pynndescent.NNDescent(vectors[:5000], n_neighbors=_K + 1)
    start = time.perf_counter()
    _, distances = pynndescent.NNDescent(vectors, n_neighbors=_K + 1).neighbor_graph
    return time.perf_counter() - start, _without_self(np.square(distances[sample]) / 2)


def _without_self(half_squares: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.sort(half_squares, axis=1)[:, 1:].astype(np.float32)


METHODS: dict[str, Callable[[RunStore, Vectors, NDArray[np.int64]], Found]] = {
    "gapscope, in parts": by_gapscope,
    "faiss, IndexIVFFlat": by_faiss,
    "pynndescent": by_pynndescent,
}


def measure(name: str, folder: str) -> dict[str, Any]:
    """Return the time, memory and recall of one method."""
    run = open_store(Path(folder))
    (level,) = run.levels
    view_rows = rows_read(run, "real")
    vectors = _vectors(run, level, view_rows)
    sample = np.sort(np.random.default_rng(0).choice(len(vectors), _QUERIES, replace=False))
    start = time.perf_counter()
    with ProcessWatch(os.getpid(), start) as watch:
        seconds, found = METHODS[name](run, vectors, sample)
        peaks = watch.peaks(0.0, time.perf_counter() - start)
    exact = np.sort(1 - vectors[sample] @ vectors.T, axis=1)[:, 1 : _K + 1]
    return {"seconds": seconds, "recall": recall(found, exact), **peaks}


def embed(real: str, other: str, folder: str) -> None:
    """Make the run, up to its embeddings.

    In a process of its own: a cluster of workers sets the number of threads of all that its process starts later.
    """
    with suppress(_EmbeddedError):
        datasets = {"real": f"vectors:{real}", "other": f"vectors:{other}"}
        compare(datasets, out=folder, device="cpu", progress=_Embedded())


def _vectors(run: RunStore, level: str, rows: NDArray[np.int64]) -> Vectors:
    if open_embeddings(run, "real", level).shape[0] != len(rows):
        raise GapscopeError("some images were rejected")
    view = open_view(run, "real", level, "as-is", rows)
    return np.concatenate(list(view.tiles(2**16)))


def main() -> None:
    """Measure, and write the result."""
    if arguments := case_arguments():
        if arguments[0] == _EMBED:
            embed(*arguments[1:])
            print("{}")
        else:
            print(json.dumps(measure(*arguments)))
        return
    parser = argument_parser(__doc__, repeats=2)
    parser.add_argument("--rows", type=int, default=1_000_000, help="embeddings")
    parser.add_argument("--dims", type=int, default=64, help="of the embeddings")
    parser.add_argument("--points", type=Path, help="real embeddings (.npy) that the made-up ones are fitted to")
    options = parser.parse_args()
    points = made_points(5000, options.dims, seed=0) if options.points is None else np.load(options.points)
    mixture = fit_mixture(points, options.dims)
    cases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        run = Path(folder) / "run"
        files = {name: Path(folder) / f"{name}.npy" for name in ("real", "other")}
        mixture.write(files["real"], options.rows, seed=1)
        mixture.write(files["other"], _OTHERS, seed=2)
        embedded = run_case(__file__, _EMBED, *map(str, [*files.values(), run]), timeout=7200)
        if embedded:
            sys.exit(f"the run was not made: {embedded['failed']}")
        for name in list(METHODS) * options.repeats:
            measured = run_case(__file__, name, str(run), timeout=7200)
            case = next((each for each in cases if each["case"] == name), None)
            if case is None:
                cases.append(case := {"case": name, "rows": options.rows})
            for key, value in measured.items():
                case.setdefault(key, []).append(value)
            write_result(options.out, {"settings": {"dims": options.dims, "k": _K}, "cases": cases})


class _EmbeddedError(Exception):
    """Nothing more of the job is needed."""


class _Embedded(Silent):
    """Stops the job where neighbors would be searched."""

    def task(self, title: str, total: int, unit: str) -> Any:
        if title.startswith("neighbors"):
            raise _EmbeddedError
        return super().task(title, total, unit)


if __name__ == "__main__":
    main()
