"""The pictures that stand for a kind: typical ones, then a diverse few, each with its nearest in the reference."""

from dataclasses import dataclass

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
    members: NDArray[np.int64],
    view: EmbeddingView,
) -> Examples:
    """Return up to four typical images of a kind, and four that are as unlike each other as its images are.

    Typical are those nearest to the kind's mean, and diverse those that are farthest from all that were chosen before.
    Near copies of one that was chosen are left out.

    Args:
        run: the run.
        level: at which images are compared.
        pair: of datasets.
        reading: whose neighbors and vectors.
        groups: of the query.
        members: numbers of the kind's groups, ascending.
        view: of the query, at this level and reading.
    """
    positions = groups.representative[sample(members, _MAX_SEEN)]
    rows = groups.rows[positions]
    own, _ = read_nearest(run, level, Pair(pair.query, pair.query), rows, 1, reading)
    spacing = median_spacing(own)
    vectors = view.take(positions).tile(0, len(positions))
    near = float(view.to_half_squares(np.array([NEAR * spacing], np.float32))[0])
    chosen = rows[_typical_then_diverse(vectors, near)]
    distances, nearest = read_nearest(run, level, pair, chosen, 1, reading)
    return Examples(rows=chosen, counterparts=nearest[:, 0], distances=distances[:, 0], spacing=spacing)


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
