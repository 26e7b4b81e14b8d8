"""The classes as the page shows them: which of its images have which, their table, and what probes say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.compare.classes.image_classes import read_image_classes
from gapscope.report.names import Names
from gapscope.report.points import PointIndex
from gapscope.report.script import packed
from gapscope.report.selection import Selection
from gapscope.settings import ClassRule, Reading
from gapscope.store.class_metrics import PairProbes, ProbeMetrics
from gapscope.store.classes import read_class_table
from gapscope.store.datasets import Pair
from gapscope.store.groups import read_all_groups
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore

_COUNTS = ("images", "groups", "reference_images", "reference_groups")
_NUMBERS = ("share_listed", "gap", "gap_low", "gap_high", "nearest_share")


@dataclass(frozen=True, kw_only=True)
class PageClasses:
    """The classes of the n images on the page.

    Attributes:
        names: of all classes that any dataset of the run has, sorted.
        ends: (n + 1,) int32; image i has the labels from `ends[i]` to before `ends[i + 1]`.
        label: (e,) int32 numbers in `names`.
        rules: by dataset, what its classes come from.
        table: what classes.parquet holds.
    """

    names: Sequence[str]
    ends: NDArray[np.int32]
    label: NDArray[np.int32]
    rules: Mapping[str, ClassRule]
    table: pa.Table

    def texts(self) -> list[str | None]:
        """Return the class of each image that has one, `several classes` for one that has more, None for none."""
        count = np.diff(self.ends)
        several = next(text for text in ("several classes", "several classes (2)") if text not in self.names)
        first = np.append(self.label, 0)[self.ends[:-1]]
        return [
            None if own == 0 else self.names[label] if own == 1 else several
            for own, label in zip(count.tolist(), first.tolist(), strict=True)
        ]

    @property
    def column(self) -> str | None:
        """The user's column that all classes come from; None where there is no such one."""
        found = {
            rule.column if rule.source == "column" else "" for rule in self.rules.values() if rule.source != "none"
        }
        return next(iter(found)) or None if len(found) == 1 else None


def read_page_classes(run: RunStore, index: PointIndex, selection: Selection) -> PageClasses | None:
    """Read the classes of the images on the page; None for a run without classes."""
    groups = read_all_groups(run)
    classes = read_image_classes(run, groups)
    table = read_class_table(run)
    if not classes or not len(table):
        return None
    names = next(iter(classes.values())).names
    count, images, labels = np.zeros(len(selection.image), np.int64), [], []
    for number, name in enumerate(index.datasets):
        own = classes[name]
        images_of = np.flatnonzero(index.dataset[selection.image] == number)
        position = np.searchsorted(groups[name].rows, index.row[selection.image[images_of]])
        first, last = (np.searchsorted(own.image, position, side) for side in ("left", "right"))
        count[images_of] = last - first
        within = np.arange((last - first).sum()) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
        images.append(np.repeat(images_of, last - first))
        labels.append(own.label[np.repeat(first, last - first) + within])
    order = np.argsort(np.concatenate(images), kind="stable")
    return PageClasses(
        names=names,
        ends=np.append(0, np.cumsum(count)).astype(np.int32),
        label=np.concatenate(labels)[order].astype(np.int32),
        rules={name: own.rule for name, own in classes.items()},
        table=table,
    )


def class_facts(run: RunStore, metrics: Metrics, classes: PageClasses | None, names: Names) -> dict[str, object]:
    """Return what the page needs before it shows classes: how many there are, and what probes say of each pair."""
    return {
        "classes": None if classes is None else len(classes.names),
        "probes": [_probes(run, metrics["probes"].get(pair.name), names) for pair in run.pairs],
    }


