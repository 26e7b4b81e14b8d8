"""Whether a dataset's images come in bursts, as the frames of a video do, and which frames make up one clip.

A burst is a matter of order, not of likeness: the nearest image lies one or two rows away far more often than if the
rows of its folder were shuffled. A folder of crops of one picture, in no order, is no burst. Rows that are sorted by
class are no burst either: images that are no near copies of each other are compared with shuffled classes of five.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from gapscope.neighbors.embedding_view import EmbeddingView, read_rows_float32
from gapscope.neighbors.scaler import fit_scaler
from gapscope.store.index import read_uris, rows_read
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore

_BLOCK_ROWS = 256
_OVERLAP_ROWS = 32
_SAMPLE_BLOCKS = 32
_LAG = 2
_MIN_EXCESS = 0.3
_MIN_Z = 5.0
_LINK_LAG = 8
_NEIGHBORS = 32
_LINKS = ((5, 0.4), (_NEIGHBORS, 0.1))
"""How many of a frame's nearest are linked to it, up to which share of the typical distance of two random images."""
_NEAR_COPY = 0.1
"""A nearest image within this share of the typical distance is a near copy; one beyond may be of the same class."""
_SMALL_CLASS = 5
"""Images of the smallest class that must not be taken for a clip where rows are sorted by class."""
_SAMPLE_IMAGES = 2000
_RANDOM_PAIRS = 4000
_MAX_SORTED = 1_000_000
_SINGLE_CLIP = 0.25
"""Below this share of the distance between datasets, the distance within them says that each is one clip."""
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, kw_only=True)
class ClipScale:
    """By what the frames of a run's datasets are compared; a single clip has no scale of its own.

    Attributes:
        level: name of the level.
        mean: (channels,) over a sample of all datasets, each with as many images.
        std: (channels,) likewise.
        typical: distance that three quarters of the pairs of random images of one dataset do not exceed, in the dataset
            where it is largest; of different datasets where each seems to be a single clip.
    """

    level: str
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    typical: float


def clip_scale(run: RunStore) -> ClipScale:
    """Return the scale of a run whose images are embedded, at its second-coarsest level."""
    level = run.levels[-2:][0]
    random = np.random.default_rng(0)
    samples = []
    for name in run.record.datasets:
        if len(rows := rows_read(run, name)):
            chosen = np.unique(random.integers(0, len(rows), _SAMPLE_IMAGES))
            samples.append(read_rows_float32(open_embeddings(run, name, level), rows[chosen]))
    size = min(map(len, samples))
    mean, std = fit_scaler([sample[random.permutation(len(sample))[:size]] for sample in samples])
    view = _open_view(run, next(iter(run.record.datasets)), level, mean, std)
    vectors = [view.transform(sample) for sample in samples]
    within = max(_random_distance(view, own, own, random) for own in vectors)
    across = max((_random_distance(view, *both, random) for both in pairwise(vectors)), default=0.0)
    typical = across if within < _SINGLE_CLIP * across else within
    return ClipScale(level=level, mean=mean, std=std, typical=typical)


def _random_distance(
    view: EmbeddingView, first: NDArray[np.float32], second: NDArray[np.float32], random: np.random.Generator
) -> float:
    """Return the upper quartile of distances of random pairs of two sets of vectors; 0 where there are none."""
    one, other = random.integers(0, len(first), _RANDOM_PAIRS), random.integers(0, len(second), _RANDOM_PAIRS)
    apart = (one != other) if first is second else np.ones(_RANDOM_PAIRS, bool)
    if not apart.any():
        return 0.0
    half_squares = np.square(first[one[apart]] - second[other[apart]]).sum(axis=1) / 2
    return float(np.quantile(view.to_distance(half_squares), 0.75))


def _open_view(
    run: RunStore, dataset: str, level: str, mean: NDArray[np.float32], std: NDArray[np.float32]
) -> EmbeddingView:
    """Return a dataset's images as vectors before the run has a scaler."""
    return EmbeddingView(
        embeddings=open_embeddings(run, dataset, level),
        rows=rows_read(run, dataset),
        mean=mean,
        std=std,
        metric=run.record.config.neighbors.metric,
    )


