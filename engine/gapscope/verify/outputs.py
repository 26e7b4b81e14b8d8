"""Checks of manifests, metrics.json, kinds and the report."""

import csv
from collections import Counter
from collections.abc import Mapping
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from gapscope.settings import Reading
from gapscope.store import checksums, classes, gaps, heat_maps, metrics
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Gap, members_path, read_gaps
from gapscope.store.index import read_index
from gapscope.store.location import Location, readable, relative_name
from gapscope.store.manifests import ALL, duplicates_path, groups_manifest_path, manifest_path
from gapscope.store.metrics import Metrics, read_metrics
from gapscope.store.run_store import RunStore
from gapscope.store.scores import read_scores, scores_path
from gapscope.store.tables import read_whole
from gapscope.verify.result import Check, Part

Uris = Mapping[str, pa.ChunkedArray]


def check_files(run: Location, folder: str, what: str, part: Part) -> Check:
    """Compare files that carry no checksum with SHA256SUMS, in the run's folder or one below it."""
    check = Check(what=what, unit="file")
    where = f"{folder}/{checksums.NAME}" if folder else checksums.NAME
    if not (run / where).exists():
        begun = (run / "report" / "index.html" if folder else run / metrics.NAME).exists()
        check.waiting = "not written to its end" if begun else "not written yet"
        return check
    with check.reading(where, part):
        check.count, wrong = checksums.verify_checksums(run / folder)
        for name, problem in wrong.items():
            check.expect(False, f"{folder}/{name}" if folder else name, problem, part)
    return check


def check_tables(run: RunStore) -> Check:
    """Check that metrics.json, the kinds, the manifests and the indexes agree."""
    record = run.record
    check = Check(what="tables of the comparison", unit="table")
    if not (run.path / metrics.NAME).exists():
        check.waiting = "not written yet"
        return check
    with check.reading("index", "comparison"):
        uris = {name: read_index(run, name, ["uri"])["uri"] for name in record.datasets}
    if check.faults:
        # The check of the index reports this.
        check.faults.clear()
        return check
    kinds = _check_kinds(check, run, uris)
    content = _read_metrics(check, run)
    max_rows = record.config.compare.max_outliers
    for pair in run.pairs if content is not None else ():
        for reading, level in product(record.config.compare.listed_readings, (*run.levels, ALL)):
            if (reading, level) == ("style-aside", ALL):
                continue
            with check.reading(metrics.NAME, "comparison"):
                listed = _listed(content, level, pair, reading)  # type: ignore[arg-type]
                rows = listed if max_rows is None else min(listed, max_rows)
                # With nothing listed, style aside, the manifest holds the first of the ranking.
                is_ranking = reading == "style-aside" and not listed
                path = manifest_path(run.path, level, pair, reading)
                manifest = _check_table(check, run.path, path, None if is_ranking else rows, {"": pair.query}, uris)
                _check_ids(check, run.path, path, manifest, kinds, pair)
                if level != ALL and record.has_groups(pair.query):
                    path = groups_manifest_path(run.path, level, pair, reading)
                    _check_table(check, run.path, path, None, {"": pair.query}, uris)
                if level != ALL:
                    _check_scores(check, run, level, pair, reading)
    _check_classes(check, run)
    _check_table(check, run.path, duplicates_path(run.path), None, {"": None, "copy_": None}, uris)
    return check


def _check_kinds(check: Check, run: RunStore, uris: Uris) -> list[Gap] | None:
    """Check that gaps.json, gaps.csv and the table of the kinds' images agree; return the kinds if they can be read."""
    path = members_path(run.path)
    members = _check_table(check, run.path, path, None, {"": None}, uris)
    kinds: list[Gap] | None = None
    with check.reading(gaps.NAME, "comparison"):
        # What reads them says that it is missing in words of its own.
        if check.expect((run.path / gaps.NAME).exists(), gaps.NAME, "is missing", "comparison"):
            kinds = read_gaps(run)["kinds"]
    if kinds is None:
        return None
    with check.reading(gaps.TABLE, "comparison"):
        with (run.path / gaps.TABLE).open(encoding="utf-8", newline="") as file:
            written = [row["id"] for row in csv.DictReader(file)]
        agrees = written == [gap["id"] for gap in kinds]
        check.expect(agrees, gaps.TABLE, f"has other kinds than {gaps.NAME}", "comparison")
    where = relative_name(path, run.path)
    with check.reading(where, "comparison"):
        if members is not None:
            counted = Counter(zip(members["kind"].to_pylist(), members["dataset"].to_pylist(), strict=True))
            agrees = counted == {(gap["id"], gap["query"]): gap["images"] for gap in kinds}
            check.expect(agrees, where, f"has other numbers of images per kind than {gaps.NAME}", "comparison")
    return kinds


