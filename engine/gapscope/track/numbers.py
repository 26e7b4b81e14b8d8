"""What a tracker keeps of a run as numbers: every metric of every pair, level and reading, under a name of its own."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pandas as pd

from gapscope.compare.registry import METRICS
from gapscope.run import Run
from gapscope.store.gaps import Sort
from gapscope.store.metrics import PairMetrics

MAX_CLASSES = 50
"""Classes of an ordered pair whose gap is tracked; classes.csv has all."""

_OF_DATASETS = ("images", "groups", "reference_images", "reference_groups")
"""Numbers that are the same at every level, and stand under the datasets."""

_MAX_NAME = 80
_FORBIDDEN = re.compile(r"[^\w.\- ]")


def run_numbers(run: Run) -> dict[str, float]:
    """Return the numbers of a run by the names that they have in MLflow; what cannot be told is left out.

    Names are `PAIR/LEVEL/READING/NUMBER`, such as `real-vs-synthetic/P5/as-is/share_outside`, with `_low` and `_high`
    behind the name for the ends of its interval. What holds for a pair as a whole is `PAIR/kinds/all` and so on, and
    what holds for a dataset `datasets/NAME/images`.

    Example:
        >>> import gapscope
        >>> numbers = run_numbers(gapscope.open_run("runs/monday"))
        >>> numbers["real-vs-synthetic/P3/as-is/outliers"], numbers["real-vs-synthetic/kinds/all"]
        (20.0, 1.0)
    """
    numbers = dict[str, Any]()
    for name, dataset in run.metrics["datasets"].items():
        of_dataset = {"images": dataset["read"], "groups": dataset["groups"], "rejected": dataset["rejected"]}
        numbers |= {f"datasets/{name}/{key}": value for key, value in of_dataset.items()}
    for pair in run.pairs:
        numbers |= {f"{pair.name}/{name}": value for name, value in _of_pair(run, pair.name)}
    for level, of_level in run.metrics["levels"].items():
        readings: dict[str, Mapping[str, PairMetrics]] = {
            "as-is": of_level["pairs"],
            "style-aside": of_level["style_aside"],
        }
        for reading, pairs in readings.items():
            for pair_name, metrics in pairs.items():
                own = _of_reading(metrics)
                numbers |= {f"{pair_name}/{level}/{reading}/{name}": value for name, value in own}
    for pair_name, probes in run.metrics["probes"].items():
        for level, by_reading in probes["levels"].items():
            for reading, probe in by_reading.items():
                ends = {"": probe["share"], "_low": probe["share_low"], "_high": probe["share_high"]}
                numbers |= {f"{pair_name}/{level}/{reading}/probe_share{end}": value for end, value in ends.items()}
    numbers |= dict(_of_classes(run))
    return {
        name: float(value)
        for name, value in sorted(numbers.items())
        if value is not None and not pd.isna(value) and math.isfinite(value)
    }


def describe_left_out_classes(run: Run) -> str:
    """Return a sentence on the classes whose gap is not tracked; empty where all are."""
    count = int(run.classes()["class"].nunique())
    if count <= MAX_CLASSES:
        return ""
    return f"the gap of the {MAX_CLASSES} most frequent of {count:,} classes is tracked; classes.csv has all"


def _of_pair(run: Run, pair: str) -> Iterator[tuple[str, Any]]:
    own = [gap["sort"] for gap in run.gaps_record["kinds"] if f"{gap['query']}-vs-{gap['reference']}" == pair]
    # A folder of numbers, not a number: a store in files could not hold both under one name.
    yield "kinds/all", len(own)
    for sort in get_args(Sort):
        yield f"kinds/{sort}", own.count(sort)
    metrics = run.metrics
    if pair in metrics["across_levels"]:
        yield "across_levels/listed", metrics["across_levels"][pair]["listed"]
        yield "across_levels/within_fdr", metrics["across_levels"][pair]["within_fdr"]
    if pair in metrics["duplicates"]["pairs"]:
        yield "duplicates/exact", metrics["duplicates"]["pairs"][pair]["exact"]
        yield "duplicates/near", metrics["duplicates"]["pairs"][pair]["near"]
    if pair in metrics["confounders"]:
        yield "confounders/auc", metrics["confounders"][pair]["auc"]


def _of_reading(metrics: PairMetrics) -> Iterator[tuple[str, Any]]:
    plain: Mapping[str, Any] = metrics
    for name in (each for each in METRICS if each not in _OF_DATASETS):
        measure = metrics["measures"].get(name)
        if measure is not None:
            yield name, measure["value"]
            yield f"{name}_low", measure["low"]
            yield f"{name}_high", measure["high"]
        elif name in plain:
            yield name, plain[name]
            for end in ("low", "high"):
                yield f"{name}_{end}", plain.get(f"{name}_{end}")


def _of_classes(run: Run) -> Iterator[tuple[str, Any]]:
    table = run.classes()
    if table.empty:
        return
    # The same classes are chosen in every run of the same data, whatever their gaps are.
    size = (table["images"].fillna(0) + table["reference_images"].fillna(0)).groupby(table["class"]).max()
    frequent = size.sort_values(ascending=False, kind="stable").index[:MAX_CLASSES]
    names = class_names(frequent.tolist())
    for row in table[table["class"].isin(frequent)].to_dict("records"):
        folder = f"{row['query']}-vs-{row['reference']}/{row['level']}/{row['reading']}/class/{names[row['class']]}"
        for name in ("gap", "gap_low", "gap_high"):
            yield f"{folder}/{name}", row[name]


def class_names(classes: list[str]) -> dict[str, str]:
    """Return what each class is called in a number's name, of letters, digits, spaces, `_`, `-` and `.`.

    Example:
        >>> class_names(["car", "traffic/light", "traffic:light"])
        {'car': 'car', 'traffic/light': 'traffic_light', 'traffic:light': 'traffic_light-2'}
    """
    names, used = dict[str, str](), set[str]()
    for each in classes:
        plain = _FORBIDDEN.sub("_", each).strip()[:_MAX_NAME].strip()
        # Names may become folders, and those of dots alone lead elsewhere.
        plain = plain if plain.strip(".") else "_" * max(1, len(plain))
        name, number = plain, 1
        while name.casefold() in used:
            number += 1
            name = f"{plain}-{number}"
        used.add(name.casefold())
        names[each] = name
    return names
