"""Reads a history from runs: one version is measured at a time, and only what was not measured before."""

from collections.abc import Mapping, Sequence

from gapscope.diff.comparable import check_comparable
from gapscope.diff.matching import shared_images
from gapscope.errors import RunError
from gapscope.history.follow import follow_kinds
from gapscope.history.history import History
from gapscope.history.kept import read_kept, run_key, write_kept
from gapscope.history.measure import measure_version
from gapscope.history.versions import Measured, Version
from gapscope.progress import Progress, Silent
from gapscope.run import Run
from gapscope.store.location import Location, unique_names


def read_history(
    runs: Sequence[Run],
    *,
    kept: Location | None = None,
    skip_unlike: bool = False,
    progress: Progress | None = None,
) -> History:
    """Measure versions of a comparison, and follow their kinds.

    As they are, all versions are measured by the scaler and k of the first one, as `gapscope.diff.diff_runs` does;
    style aside, each by its own scalers. The pairs are those of the first version.

    Args:
        runs: the versions, the oldest first. They are only read.
        kept: a file that holds what was measured, and is written after each version that is new or has changed; with
            none, all are measured.
        skip_unlike: leave out versions that cannot be compared with the first one; `History.notes` names them.
        progress: shows the versions that are measured.

    Raises:
        RunError: there is no run, or one that cannot be compared with the first one.

    Example:
        >>> import gapscope
        >>> history = read_history([gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")])
        >>> number = ("P5", "real", "synthetic", "as-is", "kid")
        >>> monday, tuesday = (own[number] for own in history.numbers)
        >>> monday[0] > tuesday[0]
        True
    """
    if not runs:
        raise RunError("there is no run to make a history of")
    shown = progress or Silent()
    alike, left_out = _comparable(runs, skip_unlike=skip_unlike)
    names = unique_names([run.path for run in alike])
    keys = [run_key(run) for run in alike]
    known = {} if kept is None else read_kept(kept, keys[0])
    first = Run(alike[0].store)
    with shown.task("measure versions", total=len(alike), unit="version") as task:
        for name, key, run in zip(names, keys, alike, strict=True):
            task.show(name)
            if key not in known:
                # What a run has read of its files goes with the copy of it.
                known[key] = measure_version(Run(run.store), first)
                _keep(kept, keys, names, known)
            task.advance(1)
    measured = [known[key] for key in keys]

    def shared(before: int, after: int) -> list[tuple[str, str, int]]:
        own = measured[after].shared
        if keys[before] not in own:
            own[keys[before]] = _shared_images(alike[before], alike[after])
        return own[keys[before]]

    with shown.task("follow kinds", total=len(alike), unit="version") as task:
        kinds = follow_kinds([own.kinds for own in measured], shared, task)
    _keep(kept, keys, names, known)
    versions = [
        Version(name=name, run=run, measured=own) for name, run, own in zip(names, alike, measured, strict=True)
    ]
    return History(versions, kinds, left_out)


def _comparable(runs: Sequence[Run], *, skip_unlike: bool) -> tuple[list[Run], list[str]]:
    """Return the runs that can be compared with the first one, and a line for each of the others."""
    alike, left_out = [runs[0]], []
    for run in runs[1:]:
        try:
            check_comparable(runs[0], run)
        except RunError as error:
            if not skip_unlike:
                raise RunError(f"{error}; `skip_unlike=True` leaves such runs out") from error
            left_out.append(f"left out: {error}")
            continue
        alike.append(run)
    return alike, left_out


def _keep(kept: Location | None, keys: Sequence[str], names: Sequence[str], known: Mapping[str, Measured]) -> None:
    if kept is not None:
        versions = {key: (name, known[key]) for key, name in zip(keys, names, strict=True) if key in known}
        write_kept(kept, keys[0], versions)


def _shared_images(before: Run, after: Run) -> list[tuple[str, str, int]]:
    runs = Run(before.store), Run(after.store)
    pairs = {*before.pairs} & {*after.pairs}
    first, second = (
        {gap["id"]: gap for gap in run.gaps_record["kinds"] if (gap["query"], gap["reference"]) in pairs}
        for run in runs
    )
    return [(*ids, count) for ids, count in shared_images(*runs, first, second).items()]
