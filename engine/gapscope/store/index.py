"""index/NAME.parquet: one row per listed image, and what became of it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from gapscope.store.location import readable, remove_tree
from gapscope.store.tables import open_table, read_whole, table_writer, write_whole

GROUP_ROWS = 8192
"""Rows per row group of an index; a block never crosses the end of one, so it can be read by itself."""

_LISTED = [
    ("row", pa.int64()),
    ("uri", pa.string()),
    ("bytes", pa.int64()),
    ("mtime_ns", pa.int64()),
    ("offset", pa.int64()),
    ("box", pa.list_(pa.float32(), 4)),
]
_FACTS = [
    ("encoded_bytes", pa.int64()),
    ("format", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("jpeg_quality", pa.int16()),
    *((f"{what}_{channel}", pa.float32()) for what in ("mean", "std") for channel in ("red", "green", "blue")),
    ("sharpness", pa.float32()),
    ("status", pa.string()),
    ("error", pa.string()),
]
FACTS = pa.schema(_FACTS)
_OF_KIND = {"text": pa.string(), "number": pa.float64()}
PREFIX = "meta."
"""Before the name of a column that comes from the source, so that it cannot be taken for one of the index's own."""


def index_path(run: Path, dataset: str) -> Path:
    """Path of a dataset's index."""
    return run / "index" / f"{dataset}.parquet"


def image_stats_path(run: Path, dataset: str, block: int) -> Path:
    """Path of what became of a block's images, until all blocks are done."""
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
    schema = schema_of(columns or {})
    rows, digest = 0, _Digest()
    with replacing(index_path(run, dataset)) as path, table_writer(path, schema) as writer:
        for group in _groups(digest.over(entries)):
            writer.write_table(listed_table(group, rows, schema))
            rows += len(group)
    return rows, digest.hex()


def schema_of(columns: Mapping[str, Kind]) -> pa.Schema:
    """Return the schema of an index whose source has these columns."""
    return pa.schema(_LISTED + _FACTS + [(PREFIX + name, _OF_KIND[kind]) for name, kind in columns.items()])


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
    facts = f"{entry.uri}\0{entry.bytes}\0{entry.mtime_ns}\0{entry.status}\0{entry.offset}\0{entry.box}{values}\n"
    return facts.encode(errors="surrogatepass")


def listed_table(entries: Sequence[Entry], first_row: int, schema: pa.Schema) -> pa.Table:
    """Return entries as rows of an index that nothing became of yet, numbered from `first_row`."""
    columns: dict[str, list[Any] | range] = {
        "row": range(first_row, first_row + len(entries)),
        **{
            name: [getattr(entry, name) for entry in entries]
            for name in ("uri", "bytes", "mtime_ns", "offset", "box", "status", "error")
        },
    }
    for name in schema.names:
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX)
            columns[name] = [entry.values.get(key) for entry in entries]
    nothing = [None] * len(entries)
    return pa.table(
        {field.name: pa.array(columns.get(field.name, nothing), field.type) for field in schema}, schema=schema
    )


def read_rows(run: Path, dataset: str, start: int, stop: int) -> list[Entry]:
    """Return the entries `start` to `stop` (exclusive), which lie in one row group."""
    return _entries(_rows_of_group(run, dataset, start, stop))


def _rows_of_group(run: Path, dataset: str, start: int, stop: int) -> pa.Table:
    group, offset = divmod(start, GROUP_ROWS)
    with readable(index_path(run, dataset)) as source, open_table(source) as file:
        return file.read_row_group(group).slice(offset, stop - start)


