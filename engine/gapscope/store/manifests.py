"""manifests/: the tables of outliers and duplicates, as Parquet, as CSV, and as plain lists."""

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gapscope.settings import Reading
from gapscope.store.atomic import replacing, write_text
from gapscope.store.datasets import Pair
from gapscope.store.location import Location, readable
from gapscope.store.tables import open_table, read_whole, table_writer, write_whole

ALL = "all"
"""What stands in a file name in place of a level."""

_P_AND_Q = [(f"{test}{number}", pa.float64()) for test in ("", "outside_", "under_") for number in "pq"]
"""Columns of p- and q-values: of both tests together, and of each."""
OUTLIER_SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("score", pa.float32()),
        ("distance", pa.float32()),
        *_P_AND_Q,
        ("nearest_distance", pa.float32()),
        ("neighbors", pa.list_(pa.string())),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("z", pa.float32()),
        ("cluster", pa.int32()),
        ("kind", pa.string()),
    ]
)
GROUP_SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("group", pa.string()),
        ("listed", pa.bool_()),
        ("reason", pa.string()),
        ("images", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("score", pa.float32()),
        ("distance", pa.float32()),
        *_P_AND_Q,
    ]
)
STYLE_ASIDE_SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("listed", pa.bool_()),
        ("reason", pa.string()),
        ("score", pa.float32()),
        ("distance", pa.float32()),
        ("p", pa.float64()),
        ("q", pa.float64()),
        *list(OUTLIER_SCHEMA)[list(OUTLIER_SCHEMA.names).index("nearest_distance") :],
    ]
)
_OF_GROUPED = pa.schema([("group", pa.string())])
"""The column that a manifest of images has where images form groups."""
ACROSS_LEVELS_SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("levels", pa.list_(pa.string())),
        ("level", pa.string()),
        ("p", pa.float64()),
        ("q", pa.float64()),
        ("within_fdr", pa.bool_()),
        ("kind", pa.string()),
    ]
)
# Each half of such a name would be a line of its own, and may name another file.
_LINE_BREAK = re.compile(r"[\r\n]")


def duplicates_path(run: Location) -> Location:
    """Path of the table of duplicates in Parquet; the CSV and the plain list lie beside it."""
    return run / "manifests" / "duplicates.parquet"


_READING: dict[Reading, str] = {"as-is": "", "style-aside": ".style-aside"}


def table_name(level: str, pair: Pair, reading: Reading) -> str:
    """Return the name, without suffix, of a table of a level, ordered pair and reading.

    Example:
        >>> table_name("P5", Pair("real", "synthetic"), "style-aside")
        'P5.real-vs-synthetic.style-aside'
    """
    return f"{level}.{pair.name}{_READING[reading]}"


def manifest_path(run: Location, level: str, pair: Pair, reading: Reading = "as-is") -> Location:
    """Path of a manifest in Parquet; the CSV and the plain list lie beside it."""
    return run / "manifests" / f"{table_name(level, pair, reading)}.parquet"


def groups_manifest_path(run: Location, level: str, pair: Pair, reading: Reading = "as-is") -> Location:
    """Path of a manifest of groups in Parquet; the CSV and the plain list lie beside it."""
    return run / "manifests" / f"{table_name(level, pair, reading)}.groups.parquet"


def write_groups_manifest(run: Location, level: str, pair: Pair, reading: Reading, table: pd.DataFrame) -> None:
    """Write a manifest of groups; its plain list holds the names of those that are listed."""
    path = groups_manifest_path(run, level, pair, reading)
    write_table(path, table, GROUP_SCHEMA, uris=table["group"][table["listed"].astype(bool)])


