"""classes.parquet and classes.csv: the gap of every class, per ordered pair, reading and level."""

import pyarrow as pa

from gapscope.errors import DamageError
from gapscope.store.atomic import replacing
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, write_whole

NAME = "classes.parquet"
TABLE = "classes.csv"

SCHEMA = pa.schema(
    [
        ("query", pa.string()),
        ("reference", pa.string()),
        ("reading", pa.string()),
        ("level", pa.string()),
        ("class", pa.string()),
        ("images", pa.int64()),
        ("groups", pa.int64()),
        ("reference_images", pa.int64()),
        ("reference_groups", pa.int64()),
        ("share_listed", pa.float64()),
        ("gap", pa.float64()),
        ("gap_low", pa.float64()),
        ("gap_high", pa.float64()),
        ("beyond_noise", pa.bool_()),
        ("nearest_class", pa.string()),
        ("nearest_share", pa.float64()),
    ]
)
"""A row per class, level, reading and ordered pair; `docs/design/classes.md` says what the numbers are. What cannot be
told is null: numbers of the query where it has no image of the class, ends of the interval and `beyond_noise` where it
has too few groups, and the nearest class where the reference has no classes."""


def write_class_table(run: Location, table: pa.Table) -> None:
    """Write the table, which has the columns of `SCHEMA`, as Parquet and as CSV."""
    with replacing(run / NAME) as temporary:
        write_whole(temporary, table)
    with replacing(run / TABLE) as temporary:
        table.to_pandas().to_csv(temporary, index=False)


def remove_class_table(run: Location) -> None:
    """Remove the table, where there is one."""
    for name in (NAME, TABLE):
        (run / name).unlink(missing_ok=True)


def read_class_table(run: RunStore) -> pa.Table:
    """Return the table, with the columns of `SCHEMA`; without rows where the run has no classes.

    Raises:
        FileNotFoundError: the run is not finished.
        DamageError: it has other columns.
    """
    path = run.path / NAME
    with readable(path) as file:
        table = read_whole(file)
    if not table.schema.equals(SCHEMA):
        raise DamageError(f"{path} has other columns than a table of classes; see `gapscope verify {run.path}`")
    return table
