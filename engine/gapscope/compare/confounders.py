"""What could fool a comparison: files that differ, whatever they show."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapscope.compare.interval import rounded
from gapscope.store.index import read_index, rows_read

_MOST = 5000
_FOLDS = 4
_TELLS_APART = 0.75
_SURE = 3.5
_NAMED = 3
_NUMBERS = ("megapixels", "aspect", "bytes_per_pixel", "jpeg_quality", "brightness", "contrast", "colour", "sharpness")
_COLUMNS = ["format", "encoded_bytes", "width", "height", "jpeg_quality", "sharpness"]
_CHANNELS = ("red", "green", "blue")


def image_stats(run: Path, dataset: str) -> pd.DataFrame:
    """Return facts about the files of a dataset's images, of up to 5,000 of them: one row per image.

    format; megapixels; aspect (width / height); bytes_per_pixel; jpeg_quality, NaN for what is no JPEG; brightness and
    contrast, the mean and std of the channels in 0..255; colour, how far the channels' means lie apart; sharpness.
    """
    rows = rows_read(run, dataset)
    if len(rows) > _MOST:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST, replace=False))
    names = _COLUMNS + [f"{what}_{channel}" for what in ("mean", "std") for channel in _CHANNELS]
    index = read_index(run, dataset, names).take(rows).to_pandas()
    means, stds = (index[[f"{what}_{channel}" for channel in _CHANNELS]] for what in ("mean", "std"))
    pixels = index["width"].astype(float) * index["height"]
    return pd.DataFrame(
        {
            "format": index["format"].fillna("unknown"),
            "megapixels": pixels / 1e6,
            "aspect": index["width"] / index["height"],
            # An array has none; a file has as many as were read, wherever it lies.
            "bytes_per_pixel": index["encoded_bytes"].where(index["encoded_bytes"] > 0).astype(float) / pixels,
            "jpeg_quality": index["jpeg_quality"].astype(float),
            "brightness": means.mean(axis=1),
            "contrast": stds.mean(axis=1),
            "colour": means.max(axis=1) - means.min(axis=1),
            "sharpness": index["sharpness"].astype(float),
        }
    )


def confounders(query: pd.DataFrame, reference: pd.DataFrame, names: tuple[str, str]) -> dict[str, Any]:
    """Return how far facts about the files alone tell two datasets apart.

    Args:
        query: the query's `image_stats`.
        reference: the reference's.
        names: the datasets' names.

    Returns:
        `auc`: of a classifier of small trees on all facts, held out (4 folds): 0.5 tells nothing, 1 everything.
        `warning`: a sentence where it is 0.75 or more, and more than 3.5 standard errors from chance; else None.
        `facts`: per fact its name, effect size, and the middle value (or the commonest, with its share) on either side.
        The effect is Cliff's delta for numbers: the probability that the query's is larger minus that it is smaller;
        for what is in one dataset only, and for formats, the share of images that would have to change.
    """
    facts = [_format_fact(query["format"], reference["format"])]
    facts += [_number_fact(name, query[name], reference[name]) for name in _NUMBERS]
    facts.sort(key=lambda fact: -abs(fact["effect"]))
    auc, error = _held_out_auc(query, reference)
    warning = None
    if auc >= _TELLS_APART and auc - 0.5 > _SURE * error:
        named = ", ".join(
            f"{fact['name']} {_say(fact['query'])} against {_say(fact['reference'])}" for fact in facts[:_NAMED]
        )
        warning = (
            f"the files alone tell {names[0]} and {names[1]} apart (AUC {auc:.2f}): {named}; "
            "the gap may be one of files, not of what they show"
        )
    return {"auc": rounded(auc), "warning": warning, "facts": facts}


def _say(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _format_fact(query: "pd.Series[str]", reference: "pd.Series[str]") -> dict[str, Any]:
    counts = [Counter(values) for values in (query, reference)]
    shares = [{name: count / max(1, sum(one.values())) for name, count in one.items()} for one in counts]
    effect = sum(abs(shares[0].get(name, 0) - shares[1].get(name, 0)) for name in {*counts[0], *counts[1]}) / 2
    common = [one.most_common(1)[0][0] if one else "none" for one in counts]
    said = [f"{name} ({share.get(name, 0):.0%})" for name, share in zip(common, shares, strict=True)]
    return {"name": "format", "effect": rounded(effect), "query": said[0], "reference": said[1]}


def _number_fact(name: str, query: "pd.Series[float]", reference: "pd.Series[float]") -> dict[str, Any]:
    columns = (np.asarray(values, dtype=np.float64) for values in (query, reference))
    known: list[NDArray[np.float64]] = [values[np.isfinite(values)] for values in columns]
    missing = [1 - len(values) / max(1, len(all_)) for values, all_ in zip(known, (query, reference), strict=True)]
    effect = missing[1] - missing[0]
    if len(known[0]) and len(known[1]):
        among = _cliffs_delta(known[0], known[1])
        effect = among if abs(among) > abs(effect) else effect
    middle = [rounded(float(np.median(values))) if len(values) else "none" for values in known]
    return {"name": name, "effect": rounded(effect), "query": middle[0], "reference": middle[1]}


def _cliffs_delta(query: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    ascending = np.sort(reference)
    below, up_to = (np.searchsorted(ascending, query, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / len(ascending) - 1)


def _held_out_auc(query: pd.DataFrame, reference: pd.DataFrame) -> tuple[float, float]:
    """Return the area under the ROC curve, and its standard error where there is nothing to tell apart."""
    sizes = len(query), len(reference)
    if min(sizes) < 2 * _FOLDS:
        return 0.5, 1.0
    # Not at the top: importing it takes a second.
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    both = pd.concat([query, reference], ignore_index=True)
    kinds = pd.get_dummies(both["format"], dtype=float)
    numbers = both[list(_NUMBERS)]
    # What is not known is far below everything that is.
    features = np.concatenate([kinds.to_numpy(), numbers.fillna(-1e6).to_numpy()], axis=1).astype(np.float32)
    labels = np.arange(sum(sizes)) < sizes[0]
    trees = ExtraTreesClassifier(30, min_samples_leaf=5, max_features=0.5, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    scores = cross_val_predict(trees, features, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores)), ((sum(sizes) + 1) / (12 * sizes[0] * sizes[1])) ** 0.5
