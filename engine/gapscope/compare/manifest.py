"""The table of outliers of one level and ordered pair, as Parquet and CSV."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.compare.answers import Answers
from gapscope.store.atomic import replacing
from gapscope.store.results import pair_name

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


def outlier_table(
    answers: Answers, query: pd.DataFrame, reference_uris: "pd.Series[str]", layout: pd.DataFrame, fdr: float
) -> pd.DataFrame:
    """Return the images that either question lists, the surest first.

    Args:
        answers: of the level and pair.
        query: uri of the query dataset's images, and what else their source says of them, by row.
        reference_uris: of the reference, by row.
        layout: x, y, z and cluster of the query dataset at the level, indexed by row.
        fdr: bound on the expected share of false entries.
    """
    outside, under = 2 * answers.outside_q <= fdr, 2 * answers.under_q <= fdr
    listed = np.flatnonzero(outside | under)
    order = np.lexsort((answers.rows[listed], -answers.score[listed], answers.p[listed], answers.q[listed]))
    listed = listed[order]
    rows = answers.rows[listed]
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(listed) + 1),
            "uri": query["uri"].iloc[rows].to_numpy(),
            "row": rows,
            "kind": np.where(
                outside[listed] & under[listed], "both", np.where(outside[listed], "outside", "under-represented")
            ),
            "score": answers.score[listed],
            "p": answers.p[listed],
            "q": answers.q[listed],
            "outside_p": answers.outside_p[listed],
            "outside_q": answers.outside_q[listed],
            "under_p": answers.under_p[listed],
            "under_q": answers.under_q[listed],
            "nearest_distance": answers.nearest_distance[listed],
            # As objects also where there are none, or pandas takes the column for numbers.
            "neighbours": pd.Series(
                [reference_uris.iloc[nearest[nearest >= 0]].tolist() for nearest in answers.nearest[listed]],
                dtype=object,
            ),
        }
    )
    placed = layout.loc[rows, ["x", "y", "z", "cluster"]].reset_index(drop=True)
    said = query.drop(columns="uri").iloc[rows].reset_index(drop=True)
    return pd.concat([table, placed, said], axis=1)


def manifest_path(run: Path, level: str, query: str, reference: str) -> Path:
    """Path of a manifest in Parquet; the CSV lies beside it."""
    return run / "manifests" / f"{level}.{pair_name(query, reference)}.parquet"


def write_manifest(run: Path, level: str, query: str, reference: str, table: pd.DataFrame, said: pa.Schema) -> None:
    """Write a manifest as Parquet and as CSV, where the neighbours are a JSON list.

    Args:
        run: the run's folder.
        level: the level's name.
        query: the query dataset's name.
        reference: the reference dataset's name.
        table: what `outlier_table` returns.
        said: the columns that come from the query's source.
    """
    path = manifest_path(run, level, query, reference)
    schema = pa.unify_schemas([SCHEMA, said])
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False), temporary)
    with replacing(path.with_suffix(".csv")) as temporary:
        spelled = table["neighbours"].map(lambda uris: json.dumps(list(uris), ensure_ascii=False))
        table.assign(neighbours=spelled).to_csv(temporary, index=False)
