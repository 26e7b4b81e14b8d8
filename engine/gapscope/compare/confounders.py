"""What could fool a comparison: differences between the files of two datasets, whatever they show."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapscope.compare.interval import rounded
from gapscope.compare.registry import format_share
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.index import take_rows
from gapscope.store.metrics import Confounder, ConfounderMetrics, LevelMetrics
from gapscope.store.run_store import RunStore

_MAX_IMAGES = 5000
_FOLDS = 4
_WARN_FROM_AUC = 0.75
_STANDARD_ERRORS = 3.5
_N_NAMED = 3
_MIN_REACH = 0.05
_NUMBERS = ("megapixels", "aspect", "bytes_per_pixel", "jpeg_quality", "brightness", "contrast", "color", "sharpness")
_COLUMNS = ["format", "encoded_bytes", "width", "height", "jpeg_quality", "sharpness"]
_CHANNELS = ("red", "green", "blue")


def file_properties(run: RunStore, dataset: str, groups: ImageGroups) -> pd.DataFrame:
    """Return properties of the files of up to 5,000 of a dataset's images, one row per image.

    format; megapixels; aspect (width / height); bytes_per_pixel; jpeg_quality, NaN for what is no JPEG; brightness and
    contrast, the mean and standard deviation of the channels in 0..255; color, the range of the channels' means;
    sharpness. The index of the table is the group of each image. Where images are left out, groups keep alike many.

    Args:
        run: the run.
        dataset: the dataset's name.
        groups: of its images.
    """
    positions = _sample(groups)
    rows = groups.rows[positions]
    names = _COLUMNS + [f"{statistic}_{channel}" for statistic in ("mean", "std") for channel in _CHANNELS]
    index = take_rows(run, dataset, rows, names).to_pandas()
    means, stds = (index[[f"{statistic}_{channel}" for channel in _CHANNELS]] for statistic in ("mean", "std"))
    pixels = index["width"].astype(float) * index["height"]
    return pd.DataFrame(
        {
            "format": index["format"].fillna("unknown"),
            "megapixels": pixels / 1e6,
            "aspect": index["width"] / index["height"],
            # A row of an array has no encoded bytes.
            "bytes_per_pixel": index["encoded_bytes"].where(index["encoded_bytes"] > 0).astype(float) / pixels,
            "jpeg_quality": index["jpeg_quality"].astype(float),
            "brightness": means.mean(axis=1),
            "contrast": stds.mean(axis=1),
            "color": means.max(axis=1) - means.min(axis=1),
            "sharpness": index["sharpness"].astype(float),
        }
    ).set_index(groups.group[positions])


def _sample(groups: ImageGroups) -> NDArray[np.int64]:
    """Return ascending positions of up to 5,000 images: all, or at random as many of each group as fit."""
    images, random = len(groups.rows), np.random.default_rng(0)
    if images <= _MAX_IMAGES:
        return np.arange(images)
    if groups.counts_images:
        return np.sort(random.choice(images, _MAX_IMAGES, replace=False))
    shuffled = random.permutation(images)
    in_turn = shuffled[np.argsort(groups.group[shuffled], kind="stable")]
    turn = np.empty(images, np.int64)
    turn[in_turn] = np.arange(images) - groups.starts[groups.group[in_turn]]
    return np.sort(shuffled[np.argsort(turn[shuffled], kind="stable")[:_MAX_IMAGES]])


def confounders(
    query: pd.DataFrame,
    reference: pd.DataFrame,
    pair: Pair,
    shared: NDArray[np.int64] | None = None,
    levels: Mapping[str, LevelMetrics] | None = None,
) -> ConfounderMetrics:
    """Return how well properties of the files alone tell two datasets apart.

    Args:
        query: the query's `file_properties`.
        reference: the reference's.
        pair: the datasets' names.
        shared: per group of the query, its number in the reference, -1 where that has none; None where none is shared.
        levels: the numbers of every level, fine to coarse; None where they are not known.

    Returns:
        `auc`: of a classifier of small trees on all properties, cross-validated (4 folds, of whole groups): 0.5 tells
        nothing, 1 everything. `warning`: a sentence where it is 0.75 or more, and more than 3.5 standard errors from
        chance; else None. `levels`: those that a difference of files may have reached. `facts`: per property its name,
        effect size, and the median (or the most frequent value, with its share) on either side. The effect is Cliff's
        delta for numbers: the probability that the query's is larger minus that it is smaller; for what is in one
        dataset only, and for formats, the share of images that would have to change.
    """
    properties = [_format_effect(query["format"], reference["format"])]
    properties += [_number_effect(name, query[name], reference[name]) for name in _NUMBERS]
    properties.sort(key=lambda item: -abs(item["effect"]))
    auc, error = _cross_validated_auc(query, reference, shared)
    warning, reached = None, list[str]()
    if auc >= _WARN_FROM_AUC and auc - 0.5 > _STANDARD_ERRORS * error:
        named = ", ".join(
            f"{item['name']} {_as_text(item['query'])} against {_as_text(item['reference'])}"
            for item in properties[:_N_NAMED]
        )
        consequence, reached = _consequence(pair, levels or {})
        warning = (
            f"the files alone tell {pair.query} and {pair.reference} apart (AUC {auc:.2f}): {named}; {consequence}"
        )
    return {"auc": rounded(auc), "warning": warning, "levels": reached, "facts": properties}


def _consequence(pair: Pair, levels: Mapping[str, LevelMetrics]) -> tuple[str, list[str]]:
    """Return in words what a difference of files may have done to the lists, and the levels that it may have reached.

    Regressing embeddings on properties of the files does not take their effect out; the scaler of each dataset does.
    """
    before, after = {}, {}
    sides = (pair.name, pair.reversed.name)
    for name, numbers in levels.items():
        before[name] = max(numbers["pairs"][side]["outlier_share"] for side in sides)
        # Where there is only a ranking, nobody can say how much is left.
        if all(numbers["style_aside"].get(side, {"basis": "ranking"})["basis"] != "ranking" for side in sides):
            after[name] = max(numbers["style_aside"][side]["outlier_share"] for side in sides)
    if not after:
        return "the gap may be one of files, not of what they show", []
    reached = [name for name in after if before[name] - after[name] >= _MIN_REACH]
    unclear = [name for name in before if name not in after and before[name] >= _MIN_REACH]
    clauses = []
    if reached:
        most = max(reached, key=before.__getitem__)
        clauses.append(
            f"that may be what is listed at {', '.join(reached)}: at {most} {format_share(before[most])} as it is, "
            f"{format_share(after[most])} with each set's overall look taken out"
        )
    if unclear:
        share = format_share(max(before[name] for name in unclear))
        clauses.append(
            f"at {', '.join(unclear)}, where up to {share} is listed as it is, files and missing content cannot be "
            "told apart"
        )
    if not clauses:
        return "at no level is clearly more listed as it is than with each set's overall look taken out", []
    return "; ".join(clauses), [name for name in levels if name in reached or name in unclear]


def _as_text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _format_effect(query: "pd.Series[str]", reference: "pd.Series[str]") -> Confounder:
    counts = [Counter(values) for values in (query, reference)]
    shares = [{name: n / max(1, sum(count.values())) for name, n in count.items()} for count in counts]
    effect = sum(abs(shares[0].get(name, 0) - shares[1].get(name, 0)) for name in {*counts[0], *counts[1]}) / 2
    frequent = [count.most_common(1)[0][0] if count else "none" for count in counts]
    texts = [f"{name} ({share.get(name, 0):.0%})" for name, share in zip(frequent, shares, strict=True)]
    return {"name": "format", "effect": rounded(effect), "query": texts[0], "reference": texts[1]}


def _number_effect(name: str, query: "pd.Series[float]", reference: "pd.Series[float]") -> Confounder:
    columns = [np.asarray(values, dtype=np.float64) for values in (query, reference)]
    known: list[NDArray[np.float64]] = [values[np.isfinite(values)] for values in columns]
    missing = [1 - len(finite) / max(1, len(values)) for finite, values in zip(known, columns, strict=True)]
    effect = missing[1] - missing[0]
    if len(known[0]) and len(known[1]):
        delta = _cliffs_delta(known[0], known[1])
        effect = delta if abs(delta) > abs(effect) else effect
    medians = [rounded(float(np.median(values))) if len(values) else "none" for values in known]
    return {"name": name, "effect": rounded(effect), "query": medians[0], "reference": medians[1]}


def _cliffs_delta(query: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    ascending = np.sort(reference)
    below, up_to = (np.searchsorted(ascending, query, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / len(ascending) - 1)


def _cross_validated_auc(
    query: pd.DataFrame, reference: pd.DataFrame, shared: NDArray[np.int64] | None
) -> tuple[float, float]:
    """Return the area under the ROC curve, and its standard error where there is nothing to tell apart."""
    group = _group_numbers(query, reference, shared)
    counts = query.index.nunique(), reference.index.nunique()
    if min(counts) < 2 * _FOLDS:
        return 0.5, 1.0
    # Not at the top: importing it takes a second.
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

    both = pd.concat([query, reference], ignore_index=True)
    formats = pd.get_dummies(both["format"], dtype=float)
    numbers = both[list(_NUMBERS)]
    # What is not known gets a value far below everything that is.
    features = np.concatenate([formats.to_numpy(), numbers.fillna(-1e6).to_numpy()], axis=1).astype(np.float32)
    labels = np.arange(len(both)) < len(query)
    trees = ExtraTreesClassifier(30, min_samples_leaf=5, max_features=0.5, class_weight="balanced", random_state=0)
    # Otherwise trees would know a scene by its light, and tell its frames apart in any fold.
    is_grouped = len(np.unique(group)) < len(both)
    kind = StratifiedGroupKFold if is_grouped else StratifiedKFold
    folds = kind(_FOLDS, shuffle=True, random_state=0).split(features, labels, group if is_grouped else None)
    scores = cross_val_predict(trees, features, labels, cv=list(folds), method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores)), ((sum(counts) + 1) / (12 * counts[0] * counts[1])) ** 0.5


def _group_numbers(query: pd.DataFrame, reference: pd.DataFrame, shared: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the group of each image of both: those of the reference come first, and shared ones are the same."""
    own, other = query.index.to_numpy(), reference.index.to_numpy()
    numbers = own + int(other.max(initial=-1)) + 1
    if shared is not None:
        numbers = np.where(shared[own] >= 0, shared[own], numbers)
    return np.concatenate([numbers, other])
