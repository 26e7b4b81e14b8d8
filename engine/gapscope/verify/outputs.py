"""Manifests, numbers and the report of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gapscope.store import checksums
from gapscope.store.index import read_index
from gapscope.store.location import readable
from gapscope.store.manifests import ALL, duplicates_path, manifest_path
from gapscope.store.pairs import ordered_pairs
from gapscope.store.results import pair_name
from gapscope.store.run_record import RunRecord
from gapscope.store.tables import read_whole
from gapscope.verify.result import Check, Part

Uris = Mapping[str, pa.ChunkedArray]


def check_files(run: Path, folder: str, what: str, part: Part) -> Check:
    """Hold files that carry no checksum against SHA256SUMS, in the run's folder or one below it."""
    check = Check(what=what, unit="file")
    at = f"{folder}/{checksums.NAME}" if folder else checksums.NAME
    if not (run / at).exists():
        there = (run / "report" / "index.html" if folder else run / "metrics.json").exists()
        check.waiting = "not written to its end" if there else "not written yet"
        return check
    with check.reading(at, part):
        check.looked_at, wrong = checksums.verify_checksums(run / folder)
        for name, problem in wrong.items():
            check.expect(False, f"{folder}/{name}" if folder else name, problem, part)
    return check


def check_numbers(run: Path, record: RunRecord) -> Check:
    """Hold metrics.json and the manifests against each other and against the indexes."""
    check = Check(what="tables of the comparison", unit="table")
    if not (run / "metrics.json").exists():
        check.waiting = "not written yet"
        return check
    with check.reading("index", "comparison"):
        uris = {name: read_index(run, name, ["uri"])["uri"] for name in record.datasets}
    if check.faults:
        # Told of where indexes are looked at.
        check.faults.clear()
        return check
    numbers: dict[str, Any] = {}
    with check.reading("metrics.json", "comparison"):
        numbers = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        counts = {name: (facts["listed"], facts["read"], facts["rejected"]) for name, facts in record.datasets.items()}
        said = {
            name: (facts["listed"], facts["read"], facts["rejected"]) for name, facts in numbers["datasets"].items()
        }
        check.expect(said == counts, "metrics.json", "counts other images than run.json", "comparison")
    most = record.config["compare"].get("max_outliers")
    for query, reference in ordered_pairs(list(record.datasets), record.config["compare"].get("reference")):
        name = pair_name(query, reference)
        for level in record.config["embed"]["levels"]:
            with check.reading("metrics.json", "comparison"):
                listed = numbers["levels"][level]["pairs"][name]["outliers"]
                rows = listed if most is None else min(listed, most)
                _check_table(check, run, manifest_path(run, level, query, reference), rows, {"": query}, uris)
        with check.reading("metrics.json", "comparison"):
            listed = numbers["across_levels"][name]["listed"]
            rows = listed if most is None else min(listed, most)
            _check_table(check, run, manifest_path(run, ALL, query, reference), rows, {"": query}, uris)
    _check_table(check, run, duplicates_path(run), None, {"": None, "copy_": None}, uris)
    return check


def _check_table(
    check: Check, run: Path, path: Path, rows: int | None, datasets: Mapping[str, str | None], uris: Uris
) -> None:
    """Look at a table whose columns PREFIXrow and PREFIXuri name images of a dataset, or of that in PREFIXdataset."""
    at = str(path.relative_to(run))
    with check.reading(at, "comparison"):
        with readable(path) as file:
            table = read_whole(file)
        check.looked_at += 1
        check.expect(rows in (None, len(table)), at, f"has {len(table):,} rows, metrics.json says {rows}", "comparison")
        for prefix, only in datasets.items():
            named = [only] if only is not None else list(uris)
            for name in named:
                mine = table if only is not None else table.filter(pc.equal(table[f"{prefix}dataset"], name))
                indexed = uris[name].take(mine[f"{prefix}row"])
                right = indexed.combine_chunks().equals(mine[f"{prefix}uri"].combine_chunks())
                check.expect(right, at, "names images that are not in the index", "comparison")
