"""How much content a level sees, and whether it sees the same in two datasets, whatever they look like."""

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_neighbor_rows
from gapscope.store.run_store import RunStore

_IMAGES = 500
_NEAREST = 10
_RANDOM = 1000
_MIN_WITHIN = 0.02


def content_agreement(
    run: RunStore,
    level: str,
    pair: Pair,
    groups: tuple[ImageGroups, ImageGroups],
    judges: tuple[EmbeddingView, EmbeddingView],
) -> float | None:
    """Return how well an image's nearest in the reference agree with its nearest in its own dataset, 0 to 1.

    A level that sees content finds other images of an image's content in either dataset. Another level is the judge,
    the coarsest one there is: the chance that a neighbor is nearer to the image, there, than a random image of the same
    dataset. Half is chance, so the agreement is (chance across - 1/2) / (chance within - 1/2). On photographs
    against paintings it goes with how many neighbors across are of the image's class.

    Args:
        run: the run.
        level: the level's name.
        pair: of datasets.
        groups: of the query and of the reference.
        judges: both datasets at the other level, style aside.

    Returns:
        None where neighbors within the query's own dataset agree no better than chance.
    """
    random = np.random.default_rng(0)
    query, reference = groups
    chosen = _sample(query.representative, _IMAGES, random)
    images = judges[0].take(chosen).tile(0, len(chosen))
    chances = []
    for other, view, own in ((pair.query, judges[0], query), (pair.reference, judges[1], reference)):
        _, near = read_group_neighbor_rows(run, level, Pair(pair.query, other), query.rows[chosen], "style-aside")
        near = near[:, :_NEAREST]
        strangers = view.take(_sample(own.representative, _RANDOM, random))
        chances.append(_chance(images, near, view, strangers.tile(0, len(strangers))))
    across, within = chances[1] - 0.5, chances[0] - 0.5
    return float(np.clip(across / within, 0, 1)) if within > _MIN_WITHIN else None


def content_seen(
    run: RunStore, level: str, dataset: str, groups: ImageGroups, judge: EmbeddingView, reading: Reading = "as-is"
) -> float:
    """Return how much of the content that another level sees a level sees itself, within one dataset: 0 to 1.

    The chance that one of an image's ten nearest at this level is nearer to it than a random image is, at the other
    level, brought from half to one to the range of 0 to 1. A level of fine textures has less of it than one of objects.

    Args:
        run: the run.
        level: the level's name.
        dataset: whose images.
        groups: of the dataset.
        judge: the dataset at the other level.
        reading: whose neighbors.
    """
    random = np.random.default_rng(0)
    chosen = _sample(groups.representative, _IMAGES, random)
    images = judge.take(chosen).tile(0, len(chosen))
    _, near = read_group_neighbor_rows(run, level, Pair(dataset, dataset), groups.rows[chosen], reading)
    strangers = judge.take(_sample(groups.representative, _RANDOM, random))
    chance = _chance(images, near[:, :_NEAREST], judge, strangers.tile(0, len(strangers)))
    return float(np.clip(2 * chance - 1, 0, 1))


def _sample(positions: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    return positions if len(positions) <= count else np.sort(random.choice(positions, count, replace=False))


def _chance(
    images: NDArray[np.float32], near: NDArray[np.int64], view: EmbeddingView, strangers: NDArray[np.float32]
) -> float:
    """Return the chance that one of an image's neighbors, given by row, is nearer to it than a stranger is."""
    rows = np.unique(near[near >= 0])
    if not len(rows) or not len(strangers):
        return 0.5
    found = view.take(np.searchsorted(view.rows, rows))
    neighbors = found.tile(0, len(found))
    to_neighbors = _half_squares(images, neighbors)
    to_strangers = np.sort(_half_squares(images, strangers), axis=1)
    chances = []
    for image in range(len(images)):
        own = to_neighbors[image, np.searchsorted(rows, near[image][near[image] >= 0])]
        chances.append(1 - np.searchsorted(to_strangers[image], own) / len(strangers))
    return float(np.mean(np.concatenate(chances)))


def _half_squares(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)
    return np.asarray(lengths / 2 - first @ second.T)
