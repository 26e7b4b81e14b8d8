"""The pictures that stand for a kind: typical ones, then a diverse few, each with its nearest in the reference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.near import NEAR, median_spacing
from gapscope.compare.sample import sample
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_nearest
from gapscope.store.run_store import RunStore

TYPICAL, DIVERSE = 4, 4

_MAX_SEEN = 2000
_SEEN_AT_ONCE = 2**16
"""Images of several kinds that are read together, since they lie in the same places."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Images of a kind at one level, one of each group.

    Attributes:
        rows: (e,) of the query, typical ones first.
        counterparts: (e,) rows of their nearest in the reference; -1 where there is none.
        distances: (e,) how far these are.
        spacing: how far an image of the kind typically is from the nearest of its own dataset.
    """

    rows: NDArray[np.int64]
    counterparts: NDArray[np.int64]
    distances: NDArray[np.float32]
    spacing: float


def choose_examples(
    run: RunStore,
    level: str,
    pair: Pair,
    reading: Reading,
    groups: ImageGroups,
    kinds: Sequence[NDArray[np.int64]],
    view: EmbeddingView,
) -> list[Examples]:
    """Return up to four typical images of each kind, and four that are as unlike each other as its images are.

    Typical are those nearest to the kind's mean, and diverse those that are farthest from all that were chosen before.
    Near copies of one that was chosen are left out.

    Args:
        run: the run.
        level: at which images are compared.
        pair: of datasets.
        reading: whose neighbors and vectors.
        groups: of the query.
        kinds: of each, the numbers of its groups, ascending.
        view: of the query, at this level and reading.
    """
    chosen: list[NDArray[np.int64]] = []
    spacings: list[float] = []
    for seen in _batches([groups.representative[sample(members, _MAX_SEEN)] for members in kinds]):
        together = np.unique(np.concatenate(seen))
        rows = groups.rows[together]
        own, _ = read_nearest(run, level, Pair(pair.query, pair.query), rows, 1, reading)
        vectors = view.take(together).tile(0, len(together))
        for positions in seen:
            places = np.searchsorted(together, positions)
            spacings.append(median_spacing(own[places]))
            near = float(view.to_half_squares(np.array([NEAR * spacings[-1]], np.float32))[0])
            chosen.append(rows[places[_typical_then_diverse(vectors[places], near)]])
    distances, nearest = read_nearest(run, level, pair, np.concatenate(chosen), 1, reading)
    starts = np.cumsum([0, *map(len, chosen)]).tolist()
    return [
        Examples(rows=rows, counterparts=nearest[start:stop, 0], distances=distances[start:stop, 0], spacing=spacing)
        for rows, spacing, (start, stop) in zip(chosen, spacings, pairwise(starts), strict=True)
    ]


def _batches(parts: Sequence[NDArray[np.int64]]) -> Iterator[list[NDArray[np.int64]]]:
    """Yield the parts, so many at a time that they hold `_SEEN_AT_ONCE` images or a few more."""
    batch: list[NDArray[np.int64]] = []
    for part in parts:
        batch.append(part)
        if sum(map(len, batch)) >= _SEEN_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _typical_then_diverse(vectors: NDArray[np.float32], near: float) -> list[int]:
    from_mean = _half_squares(vectors, vectors.mean(axis=0))
    from_chosen = np.full(len(vectors), np.inf, np.float32)
    chosen: list[int] = []
    for _ in range(TYPICAL + DIVERSE):
        allowed = np.flatnonzero(from_chosen > near)
        if not len(allowed):
            break
        if len(chosen) < TYPICAL:
            best = allowed[np.argmin(from_mean[allowed])]
        else:
            best = allowed[np.argmax(from_chosen[allowed])]
        chosen.append(int(best))
        from_chosen = np.minimum(from_chosen, _half_squares(vectors, vectors[best]))
    return chosen


def _half_squares(vectors: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.square(vectors - one).sum(axis=1) / 2)
