"""index/NAME.parquet: one row per listed image, and what became of it."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gapscope.sources.entry import Entry, Kind
from gapscope.store.atomic import replacing

GROUP_ROWS = 8192
"""Rows per row group of an index; a block never crosses the end of one, so it can be read by itself."""

_LISTED = [
    ("row", pa.int64()),
    ("uri", pa.string()),
    ("bytes", pa.int64()),
    ("mtime_ns", pa.int64()),
    ("place", pa.int64()),
    ("box", pa.list_(pa.float32(), 4)),
]
_FACTS = [
    ("format", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("jpeg_quality", pa.int16()),
    *((f"{what}_{channel}", pa.float32()) for what in ("mean", "spread") for channel in ("red", "green", "blue")),
    ("status", pa.string()),
    ("error", pa.string()),
]
FACTS = pa.schema(_FACTS)
_OF_KIND = {"text": pa.string(), "number": pa.float64()}
_PREFIX = "meta."
"""Before the name of a column that comes from the source, so that it cannot be taken for one of the index's own."""


def index_path(run: Path, dataset: str) -> Path:
    """Path of a dataset's index."""
    return run / "index" / f"{dataset}.parquet"


def _facts_path(run: Path, dataset: str, block: int) -> Path:
    return run / "index" / f"{dataset}.blocks" / f"{block:08d}.parquet"


def write_index(
    run: Path, dataset: str, entries: Iterable[Entry], columns: Mapping[str, Kind] | None = None
) -> tuple[int, str]:
    """Write the index of a dataset as it is listed, in constant memory.

    Args:
        run: the run's folder.
        dataset: the dataset's name.
        entries: what its source lists.
        columns: of the entries' values, as `Source.columns`.

    Returns:
        The number of rows, and the digest of the listing.
    """
    schema = _schema(columns or {})
    rows, digest = 0, _Digest()
    with replacing(index_path(run, dataset)) as path, pq.ParquetWriter(path, schema) as writer:
        for group in _groups(digest.over(entries)):
            writer.write_table(_listed_table(group, rows, schema))
            rows += len(group)
    return rows, digest.hex()


def _schema(columns: Mapping[str, Kind]) -> pa.Schema:
    return pa.schema(_LISTED + _FACTS + [(_PREFIX + name, _OF_KIND[kind]) for name, kind in columns.items()])


def _groups(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while group := list(islice(entries, GROUP_ROWS)):
        yield group


def listing_digest(entries: Iterable[Entry]) -> tuple[int, str]:
    """Return how many entries a source lists, and the SHA-256 of all that it says of them."""
    digest = _Digest()
    listed = sum(1 for _ in digest.over(entries))
    return listed, digest.hex()


class _Digest:
    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.hex = self._sha.hexdigest

    def over(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self._sha.update(signature(entry))
            yield entry


def signature(entry: Entry) -> bytes:
    """Return what makes an entry the one that it is: two of the same signature are the same image, unchanged."""
    values = "".join(f"\0{name}\0{value}" for name, value in entry.values.items())
    facts = f"{entry.uri}\0{entry.bytes}\0{entry.mtime_ns}\0{entry.status}\0{entry.place}\0{entry.box}{values}\n"
    return facts.encode(errors="surrogatepass")


def _listed_table(entries: list[Entry], first_row: int, schema: pa.Schema) -> pa.Table:
    columns: dict[str, list[Any] | range] = {
        "row": range(first_row, first_row + len(entries)),
        **{
            name: [getattr(entry, name) for entry in entries]
            for name in ("uri", "bytes", "mtime_ns", "place", "box", "status", "error")
        },
    }
    for name in schema.names:
        if name.startswith(_PREFIX):
            key = name.removeprefix(_PREFIX)
            columns[name] = [entry.values.get(key) for entry in entries]
    nothing = [None] * len(entries)
    return pa.table(
        {field.name: pa.array(columns.get(field.name, nothing), field.type) for field in schema}, schema=schema
    )


def read_rows(run: Path, dataset: str, start: int, stop: int) -> list[Entry]:
    """Return the entries `start` to `stop` (exclusive), which lie in one row group."""
    group, offset = divmod(start, GROUP_ROWS)
    with pq.ParquetFile(index_path(run, dataset)) as file:
        table = file.read_row_group(group).slice(offset, stop - start)
    return _entries(table)


def read_some_rows(run: Path, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
    """Return the entries of the numbered rows, in the order of `rows`."""
    return _entries(read_index(run, dataset, _OF_ENTRY).take(rows))


_OF_ENTRY = ["uri", "bytes", "mtime_ns", "status", "error", "place", "box"]


def _entries(table: pa.Table) -> list[Entry]:
    rows = table.select(_OF_ENTRY).to_pylist()
    return [Entry(**{**row, "box": None if row["box"] is None else tuple(row["box"])}) for row in rows]


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
    with pq.ParquetFile(source) as listed, replacing(source) as path:
        schema = listed.schema_arrow
        with pq.ParquetWriter(path, schema) as writer:
            for group in range(listed.num_row_groups):
                table = listed.read_row_group(group)
                blocks = range(group * (GROUP_ROWS // block_rows), -(-(group * GROUP_ROWS + len(table)) // block_rows))
                facts = pa.concat_tables([pq.read_table(_facts_path(run, dataset, block)) for block in blocks])
                for name, _ in _FACTS:
                    table = table.set_column(table.schema.get_field_index(name), name, facts[name])
                writer.write_table(table.cast(schema))
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
