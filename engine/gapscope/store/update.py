"""Updating a dataset's index from its source, so that only what is new has to be embedded."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.sources.entry import Entry, Kind
from gapscope.store.atomic import replacing
from gapscope.store.changes import Changes, find_changes
from gapscope.store.groups import forget_groups
from gapscope.store.image_stats import merge_image_stats
from gapscope.store.index import GROUP_ROWS, PREFIX, index_path, listed_table, schema_of
from gapscope.store.layouts import forget_previous_coordinates, remove_results
from gapscope.store.location import Location, readable
from gapscope.store.pyramid import mark_pending
from gapscope.store.run_store import RunStore
from gapscope.store.tables import open_table, table_writer


def update_index(
    run: RunStore, dataset: str, entries: Iterable[Entry], columns: Mapping[str, Kind]
) -> tuple[int, Changes]:
    """Put what a source lists now into the index: new images follow the old ones, which keep their rows.

    Whenever this is stopped, doing it again ends with the same index.

    Args:
        run: the run.
        dataset: the dataset's name.
        entries: what its source lists now.
        columns: of the entries' values.

    Returns:
        The number of rows in the index, and what was changed.
    """
    merge_image_stats(run, dataset)
    index, schema = index_path(run.path, dataset), schema_of(columns)
    with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
        spool = Path(folder) / "added.parquet"
        with table_writer(spool, schema) as writer:
            changes = find_changes(
                run, dataset, entries, lambda added: writer.write_table(listed_table(added, 0, schema))
            )
        with readable(index, whole=False) as file:
            table = open_table(file)
            old, same = table.metadata.num_rows, table.schema_arrow.equals(schema)
        if changes or not same:
            remove_results(run)
            forget_groups(run, dataset)
            forget_previous_coordinates(run, dataset, [*changes.removed, *changes.embed])
            mark_pending(run, dataset, _blocks_to_embed(changes, old, run.record.block_rows))
            _rewrite(index, spool, schema, changes)
        return old + changes.added, changes


def _blocks_to_embed(changes: Changes, old: int, block_rows: int) -> list[int]:
    rows = [*changes.removed, *changes.embed] + ([old] if changes.added and old % block_rows else [])
    return sorted({row // block_rows for row in rows})


def _rewrite(index: Location, spool: Location, schema: pa.Schema, changes: Changes) -> None:
    with (
        readable(index, whole=False) as source,
        open_table(source) as old,
        open_table(spool) as added,
        replacing(index) as path,
        table_writer(path, schema) as writer,
    ):
        first = 0
        for table in _regrouped(_tables(old, added, schema, changes)):
            rows = pa.array(range(first, first + len(table)), pa.int64())
            writer.write_table(table.set_column(table.schema.get_field_index("row"), "row", rows))
            first += len(table)


def _tables(old: pq.ParquetFile, added: pq.ParquetFile, schema: pa.Schema, changes: Changes) -> Iterator[pa.Table]:
    first = 0
    removed = set(changes.removed)
    for group in range(old.num_row_groups):
        table = old.read_row_group(group)
        yield _changed(table, range(first, first + len(table)), removed, changes, schema)
        first += len(table)
    for group in range(added.num_row_groups):
        yield added.read_row_group(group)


def _changed(
    table: pa.Table, numbers: Sequence[int], removed: set[int], changes: Changes, schema: pa.Schema
) -> pa.Table:
    rows = table.to_pylist()
    for position, number in enumerate(numbers):
        if number in removed:
            rows[position] |= {"status": "removed", "error": "not in its source any more"}
        elif entry := changes.embed.get(number):
            rows[position] = listed_table([entry], number, schema).to_pylist()[0]
        elif entry := changes.relabel.get(number):
            row = listed_table([entry], number, schema).to_pylist()[0]
            rows[position] |= {name: value for name, value in row.items() if name.startswith(PREFIX)}
    return pa.Table.from_pylist(rows, schema=schema)


def _regrouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of tables in row groups of the size that blocks rely on."""
    rest: pa.Table | None = None
    for table in tables:
        rest = table if rest is None else pa.concat_tables([rest, table])
        while len(rest) >= GROUP_ROWS:
            yield rest.slice(0, GROUP_ROWS)
            rest = rest.slice(GROUP_ROWS)
    if rest is not None and len(rest):
        yield rest
