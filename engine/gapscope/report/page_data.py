"""What the page shows in words and tables: datasets, numbers, rejected images, and the provenance of the run."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapscope.compare.headline import describe_groups, describe_repeats, describe_shared, describe_value_range
from gapscope.compare.style_aside import MIN_CONTENT
from gapscope.report.columns import Column
from gapscope.report.kinds import level_words
from gapscope.report.lists import OneSidedCluster
from gapscope.report.names import MAX_REJECTS, Names
from gapscope.report.neighbor_lists import score_k
from gapscope.report.numbers import charts, histograms, numbers_table
from gapscope.report.opening import Opening
from gapscope.report.palette import CATEGORIES_DARK, CATEGORIES_LIGHT, DARK, LIGHT
from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.report.tiles import Tiles
from gapscope.report.words import WORDS
from gapscope.store.index import rows_rejected
from gapscope.store.metrics import ConfounderMetrics, Metrics
from gapscope.store.run_record import Timing
from gapscope.store.run_store import RunStore


def page_data(
    run: RunStore,
    metrics: Metrics,
    index: PointIndex,
    one_sided: list[list[OneSidedCluster]],
    selection: Selection,
    tiles: Tiles,
    columns: list[Column],
    opening: list[Opening],
    names: Names,
) -> dict[str, object]:
    """Return all of the page's data that is not one value per image, as JSON values."""
    compared = run.record.config.compare.readings_compared
    drawn = index.dataset[selection.image[selection.drawn]]
    page_numbers = selection.page_numbers(len(index))
    return {
        "datasets": [
            {
                "name": name,
                "listed": metrics["datasets"][name]["listed"],
                "read": metrics["datasets"][name]["read"],
                "rejected": metrics["datasets"][name]["rejected"],
                "groups": metrics["datasets"][name]["groups"],
                "unit": run.record.group_unit(name),
                "rowUnit": run.record.row_unit(name),
                "count": run.record.describe_count(
                    name, metrics["datasets"][name]["read"], metrics["datasets"][name]["groups"]
                ),
                "placed": int((index.dataset == number).sum()),
                "drawn": int((drawn == number).sum()),
            }
            for number, name in enumerate(run.datasets)
        ],
        "levels": [
            {"name": level.name, "stride": level.stride, **words}
            for level, words in zip(run.record.model.levels, level_words(run), strict=True)
        ],
        "run": run.path.name,
        "size": run.record.config.embed.size,
        "fit": run.record.config.embed.fit,
        "pairs": [[run.datasets.index(name) for name in pair] for pair in run.pairs],
        "placed": len(index),
        "drawn": int(selection.drawn.sum()),
        "outliers": selection.outliers,
        "outliersDrawn": selection.outliers_drawn,
        "palette": {"light": LIGHT, "dark": DARK},
        "categories": {"light": CATEGORIES_LIGHT, "dark": CATEGORIES_DARK},
        "words": [asdict(word) for word in WORDS],
        "created": run.record.created,
        "version": version("gapscope"),
        "paths": names.full,
        "fdr": run.record.config.compare.fdr,
        "sheets": [[sheet.name, sheet.start, sheet.stop, sheet.side, sheet.across] for sheet in tiles.sheets],
        "tiles": {"images": tiles.images, "bytes": tiles.bytes, "wanted": tiles.wanted},
        "k": [score_k(run, name) for name in run.datasets],
        "columns": [column.head for column in columns],
        "readings": run.record.config.compare.listed_readings,
        "numbers": {reading: numbers_table(run, metrics, reading) for reading in compared},
        "charts": {reading: charts(run, metrics, reading) for reading in compared},
        "histograms": {reading: histograms(run, metrics, reading) for reading in compared},
        "styleAside": [_style_aside(run, metrics, level) for level in run.levels],
        "minContent": MIN_CONTENT,
        "openings": [_opening(own) for own in opening],
        "heads": [
            _headline(metrics["headlines"][pair.name], own) for pair, own in zip(run.pairs, opening, strict=True)
        ],
        "limits": [metrics["limits"][pair.name]["message"] for pair in run.pairs],
        "groupNotes": [names.text(note) for note in _group_notes(run, metrics)],
        "warnings": [
            names.text(warning["sentence"])
            for name in run.datasets
            for warning in metrics["datasets"][name]["warnings"]
        ],
        "confounders": [_confounders(metrics["confounders"].get(pair.name)) for pair in run.pairs],
        "clusters": [
            _clusters(metrics["levels"][level]["clusters"]["count"], clusters, page_numbers)
            for level, clusters in zip(run.levels, one_sided, strict=True)
        ],
        "layouts": [_layout(metrics, level) for level in run.levels],
        "rejects": _rejects(run, metrics, names),
        "provenance": _provenance(run, names),
    }


def _style_aside(run: RunStore, metrics: Metrics, level: str) -> list[dict[str, object]]:
    """Return, per pair, what a level's list rests on style aside, and how well the level sees content; or nothing."""
    numbers = metrics["levels"][level]["style_aside"]
    if not run.record.config.compare.reads("style-aside"):
        return []
    return [{key: numbers[pair.name][key] for key in ("basis", "content")} for pair in run.pairs]


def _opening(opening: Opening) -> dict[str, object]:
    return {
        "asIs": opening.as_is,
        "styleAside": opening.style_aside,
        "reading": opening.reading,
        "level": opening.level,
        "pictures": opening.pictures,
        "isRanking": opening.is_ranking,
    }


