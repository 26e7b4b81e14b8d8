"""Parquet files of a run, with a checksum per page that is held against what is read."""

from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.store.location import Location


def table_writer(path: Location, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a table to be written in row groups."""
    return pq.ParquetWriter(path, schema, write_page_checksum=True)


def write_whole(path: Location, table: pa.Table, compression: str = "snappy") -> None:
    """Write a table in one go."""
    pq.write_table(table, path, compression=compression, write_page_checksum=True)


def open_table(source: Location | IO[bytes]) -> pq.ParquetFile:
    """Open a table to be read in row groups."""
    return pq.ParquetFile(source, page_checksum_verification=True)


def read_whole(source: Location | IO[bytes], columns: list[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns, in one go."""
    with open_table(source) as file:
        return file.read(columns=columns)
