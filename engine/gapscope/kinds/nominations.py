"""What all levels and readings list of an ordered pair, gathered level by level, for kinds to be made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.outlier_scores import Basis, OutlierScores
from gapscope.compare.outlier_table import SATURATED
from gapscope.settings import Reading
from gapscope.store.groups import ImageGroups

_OUTSIDE = 0.05


class OfGroups(NamedTuple):
    """What a level and reading say of each of the m groups of the query.

    Attributes:
        from_reference: (m,) how many of the `k_local` nearest of a group's representative are the reference's.
        outside: (m,) whether a group lies outside of 95% of the reference.
    """

    from_reference: NDArray[np.unsignedinteger]
    outside: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LevelList:
    """What one level and reading say of the m groups of the query.

    Attributes:
        level: the level's name.
        reading: as it is, or style aside.
        basis: what the list rests on.
        listed: (l,) numbers of the groups that are listed, ascending.
        p: (l,) their p-values.
        first: (l,) number of the first of the clones that each belongs to.
        tests: m.
        k_local: how many nearest were counted.
        of_groups: returns what is said of every group. It may read that from the run, which saves memory: every level
            and reading has such arrays.
    """

    level: str
    reading: Reading
    basis: Basis
    listed: NDArray[np.int64]
    p: NDArray[np.float64]
    first: NDArray[np.int64]
    tests: int
    k_local: int
    of_groups: Callable[[], OfGroups]

    @classmethod
    def of(cls, level: str, reading: Reading, scores: OutlierScores) -> "LevelList":
        """Return what a level and reading say by these scores."""
        listed = np.flatnonzero(scores.listed)
        of_groups = OfGroups(scores.groups.of_representatives(scores.from_reference), scores.outside_p <= _OUTSIDE)
        return cls(
            level=level,
            reading=reading,
            basis=scores.basis,
            listed=listed,
            p=scores.p_of(listed),
            first=listed if scores.first is None else scores.first[listed],
            tests=len(scores.groups),
            k_local=scores.k_local,
            of_groups=lambda: of_groups,
        )

    @property
    def share(self) -> float:
        """Share of the groups that is listed."""
        return len(self.listed) / max(1, self.tests)

    def find(self, members: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions in `listed` of those of some groups, ascending, that are listed."""
        if not len(self.listed):
            return np.empty(0, np.int64)
        places = np.minimum(np.searchsorted(self.listed, members), len(self.listed) - 1)
        return np.asarray(places[self.listed[places] == members], np.int64)


@dataclass(frozen=True, kw_only=True)
class Nominations:
    """Every list of an ordered pair.

    A list nominates its images for kinds, unless it is as it is and holds more than half of the images: then it speaks
    of the look of the whole set. A suggestion nominates only at such levels, where the list as it is says nothing.

    Attributes:
        groups: the query's groups, m of them.
        references: number of groups of the reference.
        levels: the levels' names, fine to coarse.
        readings: the readings that are compared.
        lists: what was added.
    """

    groups: ImageGroups
    references: int
    levels: Sequence[str]
    readings: Sequence[Reading]
    lists: dict[tuple[str, Reading], LevelList] = field(default_factory=dict)

    def add(self, own: LevelList) -> None:
        """Add what a level and reading say."""
        self.lists[own.level, own.reading] = own

    @property
    def saturated(self) -> list[LevelList]:
        """The lists as it is that hold more than half of the images, fine to coarse."""
        lists = (self.lists.get((level, "as-is")) for level in self.levels)
        return [own for own in lists if own is not None and own.share > SATURATED]

    @property
    def nominating(self) -> list[LevelList]:
        """The lists that nominate, and hold anything."""
        saturated = {own.level for own in self.saturated}
        return [own for own in self.lists.values() if self._nominates(own, saturated) and len(own.listed)]

    def _nominates(self, own: LevelList, saturated: set[str]) -> bool:
        if own.reading not in self.readings:
            return False
        if own.reading == "as-is":
            return own.level not in saturated
        return own.basis == "calibrated" or (own.basis == "suggested" and self._says_nothing(own.level, saturated))

    def _says_nothing(self, level: str, saturated: set[str]) -> bool:
        return level in saturated or "as-is" not in self.readings

    @property
    def nominated(self) -> NDArray[np.int64]:
        """(c,) numbers of the groups that any of these lists holds, ascending."""
        listed = [own.listed for own in self.nominating]
        return np.unique(np.concatenate(listed)) if listed else np.empty(0, np.int64)

    def q(self, members: NDArray[np.int64]) -> float | None:
        """Return how sure it is that a kind is no accident; None where no list with a guarantee holds any of it.

        The p-value of "none of these groups differs from the reference" that holds for all sets of groups at once,
        however they were chosen after the data were seen: Simes' over the set, with all groups of the query as the
        number of tests (Goeman, Meijer, Krebs and Solari 2019, "Simultaneous control of all false discovery proportions
        in large-scale multiple hypothesis testing"). The smallest of all lists counts, times how many lists there are
        in both directions (Bonferroni). Clones count once.

        Args:
            members: numbers of the kind's groups, ascending.
        """
        smallest = np.inf
        for own in self.nominating:
            inside = own.find(members) if own.basis == "calibrated" else ()
            if not len(inside):
                continue
            kept = np.unique(own.first[inside], return_index=True)[1]
            p = np.sort(own.p[inside][kept])
            smallest = min(smallest, float((own.tests * p / np.arange(1, len(p) + 1)).min()))
        if not np.isfinite(smallest):
            return None
        return min(1.0, 2 * len(self.levels) * len(self.readings) * smallest)
