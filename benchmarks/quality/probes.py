"""Probes: how far training on one style gets on another, and whether outlier scores rank what a probe gets wrong.

The input is two folders of the same classes in different styles, such as photographs and art, with a sub-folder per
class. `--part` chooses what is measured; parts are merged into one file:

table: trained on one folder and tested on the other, both ways round, per level: as it is, style aside, and the
    ceiling.
left-out: each class in turn is left out of the training set: how well the scores rank what the probe then gets wrong.
strength: the first folder tested, trained on the second, with weaker and stronger penalties.
speed: made-up vectors of as many images as a level takes at most; seconds for both ways round and both readings, and
    for the draw from a million and ten million images.

Takes ten minutes. Fails if, trained on the second folder and tested on the first at P5, the share of the ceiling style
aside is below 0.95, or the mean area under the ROC curve with a class left out below 0.9.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gapscope.bench.machine import machine
from gapscope.compare.classes.image_classes import ImageClasses
from gapscope.compare.probes import linear_probe
from gapscope.compare.probes.numbers import Probed, probed, train_and_test
from gapscope.compare.probes.sample import FOLDS, ProbeSample, draw_probe_sample
from gapscope.device.cpu import Cpu
from gapscope.settings import Reading
from gapscope.store.groups import ImageGroups

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.arrays import Levels, TwoDatasets
from quality.photographs import SIZE, embed_photographs

Numbers = dict[str, Any]
Labels = NDArray[Any]
Folder = tuple[Levels, Labels]

_READINGS: tuple[Reading, ...] = ("as-is", "style-aside")
_LEVEL, _LEFT_OUT_LEVELS = "P5", ("P5", "P6")
_MIN_SHARE, _MIN_AUC = 0.95, 0.9
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
_SHAPES = ((8000, 256, 10), (4850, 2048, 10), (4800, 256, 80), (1000, 2048, 100))
"""Training images, dimensions and classes."""
COLUMNS = {
    "accuracy": "mean over classes of the share that a probe trained on the other folder names rightly",
    "ceiling": "the same of a probe trained on other images of the tested folder, as many of each class",
    "share": "accuracy / ceiling, and the ends of its 95% interval",
    "errors_auc": "area under the ROC curve of the outlier score, images that the probe gets wrong against the others",
}


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("first", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("second", type=Path, help="a sub-folder per class of the same classes in another style")
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="default: all")
    parser.add_argument("--keep", type=Path, help="a folder that keeps embeddings for the next time")
    options = parser.parse_args()
    result: Numbers = {"columns": COLUMNS}
    if options.out.exists():
        result |= {part: values for part, values in json.loads(options.out.read_text()).items() if part in PARTS}
    failures: list[str] = []
    for part in options.part:
        result[part] = {"machine": machine()}
        failures += PARTS[part](options, result[part])
        write_result(options.out, result)
    if failures:
        raise SystemExit("; ".join(failures))


def _folders(options: Any) -> tuple[Folder, Folder]:
    first, second = (
        embed_photographs(
            path,
            options.keep / f"{path.name}, bundled.npz" if options.keep else None,
            partial(bundled_pyramid, SIZE),
        )
        for path in (options.first, options.second)
    )
    return first, second


def _sample(query: Labels, reference: Labels) -> ProbeSample:
    names = sorted({*query.tolist(), *reference.tolist()})
    classes = [
        ImageClasses(names, np.arange(len(own)), np.searchsorted(names, own), len(own)) for own in (query, reference)
    ]
    groups = [ImageGroups.singles(np.arange(len(own))) for own in (query, reference)]
    return draw_probe_sample((classes[0], classes[1]), (groups[0], groups[1]))


def _probe(datasets: TwoDatasets, sample: ProbeSample, level: str, reading: Reading) -> tuple[Probed, Probed]:
    views = datasets.views(level, reading)
    query, reference = (
        views[name].take(side.positions).tile(0, len(side.positions))
        for name, side in zip(views, sample.sides, strict=True)
    )
    said = train_and_test(Cpu().probe, (query, reference), sample, sample.available)
    return probed(*sample.sides, *said), probed(*sample.reversed.sides, *said[::-1])


def _errors_auc(datasets: TwoDatasets, sample: ProbeSample, level: str, reading: Reading, result: Probed) -> float:
    query = sample.sides[0]
    compared, _ = datasets.compare(level, reading)
    wrong = np.concatenate([result.wrong, np.ones(len(query.lacking), np.bool_)])
    return float(roc_auc_score(wrong, compared.scores.score[np.concatenate([query.positions, query.lacking])]))


def _numbers(result: Probed) -> Numbers:
    return {
        "accuracy": round(float(result.recall.mean()), 4),
        "ceiling": round(float(result.ceiling.mean()), 4),
        "share": [round(value, 4) for value in (result.share, result.low, result.high)],
    }


def _table_part(options: Any, result: Numbers) -> list[str]:
    (levels, labels), (other_levels, other_labels) = _folders(options)
    datasets, sample = TwoDatasets(levels, other_levels), _sample(labels, other_labels)
    names = options.first.name, options.second.name
    result["per class"] = sample.available.tolist()
    for level in levels:
        for reading in _READINGS:
            for (tested, trained), own in zip(
                (names, names[::-1]), _probe(datasets, sample, level, reading), strict=True
            ):
                row = result.setdefault(f"{tested}, trained on {trained}", {}).setdefault(level, {})
                row[reading] = _numbers(own)
                print(tested, level, reading, row[reading], flush=True)
    share = result[f"{names[0]}, trained on {names[1]}"][_LEVEL]["style-aside"]["share"][0]
    return [] if share >= _MIN_SHARE else [f"style aside, {share} of the ceiling is reached at {_LEVEL}"]


def _left_out_part(options: Any, result: Numbers) -> list[str]:
    (levels, labels), (other_levels, other_labels) = _folders(options)
    for name in sorted(set(labels.tolist())):
        kept = other_labels != name
        datasets = TwoDatasets(levels, {level: rows[kept] for level, rows in other_levels.items()})
        sample = _sample(labels, other_labels[kept])
        for level in _LEFT_OUT_LEVELS:
            for reading in _READINGS:
                own, _ = _probe(datasets, sample, level, reading)
                auc = round(_errors_auc(datasets, sample, level, reading, own), 4)
                result.setdefault(level, {}).setdefault(reading, {})[name] = auc
                print(name, level, reading, auc, flush=True)
    for level in _LEFT_OUT_LEVELS:
        for reading in _READINGS:
            by_name = result[level][reading]
            by_name["mean"] = round(float(np.mean(list(by_name.values()))), 4)
    mean = result[_LEVEL]["style-aside"]["mean"]
    return [] if mean >= _MIN_AUC else [f"errors are ranked at an AUC of {mean} at {_LEVEL}"]


def _strength_part(options: Any, result: Numbers) -> list[str]:
    (levels, labels), (other_levels, other_labels) = _folders(options)
    datasets, sample = TwoDatasets(levels, other_levels), _sample(labels, other_labels)
    usual = linear_probe.STRENGTH
    for strength in _STRENGTHS:
        linear_probe.STRENGTH = strength
        for level in levels:
            for reading in _READINGS:
                own, _ = _probe(datasets, sample, level, reading)
                result.setdefault(level, {}).setdefault(reading, {})[str(strength)] = _numbers(own)
        print(strength, {level: result[level]["as-is"][str(strength)] for level in levels}, flush=True)
    linear_probe.STRENGTH = usual
    return []


def _speed_part(options: Any, result: Numbers) -> list[str]:
    del options
    random = np.random.default_rng(0)
    for images, channels, classes in _SHAPES:
        label = np.arange(images) % classes
        rows = 0.15 * random.normal(size=(classes, channels))[label] + random.normal(size=(images, channels))
        vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        tested = np.resize(vectors, (20_000, channels))
        training = np.stack([np.flatnonzero(np.arange(images) // classes % FOLDS != fold) for fold in range(FOLDS)])
        start = time.perf_counter()
        Cpu().probe(vectors, label, training, tested)
        seconds = round(4 * (time.perf_counter() - start), 1)
        result[f"{training.shape[1]} of {classes} classes, {channels} dimensions"] = {"seconds": seconds}
        print(training.shape[1], channels, classes, seconds, flush=True)
    for images in (10**6, 10**7):
        labels = np.array([f"{number:03}" for number in range(200)])[random.integers(0, 200, images)]
        start = time.perf_counter()
        _sample(labels, labels)
        result[f"draw from twice {images}"] = {"seconds": round(time.perf_counter() - start, 1)}
        print(images, result[f"draw from twice {images}"], flush=True)
    result["threads"] = torch.get_num_threads()
    return []


PARTS: dict[str, Callable[[Any, Numbers], list[str]]] = {
    "table": _table_part,
    "left-out": _left_out_part,
    "strength": _strength_part,
    "speed": _speed_part,
}


if __name__ == "__main__":
    main()
