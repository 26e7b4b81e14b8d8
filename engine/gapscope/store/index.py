"""index/NAME.parquet: one row per listed image, with what its source lists of it and what became of it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gapscope.sources.annotations.annotation import Outline
from gapscope.sources.entry import Box, Entry, Kind
from gapscope.store.atomic import replacing
from gapscope.store.location import Location, readable, remove_tree
from gapscope.store.run_store import RunStore
from gapscope.store.tables import open_table, read_whole, table_writer

_HELD_ROWS = 2**20
_CODED_ROWS = 2**17

GROUP_ROWS = 8192
"""Rows per row group of an index; a block never crosses the end of one, so it can be read by itself."""

PREFIX = "meta."
"""Before the name of a column that comes from the source, so that it cannot be taken for one of the index's own."""

_LISTED = [
    ("row", pa.int64()),
    ("uri", pa.string()),
    ("bytes", pa.int64()),
    ("mtime_ns", pa.int64()),
    ("offset", pa.int64()),
    ("box", pa.list_(pa.float32(), 6)),
    ("outline", pa.string()),
]
IMAGE_STATS = pa.schema(
    [
        ("encoded_bytes", pa.int64()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("jpeg_quality", pa.int16()),
        *(
            (f"{statistic}_{color}", pa.float32())
            for statistic in ("mean", "std")
            for color in ("red", "green", "blue")
        ),
        ("sharpness", pa.float32()),
        ("damage", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)
"""The columns that say what became of an image."""

_OF_KIND = {"text": pa.string(), "number": pa.float64()}
_OF_ENTRY = ["uri", "bytes", "mtime_ns", "status", "error", "offset", "box", "outline"]


def index_path(run: Location, dataset: str) -> Location:
    """Return the path of a dataset's index."""
    return run / "index" / f"{dataset}.parquet"


def write_index(
    run: RunStore, dataset: str, entries: Iterable[Entry], columns: Mapping[str, Kind] | None = None
) -> tuple[int, str]:
    """Write the index of a dataset as it is listed, in constant memory.

    Args:
        run: the run.
        dataset: the dataset's name.
        entries: what its source lists.
        columns: the kinds of the entries' values, as `Source.columns`.

    Returns:
        The number of rows, and the digest of the listing.
    """
    schema = schema_of(columns or {})
    rows, digest = 0, _Digest()
    with replacing(index_path(run.path, dataset)) as path, table_writer(path, schema) as writer:
        for group in _groups(digest.over(entries)):
            writer.write_table(listed_table(group, rows, schema))
            rows += len(group)
    return rows, digest.hex()


def schema_of(columns: Mapping[str, Kind]) -> pa.Schema:
    """Return the schema of an index whose source has these columns."""
    own = [(PREFIX + name, _OF_KIND[kind]) for name, kind in columns.items()]
    return pa.unify_schemas([pa.schema(_LISTED), IMAGE_STATS, pa.schema(own)])


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
    """Return bytes that are the same for two entries if and only if both are the same image, unchanged."""
    values = "".join(f"\0{name}\0{value}" for name, value in entry.values.items())
    if entry.annotations is not None:
        values += f"\0{entry.annotations}"
    text = f"{entry.uri}\0{entry.bytes}\0{entry.mtime_ns}\0{entry.status}\0{entry.offset}\0{entry.box}{values}\n"
    return text.encode(errors="surrogatepass")


def listed_table(entries: Sequence[Entry], first_row: int, schema: pa.Schema) -> pa.Table:
    """Return entries as rows of an index, numbered from `first_row`, whose columns of `IMAGE_STATS` are null."""
    columns: dict[str, list[Any] | range] = {
        "row": range(first_row, first_row + len(entries)),
        **{name: [getattr(entry, name) for entry in entries] for name in _OF_ENTRY[:-2]},
        "box": [None if entry.box is None else entry.box[:6] for entry in entries],
        "outline": [
            None if entry.box is None or entry.box.outline is None else entry.box.outline.to_json() for entry in entries
        ],
    }
    for name in schema.names:
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX)
            columns[name] = [entry.values.get(key) for entry in entries]
    nothing = [None] * len(entries)
    return pa.table(
        {field.name: pa.array(columns.get(field.name, nothing), field.type) for field in schema}, schema=schema
    )


def read_block_rows(run: RunStore, dataset: str, start: int, stop: int) -> pa.Table:
    """Return rows `start` to `stop` (exclusive), which lie in one row group, while the run is being embedded.

    Neighboring blocks come from the same row group, which is read once per process.
    """
    group, offset = divmod(start, GROUP_ROWS)
    return _row_group(run.session, index_path(run.path, dataset), group).slice(offset, stop - start)


# Two blocks are worked on at a time, and may lie in two groups.
@lru_cache(maxsize=3)
def _row_group(session: str, path: Location, group: int) -> pa.Table:
    del session
    with readable(path, whole=False) as source, open_table(source) as file:
        return file.read_row_group(group)


def read_entries(run: RunStore, dataset: str, rows: NDArray[np.int64]) -> list[Entry]:
    """Return the entries of the numbered rows, in the order of `rows`."""
    return entries_of(take_rows(run, dataset, rows, _OF_ENTRY))


def row_groups(run: RunStore, dataset: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield a dataset's index, or some of its columns, in tables of `GROUP_ROWS` rows; the last may be shorter."""
    with readable(index_path(run.path, dataset), whole=False) as source, open_table(source) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def take_rows(run: RunStore, dataset: str, rows: NDArray[np.int64], columns: list[str] | None = None) -> pa.Table:
    """Return the numbered rows of a dataset's index, in the order of `rows`, reading only the groups that hold them."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    parts = []
    with readable(index_path(run.path, dataset), whole=False) as source, open_table(source) as file:
        for group in np.unique(ascending // GROUP_ROWS).tolist():
            first, last = np.searchsorted(ascending, [group * GROUP_ROWS, (group + 1) * GROUP_ROWS])
            table = file.read_row_group(group, columns=columns)
            parts.append(table.take(ascending[first:last] - group * GROUP_ROWS))
    if not parts:
        return read_index(run, dataset, columns).slice(0, 0)
    return pa.concat_tables(parts).take(np.argsort(order, kind="stable"))


def entries_of(table: pa.Table) -> list[Entry]:
    """Return the rows of an index as entries, with their present status."""
    values = [name for name in table.column_names if name.startswith(PREFIX)]
    return [
        Entry(
            **{name: row[name] for name in _OF_ENTRY[:-2]},
            box=None if row["box"] is None else Box._make([*row["box"], _outline(row["outline"])]),
            values={name.removeprefix(PREFIX): row[name] for name in values},
        )
        for row in table.select(_OF_ENTRY + values).to_pylist()
    ]


def _outline(text: str | None) -> Outline | None:
    return None if text is None else Outline.of_lists(json.loads(text))


def indexed_entries(run: RunStore, dataset: str) -> Iterator[Entry]:
    """Yield all entries of an index in row order, with their present status, in constant memory."""
    for table in row_groups(run, dataset):
        yield from entries_of(table)


def remove_index(run: RunStore, dataset: str) -> None:
    """Remove a dataset's index, and what became of its images."""
    path = index_path(run.path, dataset)
    path.unlink(missing_ok=True)
    remove_tree(path.with_name(f"{dataset}.blocks"))


def read_index(run: RunStore, dataset: str, columns: list[str] | None = None) -> pa.Table:
    """Return a dataset's index, or some of its columns, in row order."""
    with readable(index_path(run.path, dataset), whole=False) as file:
        return read_whole(file, columns)


def read_uris(run: RunStore, dataset: str) -> pa.Array:
    """Return all uris of a dataset in row order, in one piece: those of many millions of images are over 2 GiB."""
    return read_index(run, dataset, ["uri"])["uri"].cast(pa.large_string()).combine_chunks()


class SourceMetadata:
    """Uri and the source's own columns, which begin with `PREFIX`, of a dataset's images, by row.

    Those of many images are read as they are asked for, those of few are read once.
    """

    def __init__(self, schema: pa.Schema, take: Callable[[NDArray[np.int64], list[str]], pa.Table]) -> None:
        self.schema, self._take = schema, take

    @classmethod
    def open(cls, run: RunStore, dataset: str) -> "SourceMetadata":
        """Return the metadata of a dataset of a run."""
        with readable(index_path(run.path, dataset), whole=False) as file:
            schema = pq.read_schema(file)
        own = pa.schema([field for field in schema if field.name == "uri" or field.name.startswith(PREFIX)])
        if run.record.datasets[dataset].listed > _HELD_ROWS:
            return cls(own, lambda rows, names: take_rows(run, dataset, rows, names))
        held: list[pa.Table] = []

        def take(rows: NDArray[np.int64], names: list[str]) -> pa.Table:
            if not held:
                held.append(read_index(run, dataset, own.names))
            return held[0].select(names).take(pa.array(rows))

        return cls(own, take)

    @classmethod
    def of_table(cls, table: pa.Table) -> "SourceMetadata":
        """Return the metadata that a table holds."""
        return cls(table.schema, lambda rows, names: table.select(names).take(pa.array(rows)))

    @property
    def names(self) -> list[str]:
        """The names of the source's own columns."""
        return [name for name in self.schema.names if name != "uri"]

    def take(self, rows: NDArray[np.int64], columns: Sequence[str] | None = None) -> pa.Table:
        """Return some rows, in their order, or some columns of them."""
        return self._take(rows, self.schema.names if columns is None else list(columns))

    def uris(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the uris of some rows, in their order."""
        uris: list[str] = self.take(rows, ["uri"])["uri"].to_pylist()
        return uris

    def codes(
        self,
        column: str,
        rows: NDArray[np.int64],
        max_values: int | None = None,
        text_of: Callable[[pa.Array], pa.Array] = lambda texts: texts,
    ) -> tuple[NDArray[np.int32], list[str]] | None:
        """Return the number of each row's value, -1 for none, and the values, as text, in the order in which they come.

        Args:
            column: the column's name.
            rows: ascending.
            max_values: with more values than these the answer is None.
            text_of: what to make of the column's texts.
        """
        codes, numbers = np.full(len(rows), -1, np.int32), dict[str, int]()
        for start in range(0, len(rows), _CODED_ROWS):
            part = self.take(rows[start : start + _CODED_ROWS], [column])[column].combine_chunks()
            encoded = text_of(part.cast(pa.large_string())).dictionary_encode()
            own = [numbers.setdefault(text, len(numbers)) for text in encoded.dictionary.to_pylist()]
            if max_values is not None and len(numbers) > max_values:
                return None
            index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
            codes[start : start + len(index)] = np.array([*own, -1], np.int32)[index]
        return codes, list(numbers)


def rows_read(run: RunStore, dataset: str) -> NDArray[np.int64]:
    """Return the numbers of the rows whose image was embedded, ascending."""
    status = read_index(run, dataset, ["status"])["status"]
    return np.flatnonzero(pc.equal(status, "ok").to_numpy()).astype(np.int64)


def rows_rejected(run: RunStore, dataset: str) -> pa.Table:
    """Return the rows whose image was not embedded: row, uri, status and error."""
    tables = row_groups(run, dataset, ["row", "uri", "status", "error"])
    return pa.concat_tables([table.filter(pc.not_equal(table["status"], "ok")) for table in tables])
