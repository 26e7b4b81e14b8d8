"""The stage that writes the report, from a run to RUN/report/index.html."""

import tempfile
from pathlib import Path

from gapscope.device import Device
from gapscope.progress import Progress
from gapscope.report.classes import read_page_classes
from gapscope.report.heat_maps import read_page_heat_maps
from gapscope.report.kinds import read_page_kinds
from gapscope.report.likeness import read_likeness
from gapscope.report.lists import read_one_sided_clusters, read_outlier_lists, read_rankings
from gapscope.report.names import Names, read_relative_names
from gapscope.report.page import write_page
from gapscope.report.points import read_point_index
from gapscope.report.selection import select_images
from gapscope.report.single_file import write_single_file
from gapscope.report.tiles import write_tiles
from gapscope.run import open_run
from gapscope.settings import EmbedSettings, RelocateOption, ReportSettings
from gapscope.stages.heat_maps import make_heat_maps
from gapscope.store.atomic import replacing_folder
from gapscope.store.checksums import write_checksums
from gapscope.store.location import Location, LocationLike
from gapscope.store.lock import run_lock
from gapscope.store.metrics import read_metrics
from gapscope.store.run_store import RunStore
from gapscope.verify.diagnose import diagnose_damage


def write_report(
    run: RunStore,
    progress: Progress,
    settings: ReportSettings | None = None,
    embed: EmbedSettings | None = None,
    device: Device | None = None,
    single_file: Path | None = None,
) -> Location:
    """Write the run's report, in place of an older one, and return the path of its page.

    The same run and the same image files make the same bytes. An image that can no longer be read is shown as such.

    Args:
        run: the run, compared.
        progress: shows the work.
        settings: of the page; those that it was last written with by default.
        embed: the run's network, for heat maps; as run.json has it by default.
        device: where that network computes; the GPU by default where there is one.
        single_file: where to write the page as one file as well, which names no paths, users, hosts or buckets.

    Raises:
        OSError: the run's folder or the single file cannot be written.
    """
    settings = settings or run.record.report
    if run.record.report != settings:
        run.record.report = settings
        run.write_record()
    metrics = read_metrics(run)
    make_heat_maps(run, settings.heat_maps, progress, embed, device)
    with replacing_folder(run.path / "report") as folder:
        # 1. Every image that has coordinates on all maps, every outlier list, ranking, one-sided cluster and kind.
        index = read_point_index(run)
        outlier_lists = read_outlier_lists(run, index)
        rankings = read_rankings(run, metrics, index)
        one_sided = read_one_sided_clusters(run, metrics, index)
        # 2. Which of the images the page shows.
        clusters = [cluster for level in one_sided for cluster in level]
        kinds = read_page_kinds(run, index)
        selection = select_images(index, outlier_lists, clusters, rankings, kinds.shown, max_drawn=settings.max_points)
        # 3. Their thumbnails.
        tiles = write_tiles(run, index, selection, settings.thumbnails, folder, progress)
        # 4. Vectors that find what is like an image.
        likeness = read_likeness(run, index, selection, progress)
        # 5. Their classes.
        classes = read_page_classes(run, index, selection)

        # 6. The page and its data.
        def write(names: Names, into: Path) -> None:
            heat_maps = read_page_heat_maps(run, settings.heat_maps, index, kinds, selection, names)
            write_page(
                run,
                metrics,
                index,
                outlier_lists,
                rankings,
                one_sided,
                kinds,
                heat_maps,
                selection,
                tiles,
                likeness,
                classes,
                names,
                into,
            )

        write(Names(), folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        write_checksums(folder, [path.relative_to(folder).as_posix() for path in files])
        # 7. The same for mailing.
        if single_file is not None:
            with tempfile.TemporaryDirectory(prefix="gapscope-") as mailed:
                write(read_relative_names(run, index, selection), Path(mailed))
                (Path(mailed) / "tiles").symlink_to(folder / "tiles")
                size = write_single_file(Path(mailed), single_file)
            progress.note(f"{single_file}: {size / 1e6:.1f} MB")
    return run.path / "report" / "index.html"


def rewrite_report(
    path: LocationLike,
    progress: Progress,
    settings: ReportSettings | None = None,
    single_file: Path | None = None,
    relocate: RelocateOption = (),
) -> Location:
    """Open a finished run and write its report again, while no other command works on it.

    Args:
        path: folder or URL of the run.
        progress: shows the work.
        settings: of the page.
        single_file: as of `write_report`.
        relocate: where images are on this machine, as of `open_run`.

    Raises:
        RunError: there is no such run, or it is in use.
        DamageError: its files are not whole.
        OSError: the run's folder or the single file cannot be written.
    """
    run = open_run(path, relocate=relocate).store
    with run_lock(run.path, "gapscope report", progress), diagnose_damage(run.path):
        return write_report(run, progress, settings, single_file=single_file)
