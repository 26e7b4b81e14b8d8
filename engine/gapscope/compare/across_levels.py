"""One list per ordered pair over all levels: where an image stands out, and how sure that is for all the looking."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.fdr import benjamini_hochberg
from gapscope.compare.outlier_scores import OutlierScores
from gapscope.store.manifests import ALL, manifest_path, write_table

SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("uri", pa.string()),
        ("row", pa.int64()),
        ("levels", pa.list_(pa.string())),
        ("level", pa.string()),
        ("p", pa.float64()),
        ("q", pa.float64()),
        ("within_fdr", pa.bool_()),
    ]
)


@dataclass
class AcrossLevels:
    """What the levels say of each query image of an ordered pair, added level by level.

    Attributes:
        levels: the levels' names, in the order in which they are added.
        fdr: bound on the expected share of false entries.
        rows: rows of the query's images.
        p: the smallest p of any level so far, and `at`, the number of that level.
        listed: (n, levels) which levels list an image.
    """

    levels: Sequence[str]
    fdr: float
    rows: NDArray[np.int64]
    p: NDArray[np.float64]
    at: NDArray[np.int8]
    listed: NDArray[np.bool_]

    @classmethod
    def of(cls, answers: OutlierScores, levels: Sequence[str]) -> "AcrossLevels":
        """Begin with nothing added."""
        images = len(answers.rows)
        return cls(
            levels=levels,
            fdr=answers.fdr,
            rows=answers.rows,
            p=np.full(images, np.inf),
            at=np.zeros(images, np.int8),
            listed=np.zeros((images, len(levels)), bool),
        )

    def add(self, level: int, answers: OutlierScores) -> None:
        """Take in what level number `level` says."""
        p = answers.p
        nearer = p < self.p
        self.p[nearer], self.at[nearer] = p[nearer], level
        self.listed[:, level] = answers.listed

    def table(self, query: pa.Table, most: int | None) -> pd.DataFrame:
        """Return the images that any level lists, the surest first.

        `p` is the smallest of the levels' times their number (Bonferroni), and `q` is that after Benjamini-Hochberg
        over all query images: where q <= fdr, the expected share of false entries is bounded for all levels together.
        What one level alone lists may have a larger q here, and has `within_fdr` false.

        Args:
            query: uri of the query's images, and what else their source says of them, by row.
            most: rows to return at most; all where None.
        """
        p = np.minimum(1.0, len(self.levels) * self.p)
        q = benjamini_hochberg(p)
        found = np.flatnonzero(self.listed.any(axis=1) | (q <= self.fdr))
        order = np.lexsort((self.rows[found], -self.listed[found].sum(axis=1), p[found], q[found]))
        found = found[order[:most]]
        said: pd.DataFrame = query.take(self.rows[found]).to_pandas()
        names = np.array(self.levels, dtype=object)
        table = pd.DataFrame(
            {
                "rank": np.arange(1, len(found) + 1),
                "uri": said["uri"],
                "row": self.rows[found],
                "levels": pd.Series([names[listed].tolist() for listed in self.listed[found]], dtype=object),
                "level": names[self.at[found]],
                "p": p[found],
                "q": q[found],
                "within_fdr": q[found] <= self.fdr,
            }
        )
        whole: pd.DataFrame = pd.concat([table, said.drop(columns="uri")], axis=1)
        return whole

    def counts(self) -> dict[str, int]:
        """Return how many images any level lists, and how many are listed within the bound for all levels together."""
        q = benjamini_hochberg(np.minimum(1.0, len(self.levels) * self.p))
        within = q <= self.fdr
        return {"listed": int((self.listed.any(axis=1) | within).sum()), "within_fdr": int(within.sum())}


def write_across_levels(run: Path, query: str, reference: str, table: pd.DataFrame, said: pa.Schema) -> None:
    """Write the list over all levels; its plain list holds what is within the bound for all levels together."""
    path = manifest_path(run, ALL, query, reference)
    write_table(path, table, pa.unify_schemas([SCHEMA, said]), uris=table["uri"][table["within_fdr"].astype(bool)])
