"""How much content a level sees, and whether it sees the same in two datasets, whatever they look like."""

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.sample import sample
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.neighbors import read_group_indices
from gapscope.store.run_store import RunStore

_IMAGES = 500
_NEAREST = 10
_RANDOM = 1000
_MIN_WITHIN = 0.02
_TIE = 1e-5
"""Half squared distances that differ by less are equal: how they are rounded depends on the number of threads."""


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
    chosen = sample(query.representative, _IMAGES, random)
    images = judges[0].take(chosen).tile(0, len(chosen))
    chances = []
    for other, view, own in ((pair.query, judges[0], query), (pair.reference, judges[1], reference)):
        neighbors = Pair(pair.query, other)
        chances.append(_chance_of_nearest(run, level, neighbors, query.rows[chosen], images, view, own, random))
    across, within = chances[1] - 0.5, chances[0] - 0.5
    return float(np.clip(across / within, 0, 1)) if within > _MIN_WITHIN else None


def content_seen(
    run: RunStore, level: str, dataset: str, groups: ImageGroups, judge: EmbeddingView, reading: Reading = "as-is"
) -> float:
    """Return how much content a level sees within one dataset, 0 to 1, as another level judges it.

    Take one of an image's ten nearest at this level. The chance that the other level, too, finds it nearer to the image
    than a random image is one half for a level that sees nothing. From one half to one it is brought to 0 to 1. A level
    of fine textures sees less content than one of objects.

    Args:
        run: the run.
        level: the level's name.
        dataset: whose images.
        groups: of the dataset.
        judge: the dataset at the other level.
        reading: whose neighbors.
    """
    random = np.random.default_rng(0)
    chosen = sample(groups.representative, _IMAGES, random)
    images = judge.take(chosen).tile(0, len(chosen))
    own = Pair(dataset, dataset)
    chance = _chance_of_nearest(run, level, own, groups.rows[chosen], images, judge, groups, random, reading)
    return float(np.clip(2 * chance - 1, 0, 1))


def _chance_of_nearest(
    run: RunStore,
    level: str,
    pair: Pair,
    rows: NDArray[np.int64],
    images: NDArray[np.float32],
    judge: EmbeddingView,
    groups: ImageGroups,
    random: np.random.Generator,
    reading: Reading = "style-aside",
) -> float:
    """Return the chance that one of an image's nearest is nearer to it, as the judge sees it, than a random image is.

    Args:
        run: the run.
        level: at which the nearest are found.
        pair: the dataset of the images, and the one in which they are found.
        rows: of the images.
        images: (n, channels) the same images at the judge's level.
        judge: the other dataset at the judge's level.
        groups: of the other dataset.
        random: draws the random images.
        reading: whose neighbors.
    """
    near = read_group_indices(run, level, pair, rows, reading)
    strangers = judge.take(sample(groups.representative, _RANDOM, random))
    return _chance(images, near[:, :_NEAREST], judge, strangers.tile(0, len(strangers)))


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
        # A neighbor that was drawn as a stranger as well is not nearer than itself.
        chances.append(1 - np.searchsorted(to_strangers[image], own - _TIE) / len(strangers))
    return float(np.mean(np.concatenate(chances)))


def _half_squares(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)
    return np.asarray(lengths / 2 - first @ second.T)
