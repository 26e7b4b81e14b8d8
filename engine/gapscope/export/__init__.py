"""Exports of a run for other tools."""

from collections.abc import Callable
from pathlib import Path

from gapscope.errors import OptionError
from gapscope.export.fiftyone import export_fiftyone
from gapscope.export.parquet import export_parquet
from gapscope.export.projector import export_projector
from gapscope.export.stills import export_stills
from gapscope.progress import Progress, Silent
from gapscope.run import Run
from gapscope.store.atomic import replacing_folder
from gapscope.store.location import Location
from gapscope.store.lock import run_lock
from gapscope.store.run_store import RunStore
from gapscope.verify.diagnose import diagnose_damage

EXPORTS: dict[str, Callable[[RunStore, Path, Progress], None]] = {
    "parquet": export_parquet,
    "fiftyone": export_fiftyone,
    "projector": export_projector,
    "stills": export_stills,
}
"""What `to` may name."""


def export_run(run: Run, to: str, out: str | Path | None = None, progress: Progress | None = None) -> Location:
    """Write a run for another tool, and return the folder.

    Args:
        run: a finished run.
        to: a name in `EXPORTS`.
        out: the folder; RUN/export/NAME by default, whose old content is replaced. Any other must be new or empty.
        progress: what shows long work.

    Raises:
        OptionError: there is no such form, or `out` holds something.
        RunError: the run is in use.
        DamageError: its files are not whole.
    """
    if to not in EXPORTS:
        raise OptionError(f"choose one of {', '.join(EXPORTS)}", argument="to", value=to)
    own = run.path / "export" / to
    folder = None if out is None else Path(out).expanduser().absolute()
    shown = progress or Silent()
    if folder is None or folder == own:
        with (
            diagnose_damage(run.path),
            run_lock(run.path, "gapscope export", shown),
            replacing_folder(own) as temporary,
        ):
            EXPORTS[to](run.store, temporary, shown)
        return own
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError("is not empty: give a new folder", argument="out", value=folder)
    with diagnose_damage(run.path):
        folder.mkdir(parents=True, exist_ok=True)
        EXPORTS[to](run.store, folder, shown)
    return folder
