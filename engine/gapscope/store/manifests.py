"""manifests/: the tables of outliers and duplicates, as Parquet, as CSV, and as plain lists."""

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa

from gapscope.store.atomic import replacing, write_text
from gapscope.store.results import pair_name
from gapscope.store.tables import write_whole

ALL = "all"
"""What stands in a file name in place of a level."""

SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("score", pa.float32()),
        ("p", pa.float64()),
        ("q", pa.float64()),
        ("outside_p", pa.float64()),
        ("outside_q", pa.float64()),
        ("under_p", pa.float64()),
        ("under_q", pa.float64()),
        ("nearest_distance", pa.float32()),
        ("neighbors", pa.list_(pa.string())),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("z", pa.float32()),
        ("cluster", pa.int32()),
    ]
)
# Each half of such a name would be a line of its own, and may name another file.
_LINE_BREAK = re.compile(r"[\r\n]")


def duplicates_path(run: Path) -> Path:
    """Path of the table of duplicates in Parquet; the CSV and the plain list lie beside it."""
    return run / "manifests" / "duplicates.parquet"


def manifest_path(run: Path, level: str, query: str, reference: str) -> Path:
    """Path of a manifest in Parquet; the CSV and the plain list lie beside it."""
    return run / "manifests" / f"{level}.{pair_name(query, reference)}.parquet"


def write_manifest(run: Path, level: str, query: str, reference: str, table: pd.DataFrame, said: pa.Schema) -> None:
    """Write a manifest as Parquet, as CSV where the neighbors are a JSON list, and its uris alone, one per line.

    Args:
        run: the run's folder.
        level: the level's name.
        query: the query dataset's name.
        reference: the reference dataset's name.
        table: what `outlier_table` returns.
        said: the columns that come from the query's source.
    """
    write_table(manifest_path(run, level, query, reference), table, pa.unify_schemas([SCHEMA, said]))


def write_table(path: Path, table: pd.DataFrame, schema: pa.Schema, uris: "pd.Series[str] | None" = None) -> None:
    """Write a table as Parquet at `path`, as CSV and as a plain list of uris beside it.

    Args:
        path: of the Parquet file.
        table: its columns; lists are JSON in the CSV.
        schema: of the Parquet file.
        uris: what the plain list holds, but for those with a line break; the column uri by default.
    """
    with replacing(path) as temporary:
        write_whole(temporary, pa.Table.from_pandas(table, schema=schema, preserve_index=False))
    spelled = {
        field.name: table[field.name].map(lambda values: json.dumps(list(values), ensure_ascii=False))
        for field in schema
        if pa.types.is_list(field.type)
    }
    with replacing(path.with_suffix(".csv")) as temporary:
        table.assign(**spelled).to_csv(temporary, index=False)
    listed = table["uri"] if uris is None else uris
    write_text(path.with_suffix(".txt"), "".join(f"{uri}\n" for uri in listed if not _LINE_BREAK.search(uri)))
