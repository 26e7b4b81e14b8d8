"""The comparison and the kinds of ten million images: a run of a million, as many copies of it side by side.

Copies have the neighbors, maps and embeddings of the run; each image's neighbors lie in its own copy. So nothing has
to be searched or laid out, and what is measured is the comparison in one process: time per stage, and peak memory.

Give it a finished run of two datasets, each image a group of its own and no row rejected, such as one of made-up
embeddings. A million images of 64 dimensions take 1 GB of disk, in a folder that is removed at the end.

    python benchmarks/scale/comparison.py --run RUN --copies 1 3 10 --out comparison.json
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.bench.scale_case import StageTimes
from gapscope.bench.watch import ProcessWatch
from gapscope.device.cpu import Cpu
from gapscope.errors import GapscopeError
from gapscope.stages.compare import compare_datasets
from gapscope.store.arrays import row_slices
from gapscope.store.datasets import Graph, Pair, all_pairs
from gapscope.store.index import GROUP_ROWS, index_path, read_index
from gapscope.store.layouts import layout_info, read_layout, write_layout
from gapscope.store.neighbors import (
    create_neighbors,
    finish_neighbors,
    neighbor_search_info,
    read_neighbor_range,
    write_neighbor_rows,
)
from gapscope.store.pyramid import create_pyramid, mark_done, open_embeddings, write_embeddings
from gapscope.store.run_store import RunStore, open_store
from gapscope.store.tables import table_writer

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, case_arguments, run_case, write_result

_STAGES = ("outliers", "kinds", "manifests")


def copy_side_by_side(run: RunStore, copies: int, folder: Path) -> None:
    """Write a run of so many copies of another one, up to its comparison.

    Args:
        run: what is copied.
        copies: how many.
        folder: of the new run.
    """
    record = replace(run.record, datasets={})
    for name, dataset in run.record.datasets.items():
        if dataset.groups is None or dataset.rejected or dataset.groups.unit != "image":
            raise GapscopeError(f"{run.path}: images of {name} were rejected, or belong together")
        count = dataset.listed * copies
        groups = replace(dataset.groups, count=count)
        record.datasets[name] = replace(dataset, listed=count, read=count, groups=groups)
    whole = RunStore(folder, record)
    whole.write_record()
    (folder / "rejects.csv").write_text("dataset,row,uri,status,error\n")
    for name in run.datasets:
        _copy_index(run, whole, name, copies)
        _copy_embeddings(run, whole, name)
    for level in run.levels:
        for pair in all_pairs(list(run.datasets)):
            for graph in ("images", "style-aside"):
                _copy_neighbors(run, whole, level, pair, graph, copies)
        _copy_map(run, whole, level, copies)


def _copy_index(run: RunStore, whole: RunStore, name: str, copies: int) -> None:
    table, listed = read_index(run, name), run.record.datasets[name].listed
    path = index_path(whole.path, name)
    path.parent.mkdir(exist_ok=True)
    parts = []
    for copy in range(copies):
        rows = pa.array(np.arange(copy * listed, (copy + 1) * listed))
        uris = pc.binary_join_element_wise(table["uri"].cast(pa.string()), str(copy), "-")
        parts.append(table.set_column(0, "row", rows).set_column(1, "uri", uris))
    with table_writer(path, table.schema) as writer:
        writer.write_table(pa.concat_tables(parts).cast(table.schema), row_group_size=GROUP_ROWS)


def _copy_embeddings(run: RunStore, whole: RunStore, name: str) -> None:
    levels = {level: np.asarray(open_embeddings(run, name, level)[:]) for level in run.levels}
    listed, block_rows = run.record.datasets[name].listed, run.record.block_rows
    create_pyramid(whole, name, {level: own.shape[1] for level, own in levels.items()})
    for block in range(whole.record.blocks(name)):
        first = block * block_rows
        rows = np.arange(first, min(first + block_rows, whole.record.datasets[name].listed)) % listed
        write_embeddings(whole, name, first, {level: own[rows] for level, own in levels.items()})
        mark_done(whole, name, block)


def _copy_neighbors(run: RunStore, whole: RunStore, level: str, pair: Pair, graph: Graph, copies: int) -> None:
    queries, references = (run.record.datasets[name].listed for name in pair)
    distances, indices = read_neighbor_range(run, level, pair, 0, queries, graph)
    create_neighbors(whole, level, pair, distances.shape[1], graph)
    for part in row_slices(queries * copies):
        rows = np.arange(part.start, part.stop)
        own, first = rows % queries, rows // queries * references
        near: NDArray[np.int64] = indices[own]
        near = np.where(near >= 0, near + first[:, None], -1)
        write_neighbor_rows(whole, level, pair, rows, distances[own], near, graph)
    finish_neighbors(whole, level, pair, neighbor_search_info(run, level, pair, graph), graph)


def _copy_map(run: RunStore, whole: RunStore, level: str, copies: int) -> None:
    def repeated(values: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([np.concatenate([values[part]] * copies) for part in run.record.row_slices.values()])

    coordinates, clusters = read_layout(run, level)
    write_layout(whole, level, repeated(coordinates), repeated(clusters), layout_info(run, level))


def measure(folder: str) -> dict[str, Any]:
    """Return the time and peak memory of each stage of the comparison of a run."""
    progress = StageTimes()
    run = open_store(Path(folder))
    with ProcessWatch(os.getpid(), progress.start) as watch:
        began = time.perf_counter() - progress.start
        compare_datasets(run, run.record.config.compare, Cpu(), progress)
        ended = time.perf_counter() - progress.start
        stages = {
            title: {"seconds": stop - start, **watch.peaks(start, stop)}
            for title, start, stop in progress.stages
            if title in _STAGES
        }
        return {"seconds": ended - began, **watch.peaks(began, ended), "stages": stages}


def main() -> None:
    """Measure, and write the result."""
    if arguments := case_arguments():
        print(json.dumps(measure(*arguments)))
        return
    parser = argument_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a finished run of two datasets")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 3, 10], help="of the run (default: 1 3 10)")
    options = parser.parse_args()
    run = open_store(options.run)
    rows = sum(dataset.listed for dataset in run.record.datasets.values())
    settings = {"copied": rows, "levels": [asdict(level) for level in run.record.model.levels]}
    cases = []
    for copies in options.copies:
        with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
            copy_side_by_side(run, copies, Path(folder))
            cases.append({"rows": rows * copies, **run_case(__file__, folder, timeout=7200)})
        write_result(options.out, {"settings": settings, "cases": cases})


if __name__ == "__main__":
    main()
