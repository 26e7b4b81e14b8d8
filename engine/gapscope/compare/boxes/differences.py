"""How the boxes of two datasets differ: numbers with intervals, histograms, and which classes are in one image."""

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import t

from gapscope.compare.boxes.permuted_groups import Ratios, corrected_p
from gapscope.compare.boxes.registry import BOX_NUMBERS, BoxNumber
from gapscope.compare.boxes.values import BoxValues, Values
from gapscope.compare.interval import rounded
from gapscope.store.box_metrics import BoxHistogram, BoxMetric, PairBoxes, TogetherMetric
from gapscope.store.datasets import Pair

MIN_GROUPS = 8
"""Fewer groups are too few to say anything."""

MAX_CLASSES = 20
"""So many classes are looked at for which are together: those in most images, of the ones that both datasets have."""

_MAX_TOGETHER = 20
_SIGNIFICANT = 0.05
_TAIL = 0.025


def compare_boxes(query: BoxValues, reference: BoxValues, pair: Pair) -> PairBoxes:
    """Return how the boxes of two datasets differ.

    Args:
        query: its numbers.
        reference: likewise.
        pair: their names.
    """
    annotated = all("truncation" in side.values for side in (query, reference))
    left_out = "at_edge" if annotated else "truncation"
    numbers = [
        number
        for number in BOX_NUMBERS.values()
        if number.name in query.values and number.name in reference.values and number.name != left_out
    ]
    values = [(query.values[number.name], reference.values[number.name]) for number in numbers]
    bins = [_Bins.of(number, *own) for number, own in zip(numbers, values, strict=True)]
    enough = [min(len(np.unique(own.group)) for own in both) >= MIN_GROUPS for both in values]
    tested = [
        _ratios(own, *both, query.groups, reference.groups)
        for own, both, is_enough in zip(bins, values, enough, strict=True)
        if is_enough
    ]
    p = iter(corrected_p(tested, query.groups).tolist())
    metrics = [
        _metric(number, *both, own.histogram(*both), next(p) if is_enough else None)
        for number, both, own, is_enough in zip(numbers, values, bins, enough, strict=True)
    ]
    together, note = _together(query, reference)
    notes = [f"{name}: {side.note}" for name, side in zip(pair, (query, reference), strict=True) if side.note]
    return {"numbers": metrics, "together": together, "note": "; ".join(filter(None, [*notes, note]))}


