"""The stage that writes the report, from a run to RUN/report/index.html."""

from gapscope.progress import Progress
from gapscope.report.kinds import read_page_kinds
from gapscope.report.lists import read_one_sided_clusters, read_outlier_lists, read_rankings
from gapscope.report.page import write_page
from gapscope.report.points import read_point_index
from gapscope.report.selection import select_images
from gapscope.report.tiles import write_tiles
from gapscope.run import open_run
from gapscope.settings import ReportSettings
from gapscope.store.atomic import replacing_folder
from gapscope.store.checksums import write_checksums
from gapscope.store.location import Location, LocationLike
from gapscope.store.lock import run_lock
from gapscope.store.metrics import read_metrics
from gapscope.store.run_store import RunStore
from gapscope.verify.diagnose import diagnose_damage


def write_report(run: RunStore, progress: Progress, settings: ReportSettings | None = None) -> Location:
    """Write the run's report, in place of an older one, and return the path of its page.

    The same run and the same image files make the same bytes. An image that can no longer be read is shown as such.

    Raises:
        OSError: the run's folder cannot be written.
    """
    settings = settings or ReportSettings()
    metrics = read_metrics(run)
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
        # 4. The page and its data.
        write_page(run, metrics, index, outlier_lists, rankings, one_sided, kinds, selection, tiles, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        write_checksums(folder, [path.relative_to(folder).as_posix() for path in files])
    return run.path / "report" / "index.html"


def rewrite_report(path: LocationLike, progress: Progress, settings: ReportSettings | None = None) -> Location:
    """Open a finished run and write its report again, while no other command works on it.

    Raises:
        RunError: there is no such run, or it is in use.
        DamageError: its files are not whole.
        OSError: the run's folder cannot be written.
    """
    run = open_run(path).store
    with run_lock(run.path, "gapscope report", progress), diagnose_damage(run.path):
        return write_report(run, progress, settings)