def remove_groups_manifest(run: Location, level: str, pair: Pair, reading: Reading) -> None:
    """Remove a manifest of groups, which an earlier command may have written."""
    path = groups_manifest_path(run, level, pair, reading)
    for suffix in (".parquet", ".csv", ".txt"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def read_groups_manifest(run: Location, level: str, pair: Pair, reading: Reading = "as-is") -> pa.Table:
    """Return a manifest of groups.

    Raises:
        FileNotFoundError: the query's images form no groups.
    """
    with readable(groups_manifest_path(run, level, pair, reading)) as file:
        return read_whole(file)


def write_manifest(
    run: Location, level: str, pair: Pair, reading: Reading, tables: Iterable[pd.DataFrame], metadata: pa.Schema
) -> None:
    """Write a manifest as Parquet, as yet without kinds; `write_kinds` writes the other files.

    Args:
        run: the run's folder.
        level: the level's name.
        pair: of datasets.
        reading: whose list it is.
        tables: what `gapscope.compare.outlier_table.outlier_tables` yields.
        metadata: the columns that come from the query's source.
    """
    schema = OUTLIER_SCHEMA if reading == "as-is" else STYLE_ASIDE_SCHEMA
    _write_without_kinds(manifest_path(run, level, pair, reading), tables, schema, metadata)


def _write_without_kinds(path: Location, tables: Iterable[pd.DataFrame], own: pa.Schema, metadata: pa.Schema) -> None:
    with replacing(path) as temporary, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for table in tables:
            schema = _schema(own, table, metadata)
            if writer is None:
                writer = stack.enter_context(table_writer(temporary, schema))
            marked = table.assign(kind="")[schema.names]
            writer.write_table(pa.Table.from_pandas(marked, schema=schema, preserve_index=False))


def write_kinds(
    run: Location, level: str, pair: Pair, reading: Reading, ids: Sequence[str], kind_of_row: NDArray[np.int32]
) -> None:
    """Write which kind each image of a manifest is of: in the Parquet file, and with it the CSV and the plain list.

    In the CSV, lists are JSON. The plain list holds the uris of what is listed; over all levels, of what is within the
    bound for all of them together.

    Args:
        run: the run's folder.
        level: the level's name, or `ALL`.
        pair: of datasets.
        reading: whose list it is.
        ids: of kinds; empty for no kind.
        kind_of_row: the number of the kind of each row of the query, in `ids`.
    """
    path = manifest_path(run, level, pair, reading)
    with (
        readable(path, whole=False) as source,
        open_table(source) as file,
        replacing(path.with_suffix(".csv")) as csv,
        replacing(path.with_suffix(".txt")) as plain,
        replacing(path) as temporary,
        table_writer(temporary, file.schema_arrow) as writer,
        plain.open("w", encoding="utf-8") as lines,
    ):
        names = file.schema_arrow.names
        listed = next((name for name in ("listed", "within_fdr") if name in names), None)
        for number in range(file.num_row_groups):
            part = file.read_row_group(number)
            own = pa.array(ids, pa.string()).take(pa.array(kind_of_row[part["row"].to_numpy()]))
            part = part.set_column(names.index("kind"), "kind", own)
            writer.write_table(part)
            frame = part.to_pandas()
            _spelled(frame, part.schema).to_csv(csv, index=False, mode="a" if number else "w", header=not number)
            lines.write(_lines(frame["uri"] if listed is None else frame["uri"][frame[listed].astype(bool)]))


def _schema(own: pa.Schema, table: pd.DataFrame, metadata: pa.Schema) -> pa.Schema:
    return pa.unify_schemas([own, *([_OF_GROUPED] if "group" in table else []), metadata])


def write_table(path: Location, table: pd.DataFrame, schema: pa.Schema, uris: "pd.Series[str] | None" = None) -> None:
    """Write a table as Parquet at `path`, as CSV and as a plain list of uris beside it.

    Args:
        path: of the Parquet file.
        table: its columns; lists are JSON in the CSV.
        schema: of the Parquet file.
        uris: what the plain list holds, but for those with a line break; the column uri by default.
    """
    _write_parquet(path, table, schema)
    _write_texts(path, table[schema.names], schema, table["uri"] if uris is None else uris)


def _write_parquet(path: Location, table: pd.DataFrame, schema: pa.Schema) -> None:
    with replacing(path) as temporary:
        write_whole(temporary, pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False))


def _write_texts(path: Location, table: pd.DataFrame, schema: pa.Schema, uris: "pd.Series[str]") -> None:
    with replacing(path.with_suffix(".csv")) as temporary:
        _spelled(table, schema).to_csv(temporary, index=False)
    write_text(path.with_suffix(".txt"), _lines(uris))


def _spelled(table: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """Return a table whose lists are JSON."""
    spelled = {
        field.name: table[field.name].map(lambda values: json.dumps(list(values), ensure_ascii=False))
        for field in schema
        if pa.types.is_list(field.type)
    }
    return table.assign(**spelled)


def _lines(uris: "pd.Series[str]") -> str:
    return "".join(f"{uri}\n" for uri in uris if not _LINE_BREAK.search(uri))


def write_across_levels(run: Location, pair: Pair, tables: Iterable[pd.DataFrame], metadata: pa.Schema) -> None:
    """Write the list over all levels as Parquet, as yet without kinds; `write_kinds` writes the other files."""
    _write_without_kinds(manifest_path(run, ALL, pair), tables, ACROSS_LEVELS_SCHEMA, metadata)


def read_manifest(
    run: Location, level: str, pair: Pair, columns: list[str] | None = None, reading: Reading = "as-is"
) -> pa.Table:
    """Return a manifest, or some of its columns; of all levels together where `level` is `ALL`."""
    with readable(manifest_path(run, level, pair, reading)) as file:
        return read_whole(file, columns)


def read_duplicates(run: Location) -> pa.Table:
    """Return the table of duplicates."""
    with readable(duplicates_path(run)) as file:
        return read_whole(file)
