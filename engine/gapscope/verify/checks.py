"""The checks of a whole run, part by part."""

from collections.abc import Iterator

import numpy as np

from gapscope.errors import DamageError
from gapscope.progress import Progress, Silent
from gapscope.store.datasets import all_pairs
from gapscope.store.given import IN_RUN
from gapscope.store.links import check_no_escaping_links
from gapscope.store.location import Location, LocationLike, resolve_location
from gapscope.store.lock import check_free, run_lock
from gapscope.store.run_record import NAME
from gapscope.store.run_store import RunStore, open_store
from gapscope.verify.datasets import (
    check_annotations,
    check_counts,
    check_embeddings,
    check_image_groups,
    check_index,
    check_kept_images,
)
from gapscope.verify.outputs import check_files, check_heat_maps, check_tables
from gapscope.verify.repair import remove_faulty
from gapscope.verify.result import Check, Fault, Verified
from gapscope.verify.results import check_groups, check_layout, check_neighbors, check_previous_layouts, check_scaler


def verify(run: LocationLike, *, repair: bool = False, progress: Progress | None = None) -> Verified:
    """Check every array, flag, count and checksum of a run, finished or not.

    Args:
        run: its folder or URL.
        repair: remove from the run what is broken, and no more, so that the same compare command makes that again.
        progress: shows the work.

    Raises:
        RunError: there is no run, another version of gapscope wrote it, or a command works on it.

    Example:
        >>> import gapscope
        >>> gapscope.verify("runs/monday").sound
        True
    """
    folder, shown = resolve_location(run), progress or Silent()
    check_no_escaping_links(folder)
    if not repair:
        check_free(folder, shown)
        return run_checks(folder, shown)
    open_store(folder)
    with run_lock(folder, "gapscope verify", shown):
        result = run_checks(folder, shown)
        if not result.sound:
            remove_faulty(open_store(folder), result.faults)
        return Verified(path=folder, checks=result.checks, repaired=not result.sound)


def run_checks(run: Location, progress: Progress) -> Verified:
    """Check a run, whether a command works on it or not."""
    try:
        store = open_store(run)
    except DamageError as error:
        damaged = Check(what=NAME, unit="file", count=1)
        damaged.faults.append(Fault(path=NAME, problem=f"is damaged ({error.__cause__})", part="record"))
        return Verified(path=run, checks=(damaged,))
    checks = [Check(what=NAME, unit="file", count=1)]
    with progress.task("verify", 0, "check") as task:
        for check in _checks(store):
            checks.append(check)
            task.advance(1)
    return Verified(path=run, checks=tuple(checks))


def _checks(run: RunStore) -> Iterator[Check]:
    embedded = {}
    for name in run.datasets:
        check, statuses = check_index(run, name)
        yield check
        if run.record.config.datasets[name].startswith(IN_RUN):
            yield check_kept_images(run, name)
        if statuses is not None and run.record.datasets[name].annotations is not None:
            yield check_annotations(run, name)
        yield check_counts(run, name, statuses)
        yield check_embeddings(run, name, statuses)
        yield check_image_groups(run, name, statuses)
        if statuses is not None and not (statuses == "listed").any():
            embedded[name] = np.asarray(statuses == "ok", bool)
    # As long as images are pending, nobody knows what there should be of them.
    if embedded.keys() == set(run.datasets):
        for level in run.levels:
            yield check_scaler(run, level)
            for pair in all_pairs(run.datasets):
                yield check_neighbors(run, level, pair, embedded)
            yield check_layout(run, level, embedded)
    yield check_previous_layouts(run)
    yield check_groups(run)
    yield check_files(run.path, "", "files of the comparison", "comparison")
    yield check_tables(run)
    yield check_heat_maps(run)
    yield check_files(run.path, "report", "report", "report")