@dataclass(frozen=True)
class _Bins:
    """The bins of a histogram: `edges` between them, or `labels` where they are no ranges."""

    edges: list[float]
    labels: list[str]
    is_count: bool

    @classmethod
    def of(cls, number: BoxNumber, query: Values, reference: Values) -> "_Bins":
        if number.edges:
            return cls(list(number.edges), [], is_count=False)
        if number.unit != "count":
            return cls([], ["no", "yes"], is_count=False)
        # 0, 1, 2, 3 to 4, 5 to 8 and so on.
        largest = max(query.value.max(), reference.value.max())
        tops = [0, 1, 2]
        while tops[-1] < largest:
            tops.append(2 * tops[-1])
        ranges = [f"{low + 1:,} to {high:,}" for low, high in pairwise(tops[2:])]
        return cls([], ["0", "1", "2", *ranges], is_count=True)

    def __len__(self) -> int:
        return len(self.labels) or len(self.edges) - 1

    def number(self, value: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return (n,) the bin of each value."""
        if self.is_count:
            value = np.where(value > 2, np.ceil(np.log2(np.maximum(value, 1))) + 1, value)
        if self.labels:
            return value.astype(np.int64)
        return np.clip(np.searchsorted(self.edges, value, side="right") - 1, 0, len(self) - 1).astype(np.int64)

    def histogram(self, query: Values, reference: Values) -> BoxHistogram:
        """Return the shares of both sides' values in each bin."""
        shares = [
            [rounded(share) for share in (np.bincount(self.number(own.value), minlength=len(self)) / len(own.value))]
            for own in (query, reference)
        ]
        return {"edges": self.edges, "labels": self.labels, "query": shares[0], "reference": shares[1]}


def _ratios(bins: _Bins, query: Values, reference: Values, queries: int, references: int) -> Ratios:
    """Return the sums per group whose ratios are the mean and the shares up to each edge."""
    group = np.concatenate([query.group, queries + reference.group])
    value = np.concatenate([query.value, reference.value])
    groups = queries + references
    counts = np.bincount(group * len(bins) + bins.number(value), minlength=groups * len(bins))
    up_to = counts.reshape(groups, len(bins)).cumsum(axis=1)
    sums = np.column_stack([np.bincount(group, value, groups), up_to[:, :-1]])
    return Ratios(sums, up_to[:, -1].astype(np.float64))


def _metric(number: BoxNumber, query: Values, reference: Values, histogram: BoxHistogram, p: float | None) -> BoxMetric:
    difference, low, high = _difference(query, reference, yes_or_no=histogram["labels"] == ["no", "yes"])
    spread = float(np.sqrt((query.value.var() + reference.value.var()) / 2))
    return {
        "name": number.name,
        "query": rounded(query.value.mean()),
        "reference": rounded(reference.value.mean()),
        "difference": rounded(difference),
        "low": None if p is None else rounded(low),
        "high": None if p is None else rounded(high),
        "effect": rounded(difference / spread) if spread > 0 else None,
        "p": None if p is None else rounded(p),
        "beyond_noise": None if p is None else p <= _SIGNIFICANT,
        "objects": (len(query.value), len(reference.value)),
        "histogram": histogram,
    }


def _difference(query: Values, reference: Values, *, yes_or_no: bool) -> tuple[float, float, float]:
    """Return the difference of two means, and the ends of its 95% interval over groups.

    Each mean is a ratio of two sums over groups, whose variance is that of the groups' residuals (Cochran 1977), and
    the degrees of freedom are Welch's (1947). Of shares, half an answer of either kind is uncertain.
    """
    variances, freedoms = [], []
    for own in (query, reference):
        residuals = np.bincount(own.group, own.value - own.value.mean())
        groups = len(np.unique(own.group))
        variance = float((residuals**2).sum()) / len(own.value) ** 2 * groups / max(1, groups - 1)
        variances.append(variance + yes_or_no / (groups + 2) ** 2)
        freedoms.append(max(1, groups - 1))
    total = sum(variances)
    difference = float(query.value.mean() - reference.value.mean())
    if total == 0:
        return difference, difference, difference
    freedom = total**2 / sum(own**2 / n for own, n in zip(variances, freedoms, strict=True))
    half = float(t.ppf(1 - _TAIL, freedom)) * total**0.5
    return difference, difference - half, difference + half


def _together(query: BoxValues, reference: BoxValues) -> tuple[list[TogetherMetric], str]:
    """Return how often two classes are in one image, and what was left out."""
    sides = query, reference
    names, note = _frequent_classes(query, reference)
    if len(names) < 2 or min(query.groups, reference.groups) < MIN_GROUPS:
        return [], note
    has = [_presence(side, names) for side in sides]
    pairs = [
        (first, second)
        for first, second in combinations(range(len(names)), 2)
        if any((own[:, first] & own[:, second]).any() for own in has)
    ]
    values = [
        [Values(side.image_group, (own[:, first] & own[:, second]).astype(np.float64)) for first, second in pairs]
        for side, own in zip(sides, has, strict=True)
    ]
    group = np.concatenate([query.image_group, query.groups + reference.image_group])
    groups = query.groups + reference.groups
    images = np.bincount(group, minlength=groups).astype(np.float64)
    ratios = [
        Ratios(np.bincount(group, np.concatenate([own.value, other.value]), groups).astype(np.float64)[:, None], images)
        for own, other in zip(*values, strict=True)
    ]
    metrics: list[TogetherMetric] = []
    for (first, second), own, other, p in zip(pairs, *values, corrected_p(ratios, query.groups).tolist(), strict=True):
        difference, low, high = _difference(own, other, yes_or_no=True)
        metrics.append(
            {
                "first": names[first],
                "second": names[second],
                "query": rounded(own.value.mean()),
                "reference": rounded(other.value.mean()),
                "difference": rounded(difference),
                "low": rounded(low),
                "high": rounded(high),
                "p": rounded(p),
                "beyond_noise": p <= _SIGNIFICANT,
            }
        )
    metrics.sort(key=lambda own: (not own["beyond_noise"], -abs(own["difference"])))
    return metrics[:_MAX_TOGETHER], note


def _frequent_classes(query: BoxValues, reference: BoxValues) -> tuple[list[str], str]:
    """Return the names of up to 20 classes that both have, those in most images, and what was left out."""
    shares: list[dict[str, float]] = []
    for side in (query, reference):
        counted = pc.value_counts(side.class_name)
        names, counts = counted.field("values").to_pylist(), counted.field("counts").to_numpy(zero_copy_only=False)
        shares.append(dict(zip(names, (counts / max(1, len(side.image_group))).tolist(), strict=True)))
    both = sorted(shares[0].keys() & shares[1].keys(), key=lambda name: (-shares[0][name] - shares[1][name], name))
    note = f"pairs of the {MAX_CLASSES} most frequent of {len(both):,} classes" if len(both) > MAX_CLASSES else ""
    return both[:MAX_CLASSES], note


def _presence(side: BoxValues, names: list[str]) -> NDArray[np.bool_]:
    """Return (images, names) whether an image has an object of a class."""
    column = pc.index_in(side.class_name, value_set=pa.array(names, side.class_name.type))
    known = column.is_valid().to_numpy(zero_copy_only=False)
    has = np.zeros((len(side.image_group), len(names)), np.bool_)
    has[side.class_image[known], column.drop_null().to_numpy(zero_copy_only=False)] = True
    return has
