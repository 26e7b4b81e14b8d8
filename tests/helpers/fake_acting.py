"""Invented numbers of classes, probes, boxes, causes and wanted values, for a fake run; a page must show them all."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import PurePath

import pyarrow as pa

from gapscope.store.box_metrics import BoxMetric, PairBoxes
from gapscope.store.cause_metrics import Cause, ValueGap, WantedColumn, WantedValue
from gapscope.store.class_metrics import PairProbes, ProbedClass, ProbeMetrics
from gapscope.store.classes import SCHEMA
from gapscope.store.datasets import Pair, ordered_pairs

WANTED = "3.1 times more with sun below 10"
"""What the second dataset is asked for."""

SUN = 2.5
"""Of the second dataset's images, row by row: `sun` is so many times the row."""


def class_of(file: str) -> str | None:
    """Return the last folder of a file's name."""
    return PurePath(file).parent.name or None


def class_table(files: Mapping[str, Sequence[str]], levels: Sequence[str], readings: Sequence[str]) -> pa.Table:
    """Return a table in which the first class of a pair by name has the largest gap, and every third is noise."""
    rows = []
    counts = {
        name: {own: sum(class_of(file) == own for file in own_files) for own in map(class_of, own_files) if own}
        for name, own_files in files.items()
    }
    for pair, (number, level), reading in product(ordered_pairs(list(files)), enumerate(levels), readings):
        query, reference = counts[pair.query], counts[pair.reference]
        for place, name in enumerate(sorted({*query, *reference})):
            images, others = query.get(name, 0), reference.get(name, 0)
            gap = round(max(0.0, 0.9 - 0.11 * place - 0.01 * number - 0.2 * (reading == "style-aside")), 6)
            known = {"share_listed": 1.0 if not others else round(gap / 2, 6), "gap": gap}
            known |= {"gap_low": max(0.0, gap - 0.1), "gap_high": min(1.0, gap + 0.1)} if images > 2 else {}
            rows.append(
                {
                    "query": pair.query,
                    "reference": pair.reference,
                    "reading": reading,
                    "level": level,
                    "class": name,
                    "images": images,
                    "groups": images,
                    "reference_images": others,
                    "reference_groups": others,
                    **(known if images else {}),
                    "beyond_noise": None if images < 3 else place % 3 != 2,
                    "nearest_class": min(reference) if images and reference else None,
                    "nearest_share": 0.6 if images and reference else None,
                }
            )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def probes(files: Mapping[str, Sequence[str]], levels: Sequence[str]) -> dict[str, PairProbes]:
    """Return a probe per pair, level and reading; the first class by name is the worst."""
    names = sorted(
        set.intersection(*({own for file in own_files if (own := class_of(file))} for own_files in files.values()))
    )
    made: dict[str, PairProbes] = {}
    for pair in ordered_pairs(list(files)):
        sentence = (
            f"trained on {pair.reference}, 89% of what training on {pair.query} reaches [86%, 91%]; 96% with the look "
            f"taken out; worst: {names[0]}"
        )
        made[pair.name] = {
            "level": levels[-1],
            "sentence": sentence,
            "levels": {level: {"as-is": _probe(names, 0.05), "style-aside": _probe(names, 0.0)} for level in levels},
        }
    return made


def _probe(names: Sequence[str], less: float) -> ProbeMetrics:
    classes: list[ProbedClass] = [
        {
            "name": name,
            "trained": 40,
            "images": 40,
            "accuracy": min(0.95, 0.6 + 0.1 * place - less),
            "ceiling": 0.96,
            "share": min(0.95, 0.6 + 0.1 * place - less) / 0.96,
            "beyond_noise": place == 0,
        }
        for place, name in enumerate(names)
    ]
    return {
        "per_class": 40,
        "trained": 400,
        "tested": 300,
        "groups": 300,
        "accuracy": 0.89 - less,
        "ceiling": 0.98,
        "chance": 1 / len(names),
        "share": (0.89 - less) / 0.98,
        "share_low": 0.86 - less,
        "share_high": 0.93 - less,
        "errors_auc": 0.95,
        "classes": classes,
        "note": "of 12 classes, 2 are in one dataset alone",
    }


