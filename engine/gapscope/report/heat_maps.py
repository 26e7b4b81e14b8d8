"""The heat maps as the page shows them, and the level at which each kind and image opens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapscope.heat_maps.opening import opening_level
from gapscope.report.kinds import PageKinds
from gapscope.report.names import Names
from gapscope.report.points import PointIndex
from gapscope.report.script import packed
from gapscope.report.selection import Selection
from gapscope.settings import HeatMaps
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Gap
from gapscope.store.heat_maps import Key, key_of, read_heat_maps, unpack_map
from gapscope.store.run_store import RunStore


@dataclass(frozen=True, eq=False)
class PageHeatMaps:
    """What the page needs of heat maps, as JSON values.

    Attributes:
        facts: what it needs at once; None where it has no heat maps.
        data: the maps, which it loads when they are first looked at; None likewise.
    """

    facts: Mapping[str, object] | None
    data: Mapping[str, object] | None


def read_page_heat_maps(
    run: RunStore, which: HeatMaps, index: PointIndex, kinds: PageKinds, selection: Selection, names: Names
) -> PageHeatMaps:
    """Read the heat maps of the images on the page."""
    if which == "off":
        return PageHeatMaps(None, None)
    by_image: dict[Key, list[Mapping[str, Any]]] = {}
    for row in read_heat_maps(run).to_pylist():
        by_image.setdefault(key_of(row), []).append(row)
    if which == "kinds":
        of_kinds = {key for gap in kinds.gaps["kinds"] for key in _keys(gap)}
        by_image = {key: rows for key, rows in by_image.items() if key in of_kinds}
    mapped = {key: rows for key, rows in by_image.items() if rows[0]["reason"] is None}
    reasons = {key: names.text(rows[0]["reason"]) for key, rows in by_image.items() if rows[0]["reason"] is not None}
    levels = [level for level in run.levels if any(row["level"] == level for rows in mapped.values() for row in rows)]
    numbers = [run.levels.index(level) for level in levels]
    page_numbers = selection.page_numbers(len(index))

    pair_of, image_of = {}, {}
    for dataset, row, reference in by_image:
        key = dataset, row, reference
        pair_of[key] = run.pairs.index(Pair(dataset, reference))
        image_of[key] = int(page_numbers[index.find(index.datasets.index(dataset), np.array([row]))[0]])
    on_page = [key for key in mapped if image_of[key] >= 0]
    maps = [{row["level"]: unpack_map(row["map"]).astype(np.float32) for row in mapped[key]} for key in on_page]
    values = np.array([[own[level] for level in levels] for own in maps], np.float32).clip(0)
    tops = values.max(axis=(2, 3)) if maps else values
    parts = values * 255 / np.maximum(tops, 1e-6)[..., None, None] if maps else values
    data = {
        "side": values.shape[-1],
        "levels": numbers,
        "images": [[image_of[key], pair_of[key], _opens(run, mapped, [key])] for key in on_page],
        "maps": packed(np.rint(parts).astype(np.uint8)),
        "tops": packed(tops.astype(np.float32)),
        "reasons": [[image_of[key], pair_of[key], reason] for key, reason in reasons.items() if image_of[key] >= 0],
    }
    pointing = {
        pair_of[key]: [next(row["pointing"] for row in rows if row["level"] == level) for level in levels]
        for key, rows in mapped.items()
    }
    return PageHeatMaps(
        {
            "levels": numbers,
            "kinds": [_of_kind(run, gap, mapped, reasons) for gap in kinds.gaps["kinds"]],
            "pointing": [[round(own, 2) for own in pointing.get(number, [])] for number in range(len(run.pairs))],
        },
        data,
    )


def _keys(gap: Gap) -> list[Key]:
    return [(gap["query"], picture["row"], gap["reference"]) for picture in gap["pictures"]]


def _of_kind(
    run: RunStore, gap: Gap, mapped: Mapping[Key, Sequence[Mapping[str, Any]]], reasons: Mapping[Key, str]
) -> dict[str, object]:
    """Return the number of the level at which a kind opens, or why it has no heat maps."""
    keys = [key for key in _keys(gap) if key in mapped]
    if keys:
        return {"level": _opens(run, mapped, keys), "reason": None}
    return {"level": None, "reason": next((reasons[key] for key in _keys(gap) if key in reasons), "none were made")}


def _opens(run: RunStore, mapped: Mapping[Key, Sequence[Mapping[str, Any]]], keys: Sequence[Key]) -> int:
    rows = [row for key in keys for row in mapped[key]]
    levels = dict.fromkeys(row["level"] for row in rows)
    means = {
        name: {level: float(np.mean([row[name] for row in rows if row["level"] == level])) for level in levels}
        for name in ("focus", "pointing")
    }
    return run.levels.index(opening_level(means["focus"], means["pointing"]))
