"""The files that a tracker keeps of a run: its page, numbers and lists, and a picture of each kind."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gapscope.report.contact_sheet import contact_sheet
from gapscope.report.single_file import write_single_file
from gapscope.run import Run
from gapscope.store.classes import TABLE as CLASSES
from gapscope.store.gaps import NAME as GAPS
from gapscope.store.gaps import TABLE as GAPS_TABLE
from gapscope.store.gaps import Gap
from gapscope.store.location import Location, is_remote
from gapscope.store.metrics import NAME as METRICS

PAGE = "page.html"
KINDS = "kinds/kinds.json"
"""The kinds as a table in the form of MLflow's `log_table`, which its pages show as one."""

TOP_FILES = (METRICS, GAPS, GAPS_TABLE, CLASSES, "rejects.csv")
FOLDERS = ("manifests", "kinds")
"""Folders of the tracker that hold nothing but a run's files."""

_TABLE_COLUMNS = ("id", "sort", "title", "name", "query", "reference", "images", "groups", "share", "q", "advice")


@dataclass(frozen=True)
class Artifact:
    """A file for the tracker.

    Attributes:
        path: of the file on this machine; its name is its name in the tracker too.
        folder: in which the tracker keeps it; empty for none.
    """

    path: Path
    folder: str

    @property
    def name(self) -> str:
        """Its name in the tracker."""
        return f"{self.folder}/{self.path.name}".lstrip("/")


def collect_artifacts(run: Run, scratch: Path, max_mb: float) -> tuple[list[Artifact], list[str]]:
    """Return the files for the tracker, and the names of those that are left out because they are too large.

    Args:
        run: the run.
        scratch: an empty folder, for what is made here and for copies of what is behind a URL.
        max_mb: largest size of a file, in millions of bytes.
    """
    artifacts, left_out = [], []
    for source, folder in _files(run, scratch):
        name = f"{folder}/{source.name}".lstrip("/")
        if source.stat().st_size > max_mb * 1e6:
            left_out.append(name)
        else:
            artifacts.append(Artifact(_local(source, scratch / "copies" / folder), folder))
    return artifacts, left_out


def _files(run: Run, scratch: Path) -> Iterator[tuple[Location, str]]:
    if run.report.exists():
        write_single_file(run.report.parent, scratch / PAGE)
        yield scratch / PAGE, ""
    for name in TOP_FILES:
        # A run without classes has a table without rows.
        if (run.path / name).exists() and not (name == CLASSES and run.classes().empty):
            yield run.path / name, ""
    manifests: list[Location] = list((run.path / "manifests").iterdir())
    for path in sorted(manifests, key=lambda path: path.name):
        if path.suffix in (".csv", ".txt"):
            yield path, "manifests"
    (scratch / "kinds").mkdir()
    kinds = run.gaps_record["kinds"]
    (scratch / KINDS).write_text(json.dumps(_table(kinds), ensure_ascii=False), encoding="utf-8")
    yield scratch / KINDS, "kinds"
    for gap in kinds:
        sheet = contact_sheet(run.store, gap)
        if sheet is not None:
            picture = scratch / "kinds" / f"{gap['id']}.jpg"
            picture.write_bytes(sheet)
            yield picture, "kinds"


def _table(kinds: list[Gap]) -> dict[str, object]:
    columns = [*_TABLE_COLUMNS, "levels", "readings"]
    rows = []
    for gap in kinds:
        cells: dict[str, object] = {**gap, "levels": ", ".join(gap["levels"]), "readings": ", ".join(gap["readings"])}
        rows.append([cells[name] for name in columns])
    return {"columns": columns, "data": rows}


def _local(source: Location, folder: Path) -> Path:
    if not is_remote(source):
        return source
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / source.name
    with source.open("rb") as file, path.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    return path