def boxes(pair: Pair, together: Sequence[str]) -> dict[str, PairBoxes]:
    """Return the boxes of a pair: objects of the reference are larger, and lie where the query's do."""
    counts, edges = ["0", "1", "2", "3 to 4"], [0.0, 0.05, 0.1, 0.2, 0.4, 1.0]
    return {
        pair.name: {
            "numbers": [
                _box("objects_per_image", 2.1, 1.4, True, [], counts),
                _box("size", 0.14, 0.21, True, edges, []),
                _box("center_x", 0.5, 0.5, False, [step / 10 for step in range(11)], []),
                _box("truncation", 0.02, 0.05, None, edges, []),
            ],
            "together": [
                {
                    "first": together[0],
                    "second": together[-1],
                    "query": 0.31,
                    "reference": 0.04,
                    "difference": 0.27,
                    "low": 0.2,
                    "high": 0.34,
                    "p": 0.001,
                    "beyond_noise": True,
                }
            ],
            "note": "of 1,200 objects, 3 lie outside of their image",
        }
    }


def _box(
    name: str, query: float, reference: float, beyond: bool | None, edges: list[float], labels: list[str]
) -> BoxMetric:
    bins = len(labels) or len(edges) - 1
    shape = [1.0 + (bin_ * 7) % 5 for bin_ in range(bins)]
    shares = [value / sum(shape) for value in shape]
    difference = query - reference
    return {
        "name": name,
        "query": query,
        "reference": reference,
        "difference": difference,
        "low": None if beyond is None else difference - 0.02,
        "high": None if beyond is None else difference + 0.02,
        "effect": 0.4,
        "p": None if beyond is None else 0.001 if beyond else 0.6,
        "beyond_noise": beyond,
        "objects": (1200, 900),
        "histogram": {"edges": edges, "labels": labels, "query": shares, "reference": shares[::-1]},
    }


def causes(pair: Pair, weather: Sequence[str | None], level: str, reading: str) -> dict[str, list[Cause]]:
    """Return columns of the pair's query: its weather goes with the gap, its speed does not."""
    texts = list(dict.fromkeys(text for text in weather if text is not None))
    of_weather = [_gap(text, None, None, 0.8 - 0.2 * place, place < 2) for place, text in enumerate(texts)]
    of_speed = [_gap("below 12", 0.0, 12.0, 0.4, True), _gap("12 and more", 12.0, 36.0, 0.42, True)]
    return {
        pair.name: [
            _cause("weather", 0.41, True, level, reading, of_weather, ""),
            _cause("speed", 0.01, False, level, reading, of_speed, ""),
            _cause("<b>note</b>", 0.0, False, level, reading, [], "nearly every value is different"),
        ]
    }


def _cause(
    column: str, effect: float, named: bool, level: str, reading: str, values: list[ValueGap], note: str
) -> Cause:
    return {
        "column": column,
        "kind": "number" if column == "speed" else "category",
        "groups": 24,
        "effect": effect,
        "p": 0.002 if named else 0.7 if values else None,
        "named": named,
        "level": level,
        "reading": reading,
        "values": values,
        "note": note,
    }


def _gap(label: str, low: float | None, high: float | None, gap: float, enough: bool) -> ValueGap:
    return {
        "label": label,
        "low": low,
        "high": high,
        "images": 6,
        "groups": 6,
        "share_listed": gap / 2,
        "gap": gap,
        "gap_low": gap - 0.1 if enough else None,
        "gap_high": gap + 0.1 if enough else None,
        "enough": enough,
    }


def wanted(pair: Pair, level: str, reading: str) -> dict[str, list[WantedColumn]]:
    """Return the parameter of the pair's reference: the query wants more of its low end."""
    return {
        pair.name: [
            {
                "column": "sun",
                "kind": "number",
                "p": 0.003,
                "named": True,
                "level": level,
                "reading": reading,
                "end": "low",
                "values": [
                    _wanted("below 10", 0.0, 10.0, 0.16, 0.5, 3.1, True),
                    _wanted("10 to 40", 10.0, 40.0, 0.5, 0.45, 0.9, True),
                    _wanted("40 and more", 40.0, 57.5, 0.34, 0.0, 0.0, True),
                    _wanted("above 57", 57.0, 57.5, 0.0, 0.05, 9.0, False),
                ],
                "sentence": WANTED,
                "note": "",
            },
            {
                "column": "rain",
                "kind": "number",
                "p": 0.5,
                "named": False,
                "level": level,
                "reading": reading,
                "end": None,
                "values": [_wanted("all", 0.0, 1.0, 1.0, 1.0, 1.0, True)],
                "sentence": "",
                "note": "",
            },
        ]
    }


def _wanted(label: str, low: float, high: float, today: float, share: float, ratio: float, enough: bool) -> WantedValue:
    return {
        "label": label,
        "low": low,
        "high": high,
        "images": 8,
        "today": today,
        "wanted": share,
        "ratio": ratio,
        "ratio_low": ratio * 0.7 if enough else None,
        "ratio_high": ratio * 1.3 if enough else None,
        "enough": enough,
    }
