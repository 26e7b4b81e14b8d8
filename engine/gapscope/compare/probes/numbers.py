"""What probes of one dataset or the other say of tested images, in numbers: accuracy, ceiling, and their ratio."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from gapscope.compare.probes.sample import FOLDS, ProbeSample, ProbeSide

TrainAndTest = Callable[
    [NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], NDArray[np.int64]
]
"""`gapscope.compare.linear_probe.linear_probe` on some device."""

MIN_SKILL = 0.25
"""A ceiling answers if it lies at least so far on the way from chance to no error."""

_TAIL = 0.025


@dataclass(frozen=True, eq=False)
class Answers:
    """What probes say of the images of one side.

    Attributes:
        own: (folds, n) numbers of classes, by probes trained on the same dataset.
        other: (folds, n) likewise, by probes trained on the other.
    """

    own: NDArray[np.int64]
    other: NDArray[np.int64]


def train_and_test(
    probe: TrainAndTest,
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]],
    sample: ProbeSample,
    per_class: NDArray[np.int64],
) -> tuple[Answers, Answers]:
    """Train probes on either side, and return what all say of the query's images, and of the reference's.

    Args:
        probe: trains and tests, such as a device's `probe`.
        vectors: of the images of both sides, of length 1.
        sample: which images these are.
        per_class: (c,) how many of each class every probe is trained on.
    """
    tested = np.concatenate(vectors)
    by_query, by_reference = (
        np.split(probe(own, side.label, side.training(per_class), tested), [len(vectors[0])], axis=1)
        for own, side in zip(vectors, sample.sides, strict=True)
    )
    return Answers(by_query[0], by_reference[0]), Answers(by_reference[1], by_query[1])


@dataclass(frozen=True, eq=False)
class Probed:
    """How far probes that were trained on the reference get on the query.

    Attributes:
        recall: (c,) share of the images of each class that they name rightly; of a group its images' mean counts.
        ceiling: (c,) the same of probes that were trained on other images of the query.
        beyond_noise: (c,) whether recall is below the ceiling by more than chance, corrected for all classes.
        low: lower end of the 95% interval of `share`.
        high: its upper end.
        wrong: (n,) whether each image is named wrongly.
    """

    recall: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    beyond_noise: NDArray[np.bool_]
    low: float
    high: float
    wrong: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Mean recall / mean ceiling."""
        return float(self.recall.mean() / max(self.ceiling.mean(), 1e-9))

    @property
    def answers(self) -> bool:
        """Whether the ceiling is far enough from chance to say anything."""
        chance = 1 / len(self.ceiling)
        return bool(self.ceiling.mean() >= chance + MIN_SKILL * (1 - chance))


def probed(query: ProbeSide, reference: ProbeSide, of_query: Answers, of_reference: Answers) -> Probed:
    """Return how far probes that were trained on the reference get on the query.

    Every image is tested by the probes that saw nothing of its group's fold, in either dataset. The variance of the
    share has two parts. That of the tested groups is the infinitesimal jackknife's (Jaeckel 1972), which is what a
    bootstrap of groups tends to, and half a pair of either kind is added, so that perfect answers on few images are not
    sure (Agresti and Min 2005). That of the training sets is the delete-a-group jackknife's over folds, measured on
    images that none of them belong to: those of the other dataset.

    Args:
        query: the tested side.
        reference: the other.
        of_query: what is said of the query's images.
        of_reference: what is said of the reference's.
    """
    entries = _Entries.of(query)
    tested = query.fold, np.arange(len(query.label))
    right = of_query.other[tested] == query.label
    recalls = entries.mean(right), entries.mean(of_query.own[tested] == query.label)
    recall, ceiling = (entries.by_class(each) for each in recalls)
    own, other = float(recall.mean()), max(float(ceiling.mean()), 1e-9)
    share, classes = own / other, len(recall)
    trained = [
        _training(entries, query, of_query.other),
        _training(_Entries.of(reference), reference, of_reference.other),
    ]
    # Answers of probes that are nearly always right vary less than those that they give abroad.
    abroad = trained[1].accuracy
    scale = min(1.0, other * (1 - other) / max(abroad * (1 - abroad), 1e-9))
    # The effect of each group on the share.
    effects = (recalls[0] - recall[entries.label]) - share * (recalls[1] - ceiling[entries.label])
    effects /= other * classes * entries.count[entries.label]
    groups = np.bincount(entries.group, effects)
    most = max(1, len(groups) - 1)
    of_tested = float((groups**2).sum()) * len(groups) / most
    of_tested += 1 / (other * classes * (int(entries.count.min()) + 2)) ** 2
    of_training = (trained[0].variance + share**2 * scale * trained[1].variance) / other**2
    variance = of_tested + of_training
    # Satterthwaite (1946).
    freedom = variance**2 / (of_tested**2 / most + of_training**2 / (FOLDS - 1))
    half = float(t.ppf(1 - _TAIL, freedom)) * variance**0.5
    return Probed(
        recall=recall,
        ceiling=ceiling,
        beyond_noise=_below(entries, recalls, trained[0].of_class + scale * trained[1].of_class),
        low=max(0.0, share - half),
        high=share + half,
        wrong=~right,
    )


