"""Which images of two datasets probes are trained and tested on: classes in common, folds of groups, equal numbers."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.classes.image_classes import ImageClasses
from gapscope.store.groups import ImageGroups

FOLDS = 5
MAX_IMAGES = 10_000
"""So many images of a dataset are drawn at most, of every class equally many."""

MAX_CLASSES = 100
"""So many classes are looked at, those with the most groups."""

MIN_GROUPS = 8
"""Fewer groups of a class are too few to train or test on."""


@dataclass(frozen=True, eq=False)
class ProbeSide:
    """The images of one dataset.

    Attributes:
        positions: (n,) positions in `ImageGroups.rows`, ascending.
        label: (n,) numbers in `ProbeSample.names`.
        group: (n,) number of each image's group.
        fold: (n,) part that each is in, the same for a group in either dataset; probe f is trained on all but f.
        place: (n,) in which order images of a class are taken for training: first one of every group.
        lacking: positions of images of classes that the other dataset lacks, ascending.
    """

    positions: NDArray[np.int64]
    label: NDArray[np.int64]
    group: NDArray[np.int64]
    fold: NDArray[np.int64]
    place: NDArray[np.int64]
    lacking: NDArray[np.int64]

    def training(self, per_class: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (folds, m) numbers of the images, 0 to n - 1, that each probe is trained on: so many per class."""
        order = np.lexsort((self.place, self.label))
        sets = []
        for fold in range(FOLDS):
            kept = order[self.fold[order] != fold]
            label = self.label[kept]
            turn = np.arange(len(kept)) - np.searchsorted(label, label)
            sets.append(np.sort(kept[turn < per_class[label]]))
        return np.stack(sets)


class LeftOut(NamedTuple):
    """What no probe is trained or tested on.

    Attributes:
        only: classes that one dataset has and the other lacks, those of the query first.
        few: classes of which either has too few groups.
        smaller: how many classes are left out because there are too many.
        sampled: whether images are left out because there are too many.
    """

    only: tuple[list[str], list[str]]
    few: list[str]
    smaller: int
    sampled: bool


@dataclass(frozen=True, eq=False)
class ProbeSample:
    """The images of a pair of datasets; without any where they have fewer than two classes in common.

    Attributes:
        names: of the classes.
        sides: the query and the reference.
        available: (c,) images of each class that every training set of either dataset has.
        left_out: what is not in it.
    """

    names: list[str]
    sides: tuple[ProbeSide, ProbeSide]
    available: NDArray[np.int64]
    left_out: LeftOut

    @property
    def reversed(self) -> "ProbeSample":
        """The same for the pair the other way round."""
        only = self.left_out.only
        return ProbeSample(
            self.names,
            (self.sides[1], self.sides[0]),
            self.available,
            self.left_out._replace(only=(only[1], only[0])),
        )


def draw_probe_sample(
    classes: tuple[ImageClasses, ImageClasses], groups: tuple[ImageGroups, ImageGroups]
) -> ProbeSample:
    """Return what probes are trained and tested on; only images of exactly one class are.

    Args:
        classes: of the query's and the reference's images.
        groups: of these, likewise.
    """
    names = classes[0].names
    singles = tuple(own.single for own in classes)
    counts = np.stack([_group_counts(*side, len(names)) for side in zip(singles, groups, strict=True)])
    # A class may be in images of several classes only, and then it is not missing.
    has = np.stack([own.counts > 0 for own in classes])
    enough = np.flatnonzero((counts >= MIN_GROUPS).all(axis=0))
    by_size = enough[np.argsort(-counts.min(axis=0)[enough], kind="stable")]
    chosen = np.sort(by_size[:MAX_CLASSES])
    # Of a class whose few groups lie in one fold there is nothing left to train on.
    while True:
        sides, sampled = _draw(singles, groups, has, chosen)
        available = _available(sides, len(chosen))
        if (available > 0).all():
            break
        chosen = chosen[available > 0]
    in_both = has.all(axis=0)
    kept = {*chosen.tolist(), *by_size[MAX_CLASSES:].tolist()}
    query_only, reference_only = ([names[each] for each in np.flatnonzero(own & ~in_both).tolist()] for own in has)
    left_out = LeftOut(
        only=(query_only, reference_only),
        few=[names[each] for each in np.flatnonzero(in_both).tolist() if each not in kept],
        smaller=max(0, len(enough) - MAX_CLASSES),
        sampled=sampled,
    )
    return ProbeSample([names[each] for each in chosen.tolist()], sides, available, left_out)


