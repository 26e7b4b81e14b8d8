"""Tables for pandas, Polars, DuckDB, Spark and the like."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gapscope.export.image_table import source_columns
from gapscope.progress import Progress, Task
from gapscope.store.index import PREFIX, row_groups
from gapscope.store.layouts import read_layout
from gapscope.store.manifests import read_manifest
from gapscope.store.pyramid import read_embeddings
from gapscope.store.run_store import RunStore

_OWN = ("row", "uri", "bytes", "format", "width", "height", "jpeg_quality")


def export_parquet(run: RunStore, folder: Path, progress: Progress) -> None:
    """Write three kinds of table, an index group at a time.

    - images.parquet: a row per image that was read: dataset, row, uri, facts about its file, what its source says of
      it, and per level `P3.x`, `P3.y`, `P3.z` and `P3.cluster`.
    - embeddings.P3.parquet and so on: dataset, row, uri, and the embedding as float32.
    - outliers.parquet: what every manifest lists, with reading, level, query and reference as columns.
    """
    images = run.record.listed
    with progress.task("images", images, "image") as task:
        _write(folder / "images.parquet", _images(run, task))
    with progress.task("embeddings", images * len(run.levels), "image") as task:
        for level in run.levels:
            _write(folder / f"embeddings.{level}.parquet", _embeddings(run, level, task))
    _write(folder / "outliers.parquet", _outliers(run))


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _images(run: RunStore, task: Task) -> Iterator[pa.Table]:
    layouts = {level: read_layout(run, level) for level in run.levels}
    own_columns = source_columns(run)
    start = 0
    for name in run.datasets:
        for table in row_groups(run, name):
            rows = start + np.arange(len(table))
            columns: dict[str, object] = {"dataset": pa.array([name] * len(table), pa.string())}
            columns |= {own: table[own] for own in _OWN}
            columns |= {
                key.removeprefix(PREFIX): table[key] if key in table.column_names else pa.nulls(len(table), kind)
                for key, kind in own_columns.items()
            }
            for level, (points, clusters) in layouts.items():
                columns |= {f"{level}.{axis}": points[rows, at] for at, axis in enumerate("xyz")}
                columns[f"{level}.cluster"] = clusters[rows]
            yield pa.table(columns).filter(pc.equal(table["status"], "ok"))
            start += len(table)
            task.advance(len(table))


def _embeddings(run: RunStore, level: str, task: Task) -> Iterator[pa.Table]:
    for name in run.datasets:
        start = 0
        for table in row_groups(run, name, ["row", "uri", "status"]):
            values = read_embeddings(run, name, level, start, start + len(table))
            start += len(table)
            good = pc.equal(table["status"], "ok").to_numpy()
            kept = table.filter(pa.array(good)).select(["row", "uri"])
            dataset = pa.array([name] * len(kept), pa.string())
            yield kept.add_column(0, "dataset", dataset).append_column("embedding", _lists(values[good]))
            task.advance(len(table))


def _lists(values: NDArray[np.floating]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _outliers(run: RunStore) -> Iterator[pa.Table]:
    tables = []
    for reading, level, pair in product(run.record.config.compare.listed_readings, run.levels, run.pairs):
        table = read_manifest(run.path, level, pair, reading=reading)
        if reading == "style-aside":
            # Where nothing is listed, this manifest holds a ranking.
            table = table.filter(table["listed"])
        table = table.select([name for name in table.column_names if not name.startswith(PREFIX)])
        names = {"reading": reading, "level": level, "query": pair.query, "reference": pair.reference}
        for at, (title, value) in enumerate(names.items()):
            table = table.add_column(at, title, pa.array([value] * len(table), pa.string()))
        tables.append(table)
    # Where images form groups, and style aside, a table has other columns.
    yield pa.concat_tables(tables, promote_options="default")
