"""One list per ordered pair over all levels: where an image stands out, corrected for having looked at every level."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapscope.compare.fdr import q_values
from gapscope.compare.outlier_table import TABLE_ROWS, group_names
from gapscope.store.groups import ImageGroups
from gapscope.store.index import SourceMetadata
from gapscope.store.metrics import AcrossLevelsCounts


@dataclass
class AcrossLevels:
    """What the levels say of each query image of an ordered pair, added level by level.

    Attributes:
        levels: the levels' names, fine to coarse.
        fdr: bound on the expected share of false entries.
        groups: the query's groups, m of them.
        p: (m,) the smallest p-value of any level so far.
        level: (m,) the number of the level that it is from.
        listed: (m, levels) which levels list a group.
        first: (m,) number of the first of the clones that a group belongs to at every level so far: they count once.
            None where there are none.
        added: how many levels were added.
    """

    levels: Sequence[str]
    fdr: float
    groups: ImageGroups
    p: NDArray[np.float64]
    level: NDArray[np.int8]
    listed: NDArray[np.bool_]
    first: NDArray[np.int64] | None = None
    added: int = 0

    @classmethod
    def of(cls, groups: ImageGroups, levels: Sequence[str], fdr: float) -> "AcrossLevels":
        """Return an object for the images of a query, to which no level was added yet."""
        return cls(
            levels=levels,
            fdr=fdr,
            groups=groups,
            p=np.full(len(groups), np.inf),
            level=np.zeros(len(groups), np.int8),
            listed=np.zeros((len(groups), len(levels)), bool),
        )

    def add(
        self, level: str, p: NDArray[np.float64], listed: NDArray[np.int64], first: NDArray[np.int64] | None
    ) -> None:
        """Add what a level says.

        Args:
            level: its name.
            p: (m,) p-values.
            listed: (l,) numbers of the groups that it lists.
            first: (m,) as of `OutlierScores`.
        """
        number = self.levels.index(level)
        smaller = p < self.p
        self.p[smaller], self.level[smaller] = p[smaller], number
        self.listed[listed, number] = True
        if self.added == 0 or first is None:
            self.first = first
        elif self.first is not None:
            self.first = np.where(self.first == first, self.first, np.arange(len(first)))
        self.added += 1

    def _corrected(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        p = np.minimum(1.0, len(self.levels) * self.p)
        return p, q_values(p, self.first)

    def tables(self, metadata: SourceMetadata, max_rows: int | None) -> Iterator[pd.DataFrame]:
        """Yield the images that any level lists, the surest first, some at a time.

        `p` is the smallest of the levels' p-values times the number of levels (Bonferroni), and `q` its q-value over
        all query groups: where q <= fdr, the expected share of false entries is bounded for all levels together. What
        one level alone lists may have a larger q here, and has `within_fdr` false.

        Args:
            metadata: of the query.
            max_rows: rows to return at most; all where None.
        """
        p, q = self._corrected()
        group = self.groups.group
        positions = np.flatnonzero((self.listed.any(axis=1) | (q <= self.fdr))[group])
        n_levels = self.listed[group[positions]].sum(axis=1)
        order = np.lexsort((positions, group[positions], -n_levels, p[group[positions]], q[group[positions]]))
        positions = positions[order[:max_rows]]
        for first in range(0, max(1, len(positions)), TABLE_ROWS):
            yield self._table(first, positions[first : first + TABLE_ROWS], p, q, metadata)

    def _table(
        self,
        first: int,
        positions: NDArray[np.int64],
        p: NDArray[np.float64],
        q: NDArray[np.float64],
        metadata: SourceMetadata,
    ) -> pd.DataFrame:
        rows, group = self.groups.rows[positions], self.groups.group[positions]
        own: pd.DataFrame = metadata.take(rows).to_pandas()
        names = np.array(self.levels, dtype=object)
        table = pd.DataFrame(
            {
                "rank": np.arange(first + 1, first + len(positions) + 1),
                "uri": own["uri"],
                "row": rows,
                "levels": pd.Series([names[listed].tolist() for listed in self.listed[group]], dtype=object),
                "level": names[self.level[group]],
                "p": p[group],
                "q": q[group],
                "within_fdr": q[group] <= self.fdr,
            }
        )
        if not self.groups.counts_images:
            table["group"] = pd.Series(group_names(self.groups, group, metadata), dtype=object)
        whole: pd.DataFrame = pd.concat([table, own.drop(columns="uri")], axis=1)
        return whole

    def counts(self) -> AcrossLevelsCounts:
        """Return how many images any level lists, and how many are listed within the bound for all levels together."""
        within = self._corrected()[1] <= self.fdr
        listed, images = self.listed.any(axis=1) | within, self.groups.group
        return {"listed": int(listed[images].sum()), "within_fdr": int(within[images].sum())}