def find_clips(run: RunStore, dataset: str, scale: ClipScale, *, by_name: bool = False) -> NDArray[np.int64] | None:
    """Return the clip of each embedded image, (n,) numbers; None where images come in no bursts.

    Images are compared with up to 256 that come before and after them in their folder. A clip is a run of consecutive
    images of one folder that are linked as near copies: at most eight apart, and no farther than 40% of the typical
    distance between random images if one is among the other's nearest five, or than 10% if among its nearest 32.

    Args:
        run: the run, whose images are embedded.
        dataset: the dataset's name.
        scale: the run's.
        by_name: whether images of a folder are in the order of their names, in which 2 comes before 10, instead of the
            order of their rows. Rows that are sorted as text, in which 10 comes before 2, get that order in any case.
            Names of more than a million images are not sorted.
    """
    view = _open_view(run, dataset, scale.level, scale.mean, scale.std)
    if len(view) < 2:
        return None
    folder, order = _in_order(run, dataset, view.rows, by_name=by_name)
    starts = np.arange(0, len(view), _BLOCK_ROWS - _OVERLAP_ROWS)
    sample = starts[np.unique(np.linspace(0, len(starts) - 1, _SAMPLE_BLOCKS).astype(np.int64))]
    if not _is_ordered(_blocks(view, folder, order, sample), scale.typical):
        return None
    reach = np.arange(len(view))
    for block in _blocks(view, folder, order, starts):
        is_near = np.zeros(block.lag.shape, bool)
        for neighbors, share in _LINKS:
            is_near[:, :neighbors] |= block.distances[:, :neighbors] <= share * scale.typical
        image, column = np.nonzero(is_near & (block.lag <= _LINK_LAG))
        linked = block.start + np.stack([image, block.nearest[image, column]])
        np.maximum.at(reach, linked.min(axis=0), linked.max(axis=0))
    # A clip ends where no image so far is linked to one behind it.
    is_last = np.maximum.accumulate(reach) <= np.arange(len(reach))
    clips = np.empty(len(view), np.int64)
    clips[order] = np.concatenate([[0], np.cumsum(is_last)[:-1]])
    return clips


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The nearest images of n consecutive images within their folder, among themselves.

    Attributes:
        start: place of the first.
        nearest: (n, k) numbers of each one's nearest, nearest first.
        distances: (n, k) to these; infinite where there is none.
        lag: (n, k) how many images lie between the two, plus one.
        chance: (n,) chance that a random image of the same folder is at most two away.
    """

    start: int
    nearest: NDArray[np.int64]
    distances: NDArray[np.float32]
    lag: NDArray[np.int64]
    chance: NDArray[np.float64]


def _blocks(
    view: EmbeddingView, folder: NDArray[np.int64], order: NDArray[np.int64], starts: NDArray[np.int64]
) -> Iterator[_Block]:
    for start in starts.tolist():
        positions, own = order[start : start + _BLOCK_ROWS], folder[start : start + _BLOCK_ROWS]
        # Vectors are read in the order of their rows.
        by_row = np.argsort(positions)
        vectors = np.empty((len(positions), view.channels), np.float32)
        vectors[by_row] = view.take(positions[by_row]).tile(0, len(positions))
        lengths = np.square(vectors).sum(axis=1) / 2
        distances = np.maximum(lengths[:, None] + lengths - vectors @ vectors.T, 0)
        distances[own[:, None] != own] = np.inf
        np.fill_diagonal(distances, np.inf)
        nearest = np.argpartition(distances, min(_NEIGHBORS, len(distances)) - 1, axis=1)[:, :_NEIGHBORS]
        closest = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, closest, axis=1)
        _, number, counts = np.unique(own, return_inverse=True, return_counts=True)
        yield _Block(
            start=start,
            nearest=nearest,
            distances=view.to_distance(np.take_along_axis(distances, nearest, axis=1)),
            lag=np.abs(nearest - np.arange(len(nearest))[:, None]),
            chance=_chance_of_two_away(counts[number]),
        )


def _is_ordered(blocks: Iterator[_Block], typical: float) -> bool:
    """Return whether the nearest image is one or two away far more often than in shuffled folders and small classes."""
    images, observed, expected, variance = 0, 0, 0.0, 0.0
    for block in blocks:
        # Of three images in a folder, any two are at most two apart.
        can_tell = np.isfinite(block.distances[:, 0]) & (block.chance < 1)
        # Rows without folders, such as those of an array, are often sorted by class.
        is_copy = block.distances[can_tell, 0] <= _NEAR_COPY * typical
        chance = np.maximum(block.chance[can_tell], np.where(is_copy, 0.0, _chance_of_two_away(_SMALL_CLASS)))
        images += len(chance)
        observed += int((block.lag[can_tell, 0] <= _LAG).sum())
        expected += float(chance.sum())
        variance += float((chance * (1 - chance)).sum())
    return images > 0 and observed - expected >= max(_MIN_EXCESS * (images - expected), _MIN_Z * variance**0.5)


def _chance_of_two_away(images: ArrayLike) -> NDArray[np.float64]:
    """Return the probability that two of n shuffled rows are at most two apart: 2 (2n - 3) / (n (n - 1))."""
    n = np.asarray(images, np.float64)
    return np.asarray(np.minimum(1.0, 2 * (2 * n - 3) / np.maximum(1, n * (n - 1))))


def _in_order(
    run: RunStore, dataset: str, rows: NDArray[np.int64], *, by_name: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for the images sorted by folder and in order within it, the folder of each and its position in `rows`."""
    uris = read_uris(run, dataset).take(pa.array(rows))
    folders = pc.replace_substring_regex(uris, pattern=r"[^/]*$", replacement="").dictionary_encode()
    folder = np.asarray(folders.indices.to_numpy(zero_copy_only=False), np.int64)
    order = np.argsort(folder, kind="stable")
    if len(rows) <= _MAX_SORTED and (by_name or _are_sorted_as_text(uris.take(pa.array(order)), folder[order])):
        names = [_natural(uri.rpartition("/")[2]) for uri in uris.to_pylist()]
        order = np.array(sorted(range(len(rows)), key=lambda position: (folder[position], names[position])), np.int64)
    return folder[order], order


def _are_sorted_as_text(uris: pa.Array, folder: NDArray[np.int64]) -> bool:
    ascending = np.asarray(pc.less_equal(uris[:-1], uris[1:]).to_numpy(zero_copy_only=False), bool)
    return bool((ascending | (folder[:-1] != folder[1:])).all())


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name) if part]
