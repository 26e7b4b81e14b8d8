"""Exports of a run for other tools."""

from collections.abc import Callable
from pathlib import Path

from gapscope.errors import OptionError
from gapscope.export.choice import ChosenImages, ImageChoice, choose_images
from gapscope.export.coco import export_coco
from gapscope.export.cvat import export_cvat
from gapscope.export.embedding_atlas import export_embedding_atlas
from gapscope.export.fiftyone import export_fiftyone
from gapscope.export.label_studio import export_label_studio
from gapscope.export.parquet import export_parquet
from gapscope.export.projector import MAX_POINTS, export_projector
from gapscope.export.spotlight import export_spotlight
from gapscope.export.stills import export_stills
from gapscope.export.yolo import export_yolo
from gapscope.progress import Progress, Silent
from gapscope.run import Run
from gapscope.settings import ReportSettings
from gapscope.store.atomic import replacing_folder
from gapscope.store.location import Location
from gapscope.store.lock import run_lock
from gapscope.store.run_store import RunStore
from gapscope.verify.diagnose import diagnose_damage

IMAGE_EXPORTS: dict[str, Callable[[ChosenImages, Path, Progress], None]] = {
    "coco": export_coco,
    "yolo": export_yolo,
    "cvat": export_cvat,
    "label-studio": export_label_studio,
    "fiftyone": export_fiftyone,
    "spotlight": export_spotlight,
    "embedding-atlas": export_embedding_atlas,
    "projector": export_projector,
}
"""What `to` may name to get images: those of the maps, or of a choice."""

RUN_EXPORTS: dict[str, Callable[[RunStore, Path, Progress], None]] = {
    "parquet": export_parquet,
    "stills": export_stills,
}
"""What `to` may name to get the whole run."""

__all__ = ["IMAGE_EXPORTS", "RUN_EXPORTS", "ImageChoice", "export_run"]


def export_run(
    run: Run,
    to: str,
    out: str | Path | None = None,
    progress: Progress | None = None,
    *,
    images: ImageChoice | None = None,
) -> Location:
    """Write a run, or some of its images, for another tool, and return the folder.

    Args:
        run: a finished run.
        to: a name in `IMAGE_EXPORTS` or `RUN_EXPORTS`.
        out: the folder; RUN/export/NAME by default, whose old content is replaced. Any other must be new or empty.
        progress: what shows long work.
        images: which images; those of the report's maps by default. `RUN_EXPORTS` hold the whole run.

    Raises:
        OptionError: there is no such form, `out` holds something, or the choice finds no images.
        RunError: the run is in use.
        DamageError: its files are not whole.

    Example:
        >>> import gapscope
        >>> run = gapscope.open_run("runs/monday")
        >>> folder = export_run(run, "coco", "few", images=ImageChoice(kind="K1", pick=5))
        >>> sorted(path.name for path in folder.iterdir())
        ['annotations.json', 'images']
    """
    choice = images or ImageChoice()
    if to not in IMAGE_EXPORTS and to not in RUN_EXPORTS:
        raise OptionError(f"choose one of {', '.join([*IMAGE_EXPORTS, *RUN_EXPORTS])}", argument="to", value=to)
    if to in RUN_EXPORTS and choice != ImageChoice():
        raise OptionError(
            f"holds the whole run; a list, a kind, a selection or a few picked images go to {', '.join(IMAGE_EXPORTS)}",
            argument="to",
            value=to,
        )
    own = run.path / "export" / to
    folder = None if out is None else Path(out).expanduser().absolute()
    shown = progress or Silent()
    if folder is None or folder == own:
        with (
            diagnose_damage(run.path),
            run_lock(run.path, "gapscope export", shown),
            replacing_folder(own) as temporary,
        ):
            _write(run.store, to, choice, temporary, own, shown)
        return own
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError("is not empty: give a new folder", argument="out", value=folder)
    with diagnose_damage(run.path):
        folder.mkdir(parents=True, exist_ok=True)
        _write(run.store, to, choice, folder, folder, shown)
    return folder


def _write(run: RunStore, to: str, choice: ImageChoice, folder: Path, home: Location, progress: Progress) -> None:
    if to in RUN_EXPORTS:
        RUN_EXPORTS[to](run, folder, progress)
        return
    max_images = MAX_POINTS if to == "projector" else ReportSettings().max_points
    IMAGE_EXPORTS[to](choose_images(run, choice, max_images, home, progress), folder, progress)
