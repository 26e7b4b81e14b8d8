"""The look at a whole run, part by part."""

from collections.abc import Iterator
from itertools import product
from os import PathLike
from pathlib import Path

import numpy as np

from gapscope.errors import DamageError
from gapscope.progress import Progress, Silent
from gapscope.store.links import check_no_escaping_links
from gapscope.store.location import resolve_location
from gapscope.store.lock import check_free, run_lock
from gapscope.store.run_record import NAME, RunRecord, read_run_record
from gapscope.verify.datasets import check_counts, check_embeddings, check_index
from gapscope.verify.outputs import check_files, check_numbers
from gapscope.verify.repair import remove_faulty
from gapscope.verify.result import Check, Fault, Verified
from gapscope.verify.results import check_earlier, check_groups, check_layout, check_neighbors, check_scaler


def verify(run: str | PathLike[str], *, repair: bool = False, progress: Progress | None = None) -> Verified:
    """Look at every array, flag, count and checksum of a run, finished or not.

    Args:
        run: its folder or URL.
        repair: take out of the run what is broken, and no more, so that the same compare command makes that again.
        progress: shows the work.

    Raises:
        RunError: there is no run, another version of gapscope wrote it, or a command works on it.
    """
    folder, shown = resolve_location(run), progress or Silent()
    check_no_escaping_links(folder)
    if not repair:
        check_free(folder, shown)
        return run_checks(folder, shown)
    read_run_record(folder)
    with run_lock(folder, "gapscope verify", shown):
        found = run_checks(folder, shown)
        if not found.sound:
            remove_faulty(folder, read_run_record(folder), found.faults)
        return Verified(path=folder, checks=found.checks, repaired=not found.sound)


def run_checks(run: Path, progress: Progress) -> Verified:
    """Look at a run, whoever works on it."""
    try:
        record = read_run_record(run)
    except DamageError as error:
        damaged = Check(what=NAME, unit="file", looked_at=1)
        damaged.faults.append(Fault(path=NAME, problem=f"is damaged ({error.__cause__})", part="record"))
        return Verified(path=run, checks=(damaged,))
    checks = [Check(what=NAME, unit="file", looked_at=1)]
    with progress.task("verify", 0, "check") as task:
        for check in _checks(run, record):
            checks.append(check)
            task.advance(1)
    return Verified(path=run, checks=tuple(checks))


def _checks(run: Path, record: RunRecord) -> Iterator[Check]:
    names, levels = list(record.config["datasets"]), record.config["embed"]["levels"]
    read = {}
    for name in names:
        check, statuses = check_index(run, record, name)
        yield check
        yield check_counts(run, record, name, statuses)
        yield check_embeddings(run, record, name, statuses)
        if statuses is not None and not (statuses == "listed").any():
            read[name] = np.asarray(statuses == "ok", bool)
    # As long as images wait, nobody knows what there should be of them.
    if read.keys() == set(names):
        for level in levels:
            yield check_scaler(run, record, level)
            for query, reference in product(names, names):
                yield check_neighbors(run, record, level, query, reference, read)
            yield check_layout(run, record, level, read)
    yield check_earlier(run, record)
    yield check_groups(run, record)
    yield check_files(run, "", "files of the comparison", "comparison")
    yield check_numbers(run, record)
    yield check_files(run, "report", "report", "report")
