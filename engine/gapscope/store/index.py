"""index/NAME.parquet: one row per listed image, and what became of it."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gapscope.sources.entry import Entry
from gapscope.store.atomic import replacing

GROUP_ROWS = 8192
"""Rows per row group of an index; a block never crosses the end of one, so it can be read by itself."""

_LISTED = [("row", pa.int64()), ("uri", pa.string()), ("bytes", pa.int64()), ("mtime_ns", pa.int64())]
_FACTS = [
    ("format", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("status", pa.string()),
    ("error", pa.string()),
]
SCHEMA = pa.schema(_LISTED + _FACTS)
FACTS = pa.schema(_FACTS)


def index_path(run: Path, dataset: str) -> Path:
    """Path of a dataset's index."""
    return run / "index" / f"{dataset}.parquet"


def _facts_path(run: Path, dataset: str, block: int) -> Path:
    return run / "index" / f"{dataset}.blocks" / f"{block:08d}.parquet"


def write_index(run: Path, dataset: str, entries: Iterable[Entry]) -> tuple[int, str]:
    """Write the index of a dataset as it is listed, in constant memory.

    Returns:
        The number of rows, and the digest of the listing.
    """
    rows, digest = 0, _Digest()
    with replacing(index_path(run, dataset)) as path, pq.ParquetWriter(path, SCHEMA) as writer:
        for group in _groups(digest.over(entries)):
            writer.write_table(_listed_table(group, first_row=rows))
            rows += len(group)
    return rows, digest.hex()


def _groups(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while group := list(islice(entries, GROUP_ROWS)):
        yield group


def listing_digest(entries: Iterable[Entry]) -> tuple[int, str]:
    """Return how many entries a source lists, and the SHA-256 of their uris, sizes, times of change and refusals."""
    digest = _Digest()
    listed = sum(1 for _ in digest.over(entries))
    return listed, digest.hex()


class _Digest:
    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.hex = self._sha.hexdigest

    def over(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self._sha.update(f"{entry.uri}\0{entry.bytes}\0{entry.mtime_ns}\0{entry.status}\n".encode())
            yield entry


def _listed_table(entries: list[Entry], first_row: int) -> pa.Table:
    columns: dict[str, Any] = {
        "row": range(first_row, first_row + len(entries)),
        "uri": [entry.uri for entry in entries],
        "bytes": [entry.bytes for entry in entries],
        "mtime_ns": [entry.mtime_ns for entry in entries],
        "format": [None] * len(entries),
        "width": [None] * len(entries),
        "height": [None] * len(entries),
        "status": [entry.status for entry in entries],
        "error": [entry.error for entry in entries],
    }
    return pa.table({name: pa.array(columns[name], kind) for name, kind in _LISTED + _FACTS}, schema=SCHEMA)


def read_rows(run: Path, dataset: str, start: int, stop: int) -> list[Entry]:
    """Return the listed entries `start` to `stop` (exclusive), which lie in one row group."""
    group, offset = divmod(start, GROUP_ROWS)
    with pq.ParquetFile(index_path(run, dataset)) as file:
        table = file.read_row_group(group).slice(offset, stop - start)
    return [
        Entry(row["uri"], row["bytes"], row["mtime_ns"], row["status"], row["error"])
        for row in table.select(["uri", "bytes", "mtime_ns", "status", "error"]).to_pylist()
    ]


def write_facts(run: Path, dataset: str, block: int, facts: list[dict[str, Any]]) -> None:
    """Keep what became of a block's images (columns of `FACTS`) until all blocks are done."""
    with replacing(_facts_path(run, dataset, block)) as path:
        pq.write_table(pa.Table.from_pylist(facts, schema=FACTS), path)


def merge_facts(run: Path, dataset: str, block_rows: int) -> None:
    """Put what became of every image into the dataset's index. Does nothing where that was done before."""
    parts = _facts_path(run, dataset, 0).parent
    merged = parts.with_name(f".{dataset}.merged")
    shutil.rmtree(merged, ignore_errors=True)
    if not parts.exists():
        return
    source = index_path(run, dataset)
    with pq.ParquetFile(source) as listed, replacing(source) as path, pq.ParquetWriter(path, SCHEMA) as writer:
        blocks_per_group = GROUP_ROWS // block_rows
        for group in range(listed.num_row_groups):
            table = listed.read_row_group(group).select([name for name, _ in _LISTED])
            blocks = range(group * blocks_per_group, group * blocks_per_group + -(-table.num_rows // block_rows))
            facts = pa.concat_tables([pq.read_table(_facts_path(run, dataset, block)) for block in blocks])
            for name, _ in _FACTS:
                table = table.append_column(name, facts[name])
            writer.write_table(table.cast(SCHEMA))
    # A crash above leaves every part, and merging again gives the same index; from here on no part is needed, so
    # they vanish all at once: some of them without the others could not be merged again.
    parts.rename(merged)
    shutil.rmtree(merged)


def read_index(run: Path, dataset: str, columns: list[str] | None = None) -> pa.Table:
    """Return a dataset's index, or some of its columns, in row order."""
    return pq.read_table(index_path(run, dataset), columns=columns)


def rows_read(run: Path, dataset: str) -> NDArray[np.int64]:
    """Return the numbers of the rows whose image was embedded, ascending."""
    status = read_index(run, dataset, ["status"])["status"]
    return np.flatnonzero(pc.equal(status, "ok").to_numpy()).astype(np.int64)


def rows_rejected(run: Path, dataset: str) -> pa.Table:
    """Return the rows whose image was not embedded: row, uri, status and error."""
    table = read_index(run, dataset, ["row", "uri", "status", "error"])
    return table.filter(pc.not_equal(table["status"], "ok"))
