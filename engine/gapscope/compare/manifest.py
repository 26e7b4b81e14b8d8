"""The table of outliers of one level and ordered pair, as Parquet, as CSV, and as a plain list."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.answers import Answers
from gapscope.store.atomic import replacing, write_text
from gapscope.store.results import pair_name
from gapscope.store.tables import write_whole

SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("kind", pa.string()),
        ("score", pa.float32()),
        ("p", pa.float64()),
        ("q", pa.float64()),
        ("outside_p", pa.float64()),
        ("outside_q", pa.float64()),
        ("under_p", pa.float64()),
        ("under_q", pa.float64()),
        ("nearest_distance", pa.float32()),
        ("neighbours", pa.list_(pa.string())),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("z", pa.float32()),
        ("cluster", pa.int32()),
    ]
)
# Each half of such a name would be a line of its own, and may name another file.
_LINE_BREAK = re.compile(r"[\r\n]")


def ranked(answers: Answers, most: int | None) -> NDArray[np.int64]:
    """Return the positions of the images that are listed, the surest first; at most `most` of them, where given."""
    listed = np.flatnonzero(answers.listed)
    order = np.lexsort((answers.rows[listed], -answers.score[listed], answers.p[listed], answers.q[listed]))
    return listed[order[:most]]


def outlier_table(
    answers: Answers,
    positions: NDArray[np.int64],
    query: pa.Table,
    nearest: NDArray[np.int64],
    reference_uris: pa.ChunkedArray,
    placed: tuple[NDArray[np.float32], NDArray[np.int32]],
) -> pd.DataFrame:
    """Return the manifest's rows for images that are listed.

    Args:
        answers: of the level and pair.
        positions: of the m images, in the order of their rank.
        query: uri of the query dataset's images, and what else their source says of them, by row.
        nearest: (m, k) rows of each image's nearest in the reference, -1 where there is none.
        reference_uris: of the reference, by row.
        placed: (m, 3) coordinates and (m,) clusters.
    """
    rows = answers.rows[positions]
    outside, under = answers.outside[positions], answers.under_represented[positions]
    said: pd.DataFrame = query.take(rows).to_pandas()
    known = nearest >= 0
    uris = np.array(reference_uris.take(pa.array(nearest[known])).to_pylist(), dtype=object)
    points, clusters = placed
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "uri": said["uri"],
            "row": rows,
            "kind": np.where(outside & under, "both", np.where(outside, "outside", "under-represented")),
            "score": answers.score[positions],
            "p": answers.p[positions],
            "q": answers.q[positions],
            "outside_p": answers.outside_p[positions],
            "outside_q": answers.outside_q[positions],
            "under_p": answers.under_p[positions],
            "under_q": answers.under_q[positions],
            "nearest_distance": answers.nearest_distance[positions],
            # As objects also where there are none, or pandas takes the column for numbers.
            "neighbours": pd.Series(
                [part.tolist() for part in np.split(uris, np.cumsum(known.sum(axis=1))[:-1])] if len(rows) else [],
                dtype=object,
            ),
            "x": points[:, 0],
            "y": points[:, 1],
            "z": points[:, 2],
            "cluster": clusters,
        }
    )
    return pd.concat([table, said.drop(columns="uri")], axis=1)


def manifest_path(run: Path, level: str, query: str, reference: str) -> Path:
    """Path of a manifest in Parquet; the CSV and the plain list lie beside it."""
    return run / "manifests" / f"{level}.{pair_name(query, reference)}.parquet"


def write_manifest(run: Path, level: str, query: str, reference: str, table: pd.DataFrame, said: pa.Schema) -> None:
    """Write a manifest as Parquet, as CSV where the neighbours are a JSON list, and its uris alone, one per line.

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
