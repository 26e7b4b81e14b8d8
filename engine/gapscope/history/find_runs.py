"""Which runs a user names: runs, and folders whose direct subfolders are runs."""

import os
from collections.abc import Iterable, Sequence

from gapscope.errors import DamageError, RunError
from gapscope.history.versions import time_of
from gapscope.progress import Progress, Silent
from gapscope.run import Run, open_run
from gapscope.store.location import Location, LocationLike, is_remote, reason_of, resolve_location
from gapscope.store.metrics import NAME as METRICS
from gapscope.store.run_record import NAME as RECORD


def find_runs(
    locations: Sequence[LocationLike], *, skip_unlike: bool = False, progress: Progress | None = None
) -> list[Run]:
    """Open the runs that a user names.

    Args:
        locations: each a run, or a folder whose direct subfolders are runs; on this machine or behind a URL. Those of a
            folder are taken in the order in which they were begun. A run that is named twice counts once, where it is
            named first.
        skip_unlike: leave out runs of another format, and name them.
        progress: gets a line for each run that is left out, such as one that is not finished.

    Raises:
        RunError: there is no such run or folder, or a folder has no finished run.
        DamageError: a run is damaged.

    Example:
        >>> [run.path.name for run in find_runs(["runs/tuesday", "runs/monday"])]
        ['tuesday', 'monday']
    """
    shown = progress or Silent()
    runs: dict[str, Run] = {}
    for location in map(resolve_location, locations):
        is_run = (location / RECORD).exists()
        for run in [open_run(location)] if is_run else _runs_in(location, shown, skip_unlike=skip_unlike):
            runs.setdefault(_identity(run.path), run)
    return [*runs.values()]


def _runs_in(folder: Location, progress: Progress, *, skip_unlike: bool) -> list[Run]:
    runs: dict[str, Run] = {}
    for path in _links_last(_subfolders(folder)):
        if not (path / RECORD).exists():
            continue
        if not (path / METRICS).exists():
            progress.note(f"left out: {path} is not finished")
            continue
        try:
            run = open_run(path)
        except DamageError:
            raise
        except RunError as error:
            if not skip_unlike:
                raise
            progress.note(f"left out: {error}")
            continue
        # A link such as `latest` leads to a run that is there already.
        runs.setdefault(_identity(path), run)
    if not runs:
        raise RunError(
            f"{folder} is no run, and none of the folders in it is a finished one: name runs, or their folder"
        )
    return sorted(runs.values(), key=lambda run: (time_of(run.record.created), run.path.name))


def _subfolders(folder: Location) -> list[Location]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} is no run and no folder of runs: there is no such folder") from None
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{folder} cannot be read: {reason_of(error)}") from error


def _links_last(paths: Iterable[Location]) -> list[Location]:
    return sorted(paths, key=lambda path: not is_remote(path) and path.is_symlink())


def _identity(path: Location) -> str:
    return str(path) if is_remote(path) else os.path.realpath(path)