def class_data(
    run: RunStore, metrics: Metrics, classes: PageClasses, names: Names
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the page's data of classes by name: `classes`, and the numbers of each level and reading.

    A pair has m classes. Its `classes` (m,) and `counts` (m, 4) are the same at every level: images and groups of the
    query, then of the reference. `numbers` (m, 7) float32, NaN for what is not known, are the share listed, the gap and
    the ends of its interval, the share of the nearest class, and the accuracy and ceiling of the probe; `beyond` (m,)
    int8 is 1, 0 or -1 for not known, and `nearest` (m,) int32 a class or -1.
    """
    values = pa.array(classes.names, pa.string())
    label, nearest = (_codes(classes.table[name], values) for name in ("class", "nearest_class"))
    rows = {pair: _rows_of(classes.table, pair) for pair in run.pairs}
    yield (
        "classes",
        {
            "names": [names.value(name) for name in classes.names],
            "ends": packed(classes.ends),
            "label": packed(classes.label),
            "pairs": [_counts(classes.table, rows[pair], label) for pair in run.pairs],
        },
    )
    for number, level in enumerate(run.levels):
        for reading in run.record.config.compare.listed_readings:
            pairs = []
            for pair in run.pairs:
                own = rows[pair].get((reading, level), np.empty(0, np.int64))
                own = own[np.argsort(label[own], kind="stable")]
                probe = metrics["probes"].get(pair.name, {"levels": {}})["levels"].get(level, {}).get(reading)
                pairs.append(_numbers(classes, own, label, nearest, probe))
            yield f"classes-{number}-{reading}", {"pairs": pairs}


def _codes(values: pa.ChunkedArray, names: pa.Array) -> NDArray[np.int32]:
    """Return the number of each value in `names`, -1 for null."""
    codes = pc.index_in(values.cast(pa.string()), value_set=names).combine_chunks()
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), np.int32)


def _rows_of(table: pa.Table, pair: Pair) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Return the rows of a pair, by reading and level."""
    of_pair = pc.and_(pc.equal(table["query"], pair.query), pc.equal(table["reference"], pair.reference))
    rows = np.flatnonzero(of_pair.to_numpy())
    own = table.take(pa.array(rows))
    keys = np.array(list(zip(own["reading"].to_pylist(), own["level"].to_pylist(), strict=True)), dtype=object)
    found: dict[tuple[str, str], list[int]] = {}
    for row, (reading, level) in zip(rows.tolist(), keys.reshape(-1, 2).tolist(), strict=True):
        found.setdefault((reading, level), []).append(row)
    return {key: np.array(value, np.int64) for key, value in found.items()}


def _counts(
    table: pa.Table, rows: Mapping[tuple[str, str], NDArray[np.int64]], label: NDArray[np.int32]
) -> dict[str, object] | None:
    if not rows:
        return None
    own = next(iter(rows.values()))
    own = own[np.argsort(label[own], kind="stable")]
    counts = [table[name].to_numpy()[own] for name in _COUNTS]
    return {"classes": packed(label[own]), "counts": packed(np.stack(counts, axis=1).astype(np.int32))}


def _numbers(
    classes: PageClasses,
    rows: NDArray[np.int64],
    label: NDArray[np.int32],
    nearest: NDArray[np.int32],
    probe: ProbeMetrics | None,
) -> dict[str, object] | None:
    if not len(rows):
        return None
    table = classes.table.take(pa.array(rows))
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in _NUMBERS]
    probed = {own["name"]: (own["accuracy"], own["ceiling"]) for own in (probe["classes"] if probe else [])}
    nothing = (float("nan"), float("nan"))
    of_probe = np.array([probed.get(classes.names[number], nothing) for number in label[rows].tolist()])
    beyond = pc.fill_null(pc.cast(table["beyond_noise"], pa.int8()), -1).to_numpy().astype(np.int8)
    numbers = np.column_stack([*columns, of_probe]).astype(np.float32)
    return {"numbers": packed(numbers), "beyond": packed(beyond), "nearest": packed(nearest[rows])}


def _probes(run: RunStore, probes: PairProbes | None, names: Names) -> dict[str, object] | None:
    if probes is None:
        return None

    def of_level(level: str) -> dict[Reading, Any]:
        return {
            reading: _probe(probe, names)
            for reading in run.record.config.compare.readings_compared
            if (probe := probes["levels"].get(level, {}).get(reading)) is not None
        }

    return {
        "level": None if probes["level"] is None else run.levels.index(probes["level"]),
        "sentence": names.text(probes["sentence"]),
        "levels": [of_level(level) for level in run.levels],
    }


def _probe(probe: ProbeMetrics, names: Names) -> dict[str, object]:
    kept = ("trained", "tested", "accuracy", "ceiling", "chance", "share")
    return {
        **{name: probe[name] for name in kept},  # type: ignore[literal-required]
        "shareLow": probe["share_low"],
        "shareHigh": probe["share_high"],
        "errorsAuc": probe["errors_auc"],
        "note": names.text(probe["note"]),
    }