def _group_counts(single: NDArray[np.int64], groups: ImageGroups, classes: int) -> NDArray[np.int64]:
    """Return (classes,) how many groups have images of each class alone."""
    known = single >= 0
    if groups.counts_images:
        return np.bincount(single[known], minlength=classes)
    keys = np.unique(groups.group[known] * classes + single[known])
    return np.bincount(keys % classes, minlength=classes)


def _draw(
    singles: tuple[NDArray[np.int64], ...],
    groups: tuple[ImageGroups, ImageGroups],
    has: NDArray[np.bool_],
    chosen: NDArray[np.int64],
) -> tuple[tuple[ProbeSide, ProbeSide], bool]:
    random = np.random.default_rng(0)
    per_class = MAX_IMAGES // max(1, len(chosen))
    drawn, lacking, sampled = [], [], False
    for side, (single, own) in enumerate(zip(singles, groups, strict=True)):
        number = np.full(has.shape[1] + 1, -1, np.int64)
        number[chosen] = np.arange(len(chosen))
        images, label, place = _in_turns(number[single], own, random)
        sampled |= bool((place >= per_class).any())
        kept = place < per_class
        drawn.append((images[kept], label[kept], place[kept]))
        number[:] = -1
        unknown = np.flatnonzero(has[side] & ~has[1 - side])
        number[unknown] = np.arange(len(unknown))
        images, _, place = _in_turns(number[single], own, random)
        lacking.append(images[place < min(per_class, MAX_IMAGES // max(1, len(unknown)))])
    # Groups of both datasets are numbered together, and the same group has one number.
    shared = groups[0].find_in(groups[1])
    query_number = np.where(shared >= 0, shared, len(groups[1]) + np.arange(len(groups[0])))
    numbers = [
        of_side[own.group[images]]
        for of_side, own, (images, _, _) in zip((query_number, np.arange(len(groups[1]))), groups, drawn, strict=True)
    ]
    fold = _folds(numbers, [label for _, label, _ in drawn], len(chosen), random)
    folds = np.split(fold, [len(numbers[0])])
    sides = [
        ProbeSide(images, label, own.group[images], own_fold, place, unknown)
        for (images, label, place), own, own_fold, unknown in zip(drawn, groups, folds, lacking, strict=True)
    ]
    return (sides[0], sides[1]), sampled


def _in_turns(
    label: NDArray[np.int64], groups: ImageGroups, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return images with a label, ascending, their labels, and the place of each among those of its label.

    Places are drawn at random, but first comes one image of every group, then a second one.
    """
    images = np.flatnonzero(label >= 0)
    label = label[images]
    lottery = random.random(len(images))
    turn = np.zeros(len(images), np.int64)
    if not groups.counts_images:
        turn = _rank(groups.group[images] * (int(label.max(initial=0)) + 1) + label, lottery)
    place = np.empty(len(images), np.int64)
    order = np.lexsort((lottery, turn, label))
    place[order] = np.arange(len(images)) - np.searchsorted(label[order], label[order])
    return images, label, place


def _rank(key: NDArray[np.int64], lottery: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each value among those of the same key."""
    order = np.lexsort((lottery, key))
    rank = np.empty(len(key), np.int64)
    rank[order] = np.arange(len(key)) - np.searchsorted(key[order], key[order])
    return rank


def _folds(
    numbers: list[NDArray[np.int64]], labels: list[NDArray[np.int64]], classes: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the fold of each image of both datasets: one per group, and those of a class and dataset evenly spread."""
    number, label = np.concatenate(numbers), np.concatenate(labels)
    keys = np.unique(number * max(1, classes) + label)
    group, of_group = keys // max(1, classes), keys % max(1, classes)
    sizes = np.bincount(of_group, minlength=classes)
    # A group of several classes is dealt out with those of its rarest.
    order = np.lexsort((sizes[of_group], group))
    every, first = np.unique(group[order], return_index=True)
    rarest = of_group[order][first]
    in_query, in_reference = (np.isin(every, own) for own in numbers)
    fold = np.empty(len(every), np.int64)
    fold[np.lexsort((random.random(len(every)), in_query, in_reference, rarest))] = np.arange(len(every)) % FOLDS
    return np.asarray(fold[np.searchsorted(every, number)], np.int64)


def _available(sides: tuple[ProbeSide, ProbeSide], classes: int) -> NDArray[np.int64]:
    """Return (classes,) images of each class that are outside of any fold, in either dataset."""
    fewest = np.full(classes, np.iinfo(np.int64).max)
    for side in sides:
        table = np.bincount(side.label * FOLDS + side.fold, minlength=classes * FOLDS).reshape(classes, FOLDS)
        fewest = np.minimum(fewest, (table.sum(axis=1, keepdims=True) - table).min(axis=1))
    return fewest
