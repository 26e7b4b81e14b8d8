"""One list per ordered pair over all levels: where an image stands out, corrected for having looked at every level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.fdr import q_values
from gapscope.compare.outlier_scores import OutlierScores
from gapscope.store.metrics import AcrossLevelsCounts


@dataclass
class AcrossLevels:
    """What the levels say of each query image of an ordered pair, added level by level.

    Attributes:
        levels: the levels' names, in the order in which they are added.
        fdr: bound on the expected share of false entries.
        rows: rows of the query's images.
        p: the smallest p-value of any level so far.
        level: the number of the level that it is from.
        listed: (n, levels) which levels list an image.
    """

    levels: Sequence[str]
    fdr: float
    rows: NDArray[np.int64]
    p: NDArray[np.float64]
    level: NDArray[np.int8]
    listed: NDArray[np.bool_]

    @classmethod
    def of(cls, scores: OutlierScores, levels: Sequence[str]) -> "AcrossLevels":
        """Return an object for the query images of `scores`, to which no level was added yet."""
        images = len(scores.rows)
        return cls(
            levels=levels,
            fdr=scores.fdr,
            rows=scores.rows,
            p=np.full(images, np.inf),
            level=np.zeros(images, np.int8),
            listed=np.zeros((images, len(levels)), bool),
        )

    def add(self, level: int, scores: OutlierScores) -> None:
        """Add the scores of level number `level`."""
        p = scores.p
        smaller = p < self.p
        self.p[smaller], self.level[smaller] = p[smaller], level
        self.listed[:, level] = scores.listed

    def _corrected(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        p = np.minimum(1.0, len(self.levels) * self.p)
        return p, q_values(p)

    def table(self, metadata: pa.Table, max_rows: int | None) -> pd.DataFrame:
        """Return the images that any level lists, the surest first.

        `p` is the smallest of the levels' p-values times the number of levels (Bonferroni), and `q` its q-value over
        all query images: where q <= fdr, the expected share of false entries is bounded for all levels together. What
        one level alone lists may have a larger q here, and has `within_fdr` false.

        Args:
            metadata: uri of the query's images, and the columns of their source, by row.
            max_rows: rows to return at most; all where None.
        """
        p, q = self._corrected()
        positions = np.flatnonzero(self.listed.any(axis=1) | (q <= self.fdr))
        n_levels = self.listed[positions].sum(axis=1)
        positions = positions[np.lexsort((self.rows[positions], -n_levels, p[positions], q[positions]))[:max_rows]]
        own: pd.DataFrame = metadata.take(self.rows[positions]).to_pandas()
        names = np.array(self.levels, dtype=object)
        table = pd.DataFrame(
            {
                "rank": np.arange(1, len(positions) + 1),
                "uri": own["uri"],
                "row": self.rows[positions],
                "levels": pd.Series([names[listed].tolist() for listed in self.listed[positions]], dtype=object),
                "level": names[self.level[positions]],
                "p": p[positions],
                "q": q[positions],
                "within_fdr": q[positions] <= self.fdr,
            }
        )
        whole: pd.DataFrame = pd.concat([table, own.drop(columns="uri")], axis=1)
        return whole

    def counts(self) -> AcrossLevelsCounts:
        """Return how many images any level lists, and how many are listed within the bound for all levels together."""
        within = self._corrected()[1] <= self.fdr
        return {"listed": int((self.listed.any(axis=1) | within).sum()), "within_fdr": int(within.sum())}