def _check_classes(check: Check, run: RunStore) -> None:
    """Check that the table of classes is there and speaks of the run's pairs and levels, and that the CSV agrees."""
    with check.reading(classes.NAME, "comparison"):
        # What reads it would call a run without it unfinished.
        if not check.expect((run.path / classes.NAME).exists(), classes.NAME, "is missing", "comparison"):
            return
        table = classes.read_class_table(run)
        check.count += 1
        own = {*zip(*(table[name].to_pylist() for name in ("query", "reference", "level")), strict=True)}
        known = {(*pair, level) for pair, level in product(run.pairs, run.levels)}
        check.expect(own <= known, classes.NAME, "is of pairs or levels that the run does not have", "comparison")
        with (
            check.reading(classes.TABLE, "comparison"),
            (run.path / classes.TABLE).open(encoding="utf-8", newline="") as file,
        ):
            written = [row["class"] for row in csv.DictReader(file)]
            agrees = written == table["class"].to_pylist()
            check.expect(agrees, classes.TABLE, f"has other classes than {classes.NAME}", "comparison")


def check_heat_maps(run: RunStore) -> Check:
    """Check that the heat maps, which no page needs, can be read and are of images that the run has."""
    check = Check(what="heat maps", unit="image")
    if not (run.path / heat_maps.NAME).exists():
        return check
    with check.reading(heat_maps.NAME, "report"):
        table = heat_maps.read_sound_heat_maps(run)
        check.count = len({heat_maps.key_of(row) for row in table.to_pylist()})
    return check


def _check_ids(
    check: Check, run: Location, path: Location, manifest: pa.Table | None, kinds: list[Gap] | None, pair: Pair
) -> None:
    """Check that a manifest names no kind but those of its ordered pair."""
    where = relative_name(path, run)
    if manifest is not None and kinds is not None:
        with check.reading(where, "comparison"):
            named = {*pc.unique(manifest["kind"]).to_pylist()} - {""}
            own = {gap["id"] for gap in kinds if (gap["query"], gap["reference"]) == pair}
            check.expect(named <= own, where, f"names kinds that are not in {gaps.NAME}", "comparison")


def _read_metrics(check: Check, run: RunStore) -> Metrics | None:
    """Return metrics.json if it can be read, and check that it counts the images that run.json counts."""
    with check.reading(metrics.NAME, "comparison"):
        content = read_metrics(run)
        counted = {
            name: (dataset.listed, dataset.read, dataset.rejected) for name, dataset in run.record.datasets.items()
        }
        written = {
            name: (dataset["listed"], dataset["read"], dataset["rejected"])
            for name, dataset in content["datasets"].items()
        }
        check.expect(written == counted, metrics.NAME, "counts other images than run.json", "comparison")
        return content
    return None


def _listed(content: Metrics, level: str, pair: Pair, reading: Reading) -> int:
    if level == ALL:
        return content["across_levels"][pair.name]["listed"]
    of_level = content["levels"][level]
    return (of_level["pairs"] if reading == "as-is" else of_level["style_aside"])[pair.name]["outliers"]


def _check_scores(check: Check, run: RunStore, level: str, pair: Pair, reading: Reading) -> None:
    """Check that a table of scores has a row for every image that was read."""
    where = relative_name(scores_path(run.path, level, pair, reading), run.path)
    with check.reading(where, "comparison"):
        rows, read = len(read_scores(run.path, level, pair, reading)), run.record.datasets[pair.query].read
        check.count += 1
        check.expect(rows == read, where, f"has {rows:,} rows, run.json says {read}", "comparison")


def _check_table(
    check: Check, run: Location, path: Location, rows: int | None, datasets: Mapping[str, str | None], uris: Uris
) -> pa.Table | None:
    """Check a table whose columns PREFIXrow and PREFIXuri name images of a dataset, or of that in PREFIXdataset.

    Returns:
        The table; None where it cannot be read.
    """
    where = relative_name(path, run)
    with check.reading(where, "comparison"):
        with readable(path) as file:
            table = read_whole(file)
        check.count += 1
        has_rows = rows in (None, len(table))
        check.expect(has_rows, where, f"has {len(table):,} rows, metrics.json says {rows}", "comparison")
        for prefix, dataset in datasets.items():
            for name in [dataset] if dataset is not None else list(uris):
                own = table if dataset is not None else table.filter(pc.equal(table[f"{prefix}dataset"], name))
                indexed = uris[name].take(own[f"{prefix}row"])
                right = indexed.combine_chunks().equals(own[f"{prefix}uri"].combine_chunks())
                check.expect(right, where, "names images that are not in the index", "comparison")
        return table
    return None