def read_some_rows(run: Path, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
    """Return the entries of the numbered rows, in the order of `rows`."""
    return _entries(take_rows(run, dataset, rows, _OF_ENTRY))


def groups_of(run: Path, dataset: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield a dataset's index, or some of its columns, in tables of `GROUP_ROWS` rows; the last may be shorter."""
    with readable(index_path(run, dataset)) as source, open_table(source) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def take_rows(run: Path, dataset: str, rows: NDArray[np.int64], columns: list[str] | None = None) -> pa.Table:
    """Return the numbered rows of a dataset's index, in the order of `rows`, and read no more than their groups."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    parts = []
    with readable(index_path(run, dataset)) as source, open_table(source) as file:
        for group in np.unique(ascending // GROUP_ROWS).tolist():
            first, last = np.searchsorted(ascending, [group * GROUP_ROWS, (group + 1) * GROUP_ROWS])
            table = file.read_row_group(group, columns=columns)
            parts.append(table.take(ascending[first:last] - group * GROUP_ROWS))
    if not parts:
        return read_index(run, dataset, columns).slice(0, 0)
    return pa.concat_tables(parts).take(np.argsort(order, kind="stable"))


_OF_ENTRY = ["uri", "bytes", "mtime_ns", "status", "error", "offset", "box"]


def _entries(table: pa.Table) -> list[Entry]:
    values = [name for name in table.column_names if name.startswith(PREFIX)]
    return [
        Entry(
            **{name: row[name] for name in _OF_ENTRY[:-1]},
            box=None if row["box"] is None else tuple(row["box"]),
            values={name.removeprefix(PREFIX): row[name] for name in values},
        )
        for row in table.select(_OF_ENTRY + values).to_pylist()
    ]


def indexed_entries(run: Path, dataset: str) -> Iterator[Entry]:
    """Yield all entries of an index in row order, with their present status, in constant memory."""
    for table in groups_of(run, dataset):
        yield from _entries(table)


def forget_index(run: Path, dataset: str) -> None:
    """Remove a dataset's index."""
    index_path(run, dataset).unlink(missing_ok=True)
    remove_tree(image_stats_path(run, dataset, 0).parent)


def read_image_stats(run: Path, dataset: str, start: int, stop: int) -> list[dict[str, Any]]:
    """Return what became of rows `start` to `stop` (exclusive), which lie in one row group: the columns of `FACTS`."""
    rows: list[dict[str, Any]] = _rows_of_group(run, dataset, start, stop).select(FACTS.names).to_pylist()
    return rows


def write_image_stats(run: Path, dataset: str, block: int, facts: list[dict[str, Any]]) -> None:
    """Keep what became of a block's images (columns of `FACTS`) until all blocks are done."""
    with replacing(image_stats_path(run, dataset, block)) as path:
        write_whole(path, pa.Table.from_pylist(facts, schema=FACTS))


def merge_image_stats(run: Path, dataset: str, block_rows: int) -> None:
    """Put what became of every image into the dataset's index; rows of blocks that are not done stay as they are."""
    parts = image_stats_path(run, dataset, 0).parent
    if not parts.exists():
        return
    index = index_path(run, dataset)
    with readable(index) as source, open_table(source) as listed, replacing(index) as path:
        schema = listed.schema_arrow
        with table_writer(path, schema) as writer:
            for group in range(listed.num_row_groups):
                table = listed.read_row_group(group)
                facts = pa.concat_tables(
                    [
                        _block_facts(run, dataset, group * GROUP_ROWS // block_rows + block, table, start, block_rows)
                        for block, start in enumerate(range(0, len(table), block_rows))
                    ]
                )
                for name in FACTS.names:
                    table = table.set_column(table.schema.get_field_index(name), name, facts[name])
                writer.write_table(table.cast(schema))
    # Whenever a crash comes, merging again what parts are left gives the same index.
    remove_tree(parts)


def list_again(run: Path, dataset: str, blocks: Sequence[int], block_rows: int) -> None:
    """Let the images of some blocks be looked at again; those that were rejected stay so, for their reason."""
    index, again = index_path(run, dataset), np.array(blocks, np.int64)
    with (
        readable(index) as source,
        open_table(source) as listed,
        replacing(index) as path,
        table_writer(path, listed.schema_arrow) as writer,
    ):
        for group in range(listed.num_row_groups):
            table = listed.read_row_group(group)
            chosen = pa.array(np.isin(table["row"].to_numpy() // block_rows, again))
            # Of those the network could not answer for, more is known than the reason.
            chosen = pc.and_(chosen, pc.is_in(table["status"], value_set=pa.array(["ok", "not-finite"])))
            status = pc.if_else(chosen, pa.scalar("listed"), table["status"])
            writer.write_table(table.set_column(table.schema.get_field_index("status"), "status", status))


def _block_facts(run: Path, dataset: str, block: int, group: pa.Table, start: int, block_rows: int) -> pa.Table:
    part = image_stats_path(run, dataset, block)
    if not part.exists():
        return group.slice(start, block_rows).select(FACTS.names)
    with readable(part) as file:
        return read_whole(file)


def read_block_image_stats(run: Path, dataset: str, block: int) -> list[dict[str, Any]]:
    """Return what `write_image_stats` took, of a block whose facts are not merged yet."""
    with readable(image_stats_path(run, dataset, block)) as file:
        rows: list[dict[str, Any]] = read_whole(file).to_pylist()
    return rows


def read_index(run: Path, dataset: str, columns: list[str] | None = None) -> pa.Table:
    """Return a dataset's index, or some of its columns, in row order."""
    with readable(index_path(run, dataset)) as file:
        return read_whole(file, columns)


def read_source_metadata(run: Path, dataset: str) -> pa.Table:
    """Return uri and the source's own columns, which begin with `PREFIX`, in row order."""
    with readable(index_path(run, dataset)) as file:
        own = [name for name in pq.read_schema(file).names if name.startswith(PREFIX)]
    return read_index(run, dataset, ["uri", *own])


def rows_read(run: Path, dataset: str) -> NDArray[np.int64]:
    """Return the numbers of the rows whose image was embedded, ascending."""
    status = read_index(run, dataset, ["status"])["status"]
    return np.flatnonzero(pc.equal(status, "ok").to_numpy()).astype(np.int64)


def rows_rejected(run: Path, dataset: str) -> pa.Table:
    """Return the rows whose image was not embedded: row, uri, status and error."""
    table = read_index(run, dataset, ["row", "uri", "status", "error"])
    return table.filter(pc.not_equal(table["status"], "ok"))
