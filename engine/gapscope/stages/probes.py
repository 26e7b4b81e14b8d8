"""Does it train? The stage that trains probes on the classes of one dataset and tests them on another's images."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.classes.image_classes import ImageClasses
from gapscope.compare.interval import rounded
from gapscope.compare.probes.numbers import Probed, probed, train_and_test
from gapscope.compare.probes.sample import ProbeSample, draw_probe_sample
from gapscope.compare.probes.sentence import best_level, probe_note, probe_sentence
from gapscope.device import Device
from gapscope.neighbors.embedding_view import open_view, read_rows_float32, standardize
from gapscope.progress import Progress
from gapscope.settings import Reading
from gapscope.store.class_metrics import PairProbes, ProbedClass, ProbeMetrics
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups
from gapscope.store.run_store import RunStore
from gapscope.store.scores import read_scores

_Levels = dict[str, dict[str, ProbeMetrics]]

_MAX_WORK = 10**8
"""Training images times dimensions times classes of one probe, which two cores fit in about a second."""
_MIN_PER_CLASS = 10
_MIN_ERRORS = 8
"""Fewer images that are named wrongly, or rightly, are too few to rank."""


def probe_pairs(
    run: RunStore,
    groups: Mapping[str, ImageGroups],
    classes: Mapping[str, ImageClasses],
    device: Device,
    progress: Progress,
) -> dict[str, PairProbes]:
    """Return what probes say of every ordered pair.

    Args:
        run: the run, whose scores are written.
        groups: of every dataset.
        classes: of every dataset; nothing for a run without classes.
        device: where probes are fitted.
        progress: shows the work.

    Returns:
        By name of the pair; empty for a run without classes.
    """
    if not classes:
        return {}
    order = list(run.record.datasets)
    # The same probes serve a pair and its reverse.
    pairs = [pair for pair in run.pairs if order.index(pair.query) < order.index(pair.reference)]
    found: dict[str, PairProbes] = {}
    with progress.task("probes", len(pairs) * len(run.levels), "level") as task:
        for pair in pairs:
            sample = draw_probe_sample(
                (classes[pair.query], classes[pair.reference]), (groups[pair.query], groups[pair.reference])
            )
            levels: dict[Pair, _Levels] = {pair: {}, pair.reversed: {}}
            for name in run.levels:
                if len(sample.names) > 1:
                    for side, numbers in _probe_level(run, name, pair, sample, groups, device).items():
                        levels[side][name] = numbers
                task.advance(1)
            for side, own in zip(levels, (sample, sample.reversed), strict=True):
                found[side.name] = {
                    "level": best_level(levels[side]),
                    "sentence": probe_sentence(side, own.left_out, levels[side]),
                    "levels": levels[side],
                }
    return {pair.name: found[pair.name] for pair in run.pairs}


def _probe_level(
    run: RunStore,
    level: str,
    pair: Pair,
    sample: ProbeSample,
    groups: Mapping[str, ImageGroups],
    device: Device,
) -> dict[Pair, dict[str, ProbeMetrics]]:
    """Return the numbers of a level by reading, of a pair and its reverse."""
    rows = [groups[name].rows[side.positions] for name, side in zip(pair, sample.sides, strict=True)]
    embeddings = [
        read_rows_float32(open_view(run, name, level).embeddings, own) for name, own in zip(pair, rows, strict=True)
    ]
    classes = len(sample.names)
    most = max(_MIN_PER_CLASS, _MAX_WORK // (embeddings[0].shape[1] * classes**2))
    per_class = np.minimum(sample.available, most)
    numbers: dict[Pair, dict[str, ProbeMetrics]] = {pair: {}, pair.reversed: {}}
    for reading in run.record.config.compare.listed_readings:
        # Lengths of vectors say how usual an image is, and hardly what it shows; so C means the same by any metric.
        query, reference = (
            standardize(own, view.mean, view.std, "cosine")
            for own, view in zip(embeddings, (open_view(run, name, level, reading) for name in pair), strict=True)
        )
        said = train_and_test(device.probe, (query, reference), sample, per_class)
        for side, own, answers in ((pair, sample, said), (pair.reversed, sample.reversed, said[::-1])):
            result = probed(*own.sides, *answers)
            auc = _errors_auc(run, level, side, reading, own, result.wrong)
            numbers[side][reading] = _metrics(side, own, per_class, result, auc)
    return numbers


def _metrics(
    pair: Pair, sample: ProbeSample, per_class: NDArray[np.int64], result: Probed, errors_auc: float | None
) -> ProbeMetrics:
    query = sample.sides[0]
    classes = len(sample.names)
    images = np.bincount(query.label, minlength=classes)
    listed: list[ProbedClass] = [
        {
            "name": sample.names[number],
            "trained": int(per_class[number]),
            "images": int(images[number]),
            "accuracy": rounded(result.recall[number]),
            "ceiling": rounded(result.ceiling[number]),
            "share": rounded(result.recall[number] / result.ceiling[number]) if result.ceiling[number] > 0 else None,
            "beyond_noise": bool(result.beyond_noise[number]),
        }
        for number in np.argsort(result.recall - result.ceiling, kind="stable").tolist()
    ]
    return {
        "per_class": int(per_class.max()),
        "trained": int(per_class.sum()),
        "tested": len(query.label),
        "groups": len(np.unique(query.group)),
        "accuracy": rounded(result.recall.mean()),
        "ceiling": rounded(result.ceiling.mean()),
        "chance": rounded(1 / classes),
        "share": rounded(result.share) if result.answers else None,
        "share_low": rounded(result.low) if result.answers else None,
        "share_high": rounded(result.high) if result.answers else None,
        "errors_auc": errors_auc,
        "classes": listed,
        "note": probe_note(pair, sample, per_class),
    }


def _errors_auc(
    run: RunStore, level: str, pair: Pair, reading: Reading, sample: ProbeSample, wrong: NDArray[np.bool_]
) -> float | None:
    """Return how well the query's outlier scores tell what a probe gets wrong: images of classes that it lacks, too."""
    from sklearn.metrics import roc_auc_score

    query = sample.sides[0]
    positions = np.concatenate([query.positions, query.lacking])
    wrong = np.concatenate([wrong, np.ones(len(query.lacking), np.bool_)])
    if min(wrong.sum(), (~wrong).sum()) < _MIN_ERRORS:
        return None
    scores = read_scores(run.path, level, pair, reading)["score"].to_numpy()[positions]
    return rounded(float(roc_auc_score(wrong, scores)))
