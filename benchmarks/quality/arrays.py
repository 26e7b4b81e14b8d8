"""Two datasets of embeddings in memory, compared by gapscope's own pieces as a run compares them, without its folder.

Every image counts. What the comparison reads from a run's neighbor graph, it reads here from arrays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.compare.content import content_agreement
from gapscope.compare.near import typical_spacing
from gapscope.compare.outlier_scores import OutlierScores, knn_radius, score_outliers
from gapscope.compare.style_aside import MIN_CONTENT, Residual, with_basis
from gapscope.compare.style_scaler import MAX_SAMPLE, Scalers, trimmed_style_scalers
from gapscope.kinds.grouping import group_nominated
from gapscope.kinds.nominations import LevelList, Nominations
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.result import Neighbors
from gapscope.neighbors.scaler import fit_scaler
from gapscope.settings import CompareSettings, Reading
from gapscope.store.datasets import Graph, Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import neighbor_arrays
from gapscope.store.run_store import RunStore

Levels = Mapping[str, NDArray[np.float16]]
"""Embeddings (n, channels) per level, fine to coarse."""
Search = Callable[[EmbeddingView, EmbeddingView, int, bool], Neighbors]
"""Finds the k nearest; the last argument is whether query and reference are one dataset."""

_PAIR = Pair("query", "reference")
_CPU = torch.device("cpu")


def search_exactly(query: EmbeddingView, reference: EmbeddingView, k: int, same: bool) -> Neighbors:
    """Compare everything, as a run does below 30,000 images."""
    return exact_neighbors(query, reference, k, same=same, device=_CPU)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a level and reading say of the query.

    Attributes:
        scores: with what is listed.
        residual: what remains of a difference of look; None as it is.
        content: content agreement; None as it is, and where it was not asked for or needed, or nothing is known.
        trimmed: whether the scalers are not those of the whole datasets.
    """

    scores: OutlierScores
    residual: Residual | None = None
    content: float | None = None
    trimmed: bool = False


class Kind(NamedTuple):
    """A kind: the positions of its images, and how sure it is; None for a suggestion."""

    members: NDArray[np.int64]
    q: float | None