@dataclass(frozen=True, eq=False)
class _Entries:
    """The classes of a side's groups: of a group that has images of several, each is an entry.

    Attributes:
        number: (n,) entry of each image.
        weight: (n,) 1 / images of its entry.
        group: (e,) number of each entry's group, counted from 0.
        label: (e,) its class.
        count: (c,) entries of each class.
    """

    number: NDArray[np.int64]
    weight: NDArray[np.float64]
    group: NDArray[np.int64]
    label: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, side: ProbeSide) -> "_Entries":
        classes = int(side.label.max()) + 1
        keys, number, images = np.unique(side.group * classes + side.label, return_inverse=True, return_counts=True)
        group = np.unique(keys // classes, return_inverse=True)[1]
        label = keys % classes
        return cls(number, 1 / images[number], group, label, np.bincount(label, minlength=classes))

    def mean(self, of_images: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (e,) the mean over the images of each entry."""
        return np.asarray(np.bincount(self.number, of_images * self.weight, len(self.label)), np.float64)

    def by_class(self, of_entries: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (c,) the mean over the entries of each class."""
        return np.bincount(self.label, of_entries) / self.count


@dataclass(frozen=True, eq=False)
class _Training:
    """What is left to chance by which images probes were trained on: variance of their accuracy, and per class."""

    accuracy: float
    variance: float
    of_class: NDArray[np.float64]


def _training(entries: _Entries, tested: ProbeSide, answers: NDArray[np.int64]) -> _Training:
    """Measure on images of the dataset that the probes were not trained on.

    That a probe and the next differ on single images is part of the variance of the tested groups. So only what they
    have in common counts: of the variance over folds, the covariances between groups.
    """
    means = np.stack([entries.mean(own == tested.label) for own in answers])
    recalls = np.stack([entries.by_class(own) for own in means])
    apart = means.var(axis=0) / entries.count[entries.label] ** 2
    of_class = recalls.var(axis=0) - np.bincount(entries.label, apart)
    weighted = means / entries.count[entries.label] / len(entries.count)
    groups = np.stack([np.bincount(entries.group, own) for own in weighted])
    variance = float(recalls.mean(axis=1).var() - groups.var(axis=0).sum())
    return _Training(float(recalls.mean()), (FOLDS - 1) * max(0.0, variance), (FOLDS - 1) * np.maximum(of_class, 0))


def _below(
    entries: _Entries, recalls: tuple[NDArray[np.float64], NDArray[np.float64]], of_training: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (c,) whether the recall of a class is below its ceiling by more than chance (Agresti and Min 2005)."""
    n = entries.count + 2
    difference = recalls[1] - recalls[0]
    mean = np.bincount(entries.label, difference) / n
    of_tested = (np.bincount(entries.label, difference**2) + 1 - n * mean**2) / n**2
    return np.asarray(mean / np.sqrt(of_tested + of_training) > norm.ppf(1 - 2 * _TAIL / len(n)), np.bool_)
