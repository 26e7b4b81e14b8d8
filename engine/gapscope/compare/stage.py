"""The stage that asks, for each level and ordered pair, which images the other dataset lacks."""

from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

from gapscope.compare.answers import answer
from gapscope.compare.manifest import outlier_table, write_manifest
from gapscope.compare.metrics import cluster_metrics, pair_metrics
from gapscope.layout.frame import layout_frame
from gapscope.layout.stage import map_numbers
from gapscope.progress import Progress
from gapscope.settings import CompareSettings
from gapscope.store.atomic import write_json
from gapscope.store.index import read_said, rows_rejected
from gapscope.store.record import Record
from gapscope.store.results import pair_name


def compare_datasets(run: Path, record: Record, settings: CompareSettings, progress: Progress) -> None:
    """Write every manifest, and metrics.json."""
    levels, names = record.config["embed"]["levels"], list(record.datasets)
    pairs = list(permutations(names, 2))
    said = {name: read_said(run, name) for name in names}
    images = {name: table.to_pandas() for name, table in said.items()}
    by_level: dict[str, Any] = {}
    with progress.task("outliers", len(levels) * len(pairs), "pair") as task:
        for level in levels:
            layout = layout_frame(run, record, level)
            numbers: dict[str, Any] = {}
            for query, reference in pairs:
                answers = answer(run, level, query, reference, settings)
                placed = layout[layout["dataset"] == query].set_index("row")
                table = outlier_table(answers, images[query], images[reference]["uri"], placed, settings.fdr)
                write_manifest(run, level, query, reference, table, said[query].schema)
                numbers[pair_name(query, reference)] = pair_metrics(answers, query, reference, settings.fdr)
                task.advance(1)
            by_level[level] = {"pairs": numbers, "clusters": cluster_metrics(layout, names)}
            by_level[level] |= map_numbers(run, record, level)
    write_json(run / "metrics.json", {"datasets": _dataset_numbers(run, record), "levels": by_level})


def _dataset_numbers(run: Path, record: Record) -> dict[str, Any]:
    return {
        name: {
            "listed": facts["listed"],
            "read": facts["read"],
            "rejected": facts["rejected"],
            "statuses": dict(sorted(Counter(rows_rejected(run, name)["status"].to_pylist()).items())),
        }
        for name, facts in record.datasets.items()
    }