class _ArrayGraph:
    """Neighbors in memory, where a `RunStore` has them on disk."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    @property
    def record(self) -> "_ArrayGraph":
        return self

    def graph(self, pair: Pair, reading: Reading = "as-is") -> Graph:
        del pair
        return "style-aside" if reading == "style-aside" else "images"

    def array(self, path: str, mode: str = "r") -> NDArray[Any]:
        del mode
        return self.arrays[path]

    def as_run(self) -> RunStore:
        return cast("RunStore", self)


class TwoDatasets:
    """A query and a reference at all levels.

    Args:
        query: embeddings per level.
        reference: embeddings at the same levels.
        settings: of the comparison.
        search: finds neighbors; exact by default.
    """

    def __init__(
        self,
        query: Levels,
        reference: Levels,
        settings: CompareSettings | None = None,
        search: Search = search_exactly,
    ) -> None:
        self._datasets = dict(zip(_PAIR, (query, reference), strict=True))
        self._levels = list(query)
        self._settings, self._search = settings or CompareSettings(), search
        self._groups = {
            name: ImageGroups.singles(np.arange(len(next(iter(levels.values()))), dtype=np.int64))
            for name, levels in self._datasets.items()
        }
        self._style_scalers = cache(self._fit_style_scalers)

    def compare(self, level: str, reading: Reading, *, content: bool = False) -> tuple[Compared, Compared]:
        """Return what a level says of the query, and of the reference against the query.

        Args:
            level: the level's name.
            reading: as it is or style aside.
            content: whether to measure content agreement also where the list does not depend on it.
        """
        graph = self._find_neighbors(level, reading)
        tested = {}
        for pair in (_PAIR, _PAIR.reversed):
            groups = self._groups[pair.query], self._groups[pair.reference]
            radius = knn_radius(graph.as_run(), level, pair.reference, self._settings.k, groups[1], reading)
            spacing = typical_spacing(graph.as_run(), level, pair.reference, groups[1].rows, reading)
            tested[pair] = score_outliers(graph.as_run(), level, pair, radius, groups, self._settings, spacing, reading)
        if reading == "as-is":
            return Compared(scores=tested[_PAIR]), Compared(scores=tested[_PAIR.reversed])
        query, reference = (self._with_basis(graph, level, pair, tested, always=content) for pair in tested)
        return query, reference

    def kinds(self) -> tuple[list[Kind], list[Kind]]:
        """Return the kinds of the query and of the reference, over all levels and readings, as a run makes them."""
        readings: tuple[Reading, ...] = ("as-is", "style-aside")
        graph, found = _ArrayGraph(), []
        gathered = {
            pair: Nominations(
                groups=self._groups[pair.query],
                references=len(self._groups[pair.reference]),
                levels=self._levels,
                readings=readings,
            )
            for pair in (_PAIR, _PAIR.reversed)
        }
        for level in self._levels:
            for reading in readings:
                for own, compared in zip(gathered.values(), self.compare(level, reading), strict=True):
                    own.add(LevelList.of(level, reading, compared.scores))
        for pair, own in gathered.items():
            for nominating in own.nominating:
                graph.arrays |= self._find_neighbors(nominating.level, nominating.reading).arrays
            kinds = [Kind(members, own.q(members)) for members in group_nominated(graph.as_run(), pair, own)]
            found.append([kind for kind in kinds if kind.q is None or kind.q <= self._settings.fdr])
        return found[0], found[1]

    def views(self, level: str, reading: Reading) -> dict[str, EmbeddingView]:
        """Return the query's and the reference's vectors at a level, by the scalers of a reading."""
        if reading == "as-is":
            scalers: Scalers = [fit_scaler([self._rows(name, level) for name in _PAIR])] * 2
        else:
            whole = self._style_scalers(level)
            scalers = whole or [fit_scaler([self._rows(name, level)]) for name in _PAIR]
        return {
            name: EmbeddingView(
                embeddings=self._datasets[name][level],
                rows=self._groups[name].rows,
                mean=mean,
                std=std,
            )
            for name, (mean, std) in zip(_PAIR, scalers, strict=True)
        }

    def _with_basis(
        self, graph: _ArrayGraph, level: str, pair: Pair, tested: Mapping[Pair, OutlierScores], *, always: bool
    ) -> Compared:
        content = None
        scores, residual = with_basis(tested[pair], tested[pair.reversed], None)
        if always or residual.remains:
            content = self._content(graph, level, pair)
            scores, residual = with_basis(tested[pair], tested[pair.reversed], content)
        trimmed = self._style_scalers(level) is not None
        return Compared(scores=scores, residual=residual, content=content, trimmed=trimmed)

    def _content(self, graph: _ArrayGraph, level: str, pair: Pair) -> float | None:
        """Return the content agreement of a level; None where its judge, a finer level, sees too little itself."""
        judge = next(name for name in reversed(self._levels) if name != level)
        if self._levels.index(judge) < self._levels.index(level):
            of_judge = self._content(self._find_neighbors(judge, "style-aside"), judge, pair)
            if (of_judge or 0.0) < MIN_CONTENT:
                return None
        judges = self.views(judge, "style-aside")
        groups = self._groups[pair.query], self._groups[pair.reference]
        return content_agreement(graph.as_run(), level, pair, groups, (judges[pair.query], judges[pair.reference]))

    def _find_neighbors(self, level: str, reading: Reading) -> _ArrayGraph:
        views, graph = self.views(level, reading), _ArrayGraph()
        kind: Graph = "style-aside" if reading == "style-aside" else "images"
        for query, own in views.items():
            for reference, other in views.items():
                found = self._search(own, other, self._settings.graph_k, query == reference)
                distances, indices = neighbor_arrays(level, Pair(query, reference), kind)
                graph.arrays |= {distances: found.distances, indices: found.indices}
        return graph

    def _fit_style_scalers(self, level: str) -> Scalers | None:
        random, samples = np.random.default_rng(0), []
        for name in _PAIR:
            rows = self._groups[name].rows
            if len(rows) > MAX_SAMPLE:
                rows = np.sort(random.choice(rows, MAX_SAMPLE, replace=False))
            samples.append(self._datasets[name][level][rows].astype(np.float32))
        return trimmed_style_scalers(samples, "cosine")

    def _rows(self, name: str, level: str) -> NDArray[np.float32]:
        return self._datasets[name][level].astype(np.float32)
