"""Kinds: whether what is missing is found as one kind, whole and pure, and whether nothing is where nothing is missing.

The input is two folders of the same classes in different styles, such as photographs and art, with a sub-folder per
class. `--part` chooses what is measured; parts are merged into one file:

missing: random halves of the first folder, one class left out of the reference: the largest kind's share of the class
    that is listed, and of the kind that is of the class.
rare: the same with a tenth of the class left in the reference.
two: the same with two classes left out.
null: random halves of the first folder, and parts of unequal size: how many draws have any kind.
styles: the first folder against the second, whole and without each class.

Takes half an hour. Fails if fewer than five of seven missing classes are one kind with at least 90% of the class's
images and 90% pure, on average over the splits; if more than one in ten draws of one population has a kind; or if the
whole folders have more than twelve.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.bench.machine import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result
from networks import bundled_pyramid
from quality.arrays import Kind, Levels, TwoDatasets
from quality.photographs import SIZE, embed_photographs

Numbers = dict[str, Any]
Labels = NDArray[Any]

_GOOD = 0.9
_ENOUGH_CLASSES, _MAX_NULL, _MAX_KINDS = 5, 0.1, 12
_LEFT = 0.1
_SIZES = (None, (300, 900), (900, 300), (100, 100))
COLUMNS = {
    "kinds": "kinds of the query",
    "whole": "share of the class's images that the largest kind of it has",
    "pure": "share of that kind that is of the class",
    "q": "how sure that kind is; null for a suggestion",
    "others": "kinds that are mostly of other classes",
    "back": "kinds of the reference",
    "any": "share of draws with a kind in either direction",
}


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("first", type=Path, help="a sub-folder of photographs per class")
    parser.add_argument("second", type=Path, help="a sub-folder per class of the same classes in another style")
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="default: all")
    parser.add_argument("--splits", type=int, default=3, help="random halves per class (default: 3)")
    parser.add_argument("--seeds", type=int, default=60, help="null: draws (default: 60)")
    parser.add_argument("--keep", type=Path, help="a folder that keeps embeddings for the next time")
    options = parser.parse_args()
    torch.set_num_threads(1)
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


def _embedded(path: Path, options: Any) -> tuple[Levels, Labels]:
    cache = options.keep / f"{path.name}, bundled.npz" if options.keep else None
    return embed_photographs(path, cache, partial(bundled_pyramid, SIZE))


def _take(levels: Levels, positions: NDArray[Any]) -> Levels:
    return {level: rows[positions] for level, rows in levels.items()}


def _kind_of(kinds: Sequence[Kind], labels: Labels, name: str) -> Numbers:
    """Return how well a class is one kind."""
    best = max(kinds, key=lambda kind: int((labels[kind.members] == name).sum()), default=None)
    if best is None:
        return {"kinds": 0, "whole": 0.0, "pure": 0.0, "q": None, "others": 0}
    inside = int((labels[best.members] == name).sum())
    main = [Counter(labels[kind.members].tolist()).most_common(1)[0][0] for kind in kinds]
    return {
        "kinds": len(kinds),
        "whole": round(inside / int((labels == name).sum()), 4),
        "pure": round(inside / len(best.members), 4),
        "q": None if best.q is None else float(f"{best.q:.3g}"),
        "others": sum(other != name for other in main),
    }


def _halves(options: Any, left_out: Callable[[Labels, str], NDArray[np.bool_]], result: Numbers) -> None:
    """Measure every class in random halves, of which the reference keeps what `left_out` does not name."""
    levels, labels = _embedded(options.first, options)
    for name in sorted(set(labels.tolist())):
        rows = []
        for seed in range(options.splits):
            query, reference = np.array_split(np.random.default_rng(seed).permutation(len(labels)), 2)
            reference = reference[~left_out(labels[reference], name)]
            own, back = TwoDatasets(_take(levels, query), _take(levels, reference)).kinds()
            rows.append({**_kind_of(own, labels[query], name), "back": len(back)})
        result[name] = rows
        print(name, rows, flush=True)


def _missing_part(options: Any, result: Numbers) -> list[str]:
    _halves(options, lambda labels, name: labels == name, result)
    classes = {name: rows for name, rows in result.items() if name != "machine"}
    good = [
        name
        for name, rows in classes.items()
        if all(np.mean([row[key] for row in rows]) >= _GOOD for key in ("whole", "pure"))
    ]
    return [] if len(good) >= _ENOUGH_CLASSES else [f"only {', '.join(good)} are one kind, whole and pure"]


def _rare_part(options: Any, result: Numbers) -> list[str]:
    def most(labels: Labels, name: str) -> NDArray[np.bool_]:
        places = np.flatnonzero(labels == name)
        return np.isin(np.arange(len(labels)), places[round(_LEFT * len(places)) :])

    _halves(options, most, result)
    return []


def _two_part(options: Any, result: Numbers) -> list[str]:
    levels, labels = _embedded(options.first, options)
    query, reference = np.array_split(np.random.default_rng(0).permutation(len(labels)), 2)
    for names in combinations(sorted(set(labels.tolist())), 2):
        kept = reference[~np.isin(labels[reference], names)]
        own, back = TwoDatasets(_take(levels, query), _take(levels, kept)).kinds()
        result[" and ".join(names)] = {
            **{name: _kind_of(own, labels[query], name) for name in names},
            "back": len(back),
        }
        print(names, result[" and ".join(names)], flush=True)
    return []


def _null_part(options: Any, result: Numbers) -> list[str]:
    levels, labels = _embedded(options.first, options)
    result["seeds"], failures = options.seeds, []
    for sizes in _SIZES:
        count = 0
        for seed in range(options.seeds):
            order = np.random.default_rng(1000 + seed).permutation(len(labels))
            first, second = sizes or (len(order) // 2, len(order) - len(order) // 2)
            query, reference = (_take(levels, part) for part in (order[:first], order[first : first + second]))
            count += any(TwoDatasets(query, reference).kinds())
        name = "halves" if sizes is None else f"{sizes[0]} against {sizes[1]}"
        result[name] = {"any": round(count / options.seeds, 4)}
        print(name, result[name], flush=True)
        if count > _MAX_NULL * options.seeds:
            failures.append(f"{name}: {count} of {options.seeds} draws of one population have a kind")
    return failures


def _styles_part(options: Any, result: Numbers) -> list[str]:
    (levels, labels), (others, other_labels) = (_embedded(path, options) for path in (options.first, options.second))
    own, back = TwoDatasets(levels, others).kinds()
    result["whole folders"] = {"kinds": len(own), "back": len(back)}
    print("whole folders", result["whole folders"], flush=True)
    for name in sorted(set(labels.tolist())):
        kept = np.flatnonzero(other_labels != name)
        found, _ = TwoDatasets(levels, _take(others, kept)).kinds()
        result[name] = _kind_of(found, labels, name)
        print(name, result[name], flush=True)
    return [] if len(own) <= _MAX_KINDS else [f"the whole folders have {len(own)} kinds"]


PARTS: dict[str, Callable[[Any, Numbers], list[str]]] = {
    "missing": _missing_part,
    "rare": _rare_part,
    "two": _two_part,
    "null": _null_part,
    "styles": _styles_part,
}


if __name__ == "__main__":
    main()
