"""A diverse few of many images, to label or to render next."""

import numpy as np
from numpy.typing import NDArray

from gapscope.neighbors.embedding_view import standardize
from gapscope.progress import Progress, Task
from gapscope.report.points import PointIndex, read_point_embeddings
from gapscope.store.run_store import RunStore

_MAX_CANDIDATES = 100_000
"""Candidates whose embeddings are held in memory: 128 MB of 320 channels."""


def pick_diverse(
    run: RunStore, index: PointIndex, images: NDArray[np.int64], level: str, count: int, progress: Progress
) -> NDArray[np.int64]:
    """Return `count` of the images, so that every image is near to one of them: greedy k-center.

    The first image comes first, and then always the one that is farthest from all before it (Gonzalez 1985; for
    choosing what to label, Sener and Savarese 2018). So the first few are a good choice, too. No choice of as many
    images leaves its farthest image less than half as far away.

    Args:
        run: the run.
        index: of its images.
        images: (n,) positions in `index`, the most important first. Of more than 100,000, evenly many of all ranks are
            looked at.
        level: at which distances are measured, between standardized embeddings.
        count: how many; all images if there are fewer.
        progress: shows the work.
    """
    if len(images) <= count:
        return images
    if len(images) > max(_MAX_CANDIDATES, count):
        images = images[np.linspace(0, len(images) - 1, max(_MAX_CANDIDATES, count)).astype(np.int64)]
    scaler = run.record.scaler[level]
    mean, std = np.asarray(scaler.mean, np.float32), np.asarray(scaler.std, np.float32)
    embeddings = read_point_embeddings(run, level, index, images)
    vectors = standardize(embeddings, mean, std, run.record.config.neighbors.metric)
    with progress.task("diverse images", count, "image") as task:
        return images[k_center(vectors, count, task)]


def k_center(vectors: NDArray[np.float32], count: int, task: Task | None = None) -> NDArray[np.int64]:
    """Return the positions of `count` vectors, from the first on each the farthest from all before it.

    Args:
        vectors: (n, channels), n at least `count`.
        count: how many.
        task: is told of every one.

    Example:
        >>> k_center(np.array([[0], [1], [10], [4]], np.float32), 3)
        array([0, 2, 3])
    """
    squares = np.einsum("nc,nc->n", vectors, vectors)
    nearest = np.full(len(vectors), np.inf, np.float32)
    chosen = np.zeros(count, np.int64)
    for turn in range(count):
        own = chosen[turn] = int(np.argmax(nearest)) if turn else 0
        distance = squares + squares[own] - 2 * (vectors @ vectors[own])
        np.minimum(nearest, distance, out=nearest)
        # Of two equal images the second has distance 0 as well, and would be taken again.
        nearest[own] = -np.inf
        if task is not None:
            task.advance(1)
    return chosen