def _headline(sentence: str, opening: Opening) -> list[str]:
    """Return a headline in two parts, the first of which is empty unless nearly everything differs."""
    first, colon, rest = sentence.partition(": ")
    return [first, rest] if opening.is_saturated and colon else ["", sentence]


_IN_PYTHON = "`group='none'`"


def _group_notes(run: RunStore, metrics: Metrics) -> list[str]:
    """Return sentences on what counts as one, on what is black and white, and on groups that two datasets share."""
    notes = []
    for name in run.datasets:
        if (text := describe_groups(run.record, name)) is not None:
            repeats = describe_repeats(run.record, name, metrics["duplicates"]["repeats"].get(name, 0))
            sentences = [text.replace(_IN_PYTHON, "--group none"), *([repeats] if repeats else [])]
            notes.append(f"{'. '.join(sentences)}.")
    for name in run.datasets:
        notes += [f"{name}: {describe_value_range(each)}." for each in run.record.datasets[name].value_ranges or ()]
    for pair in run.pairs:
        is_first = run.datasets.index(pair.query) < run.datasets.index(pair.reference)
        if is_first and pair.name in run.record.shared_groups:
            notes.append(f"{describe_shared(run.record, pair)}.")
    return notes


_PROPERTIES = {
    "format": ("file format", ""),
    "megapixels": ("image size", "megapixels"),
    "aspect": ("width / height", ""),
    "bytes_per_pixel": ("file size", "bytes per pixel"),
    "jpeg_quality": ("JPEG quality", ""),
    "brightness": ("brightness", "of 255"),
    "contrast": ("contrast", "of 255"),
    "color": ("color", "of 255"),
    "sharpness": ("sharpness", ""),
}


def _confounders(confounders: ConfounderMetrics | None) -> dict[str, object] | None:
    """Return how well the files alone tell a pair's datasets apart, a warning or None, and rows of what differs.

    A row is a property, its effect, its value on either side, and their unit.
    """
    if confounders is None:
        return None
    rows = []
    for fact in confounders["facts"]:
        title, unit = _PROPERTIES.get(fact["name"], (fact["name"], ""))
        rows.append([title, fact["effect"], _text(fact["query"]), _text(fact["reference"]), unit])
    return {"auc": confounders["auc"], "warning": confounders["warning"], "rows": rows}


def _clusters(count: int, one_sided: list[OneSidedCluster], page_numbers: NDArray[np.int32]) -> dict[str, object]:
    rows = []
    for cluster in one_sided:
        typical = [int(number) for number in page_numbers[cluster.typical] if number >= 0]
        rows.append([cluster.cluster, cluster.images, cluster.dataset, cluster.share, typical])
    return {"count": count, "oneSided": rows}


def _layout(metrics: Metrics, level: str) -> dict[str, float]:
    """Return how faithful a level's map is."""
    layout = metrics["levels"][level]["layout"]
    numbers = {"trustworthiness": layout["trustworthiness"], "neighbor_recall": layout["neighbor_recall"]}
    return {name: value for name, value in numbers.items() if value is not None}


def _rejects(run: RunStore, metrics: Metrics, names: Names) -> dict[str, object]:
    counts: list[list[object]] = []
    rows: list[list[object]] = []
    for number, name in enumerate(run.datasets):
        counts += [[number, status, count] for status, count in metrics["datasets"][name]["statuses"].items()]
        if len(rows) < MAX_REJECTS:
            rejected = rows_rejected(run, name).slice(0, MAX_REJECTS - len(rows)).to_pylist()
            rows += [
                [number, names.image(name, row["uri"]), row["status"], names.text(row["error"] or "")]
                for row in rejected
            ]
    return {"counts": counts, "rows": rows}


def _provenance(run: RunStore, names: Names) -> list[list[object]]:
    """Return groups of a title and lines, each a label and a text."""
    record = run.record
    config = record.config
    groups: list[tuple[str, list[list[str]]]] = [
        ("Run", [["folder", run.path.name], ["created", record.created], ["device", record.device]]),
        (
            "Datasets",
            [
                *([name, record.datasets[name].listing or source] for name, source in config.datasets.items()),
                ["objects", str(config.objects)],
            ],
        ),
        ("embed", _lines(msgspec.to_builtins(config.embed))),
        ("layout", _lines(msgspec.to_builtins(config.layout))),
        ("compare", _lines(msgspec.to_builtins(config.neighbors) | msgspec.to_builtins(config.compare))),
        ("model", _lines(msgspec.to_builtins(record.model))),
        ("versions", _lines(record.versions)),
        ("times", [[title, _time(timing)] for title, timing in record.times.items()]),
    ]
    return [[title, [[label, names.text(text)] for label, text in lines]] for title, lines in groups]


def _time(timing: Timing) -> str:
    """Return how much of what was done in which time, and how fast where that means something."""
    plural = timing.unit if timing.done == 1 else f"{timing.unit}s"
    has_rate = timing.unit == "image" and timing.seconds
    rate = f", {timing.done / timing.seconds:,.0f} {plural}/s" if has_rate else ""
    return f"{timing.done:,} {plural} in {timing.seconds:,.1f} s{rate}"


def _lines(values: Mapping[str, object]) -> list[list[str]]:
    return [[name, _text(value)] for name, value in values.items()]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "not set" if value is None else str(value)
