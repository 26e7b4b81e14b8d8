"""A table and data issues for Renumics Spotlight."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.export.choice import ChosenImages
from gapscope.export.image_files import ImageFiles, path_in_export
from gapscope.export.image_table import image_table
from gapscope.progress import Progress
from gapscope.store.gaps import read_gaps, read_members

_SHOW = '''"""Show this export in Renumics Spotlight: python show.py"""

import json
from pathlib import Path

import pandas as pd
from renumics import spotlight
from renumics.spotlight.analysis import DataIssue

FOLDER = Path(__file__).parent
LEVELS = {levels}

table = pd.read_parquet(FOLDER / "images.parquet")
# Images of the export itself have paths below its folder.
table["image"] = [str(FOLDER / path) if "://" not in path else path for path in table["image"]]
issues = [DataIssue(**issue) for issue in json.loads((FOLDER / "issues.json").read_text(encoding="utf-8"))]
dtype = {{"image": spotlight.Image, **{{f"{{level}}_point": spotlight.Embedding for level in LEVELS}}}}

if __name__ == "__main__":
    spotlight.show(table, dtype=dtype, issues=issues)
'''
_SEVERITY = {"absent": "high", "rare": "high", "arranged-differently": "medium", "looks-different": "medium"}


def export_spotlight(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write images.parquet, issues.json, one issue for every kind and outlier list, and show.py, which shows them.

    Images that are files on this machine stay where they are; others are written into data/.
    """
    table = image_table(chosen)
    files = ImageFiles(chosen.run, folder / "data", progress)
    paths = []
    with progress.task("images", len(chosen), "image") as task:
        for name, row, entry in zip(chosen.dataset, chosen.row, chosen.entries, strict=True):
            path, is_there = files.find(name, row, entry)
            paths.append(path_in_export(path, folder))
            task.advance(1, rejected=int(not is_there))
    table = table.append_column("image", pa.array(paths, pa.string()))
    for level in chosen.run.levels:
        points, _ = chosen.points.points(level)
        table = table.append_column(f"{level}_point", pa.array(points.tolist(), pa.list_(pa.float32())))
    pq.write_table(table, folder / "images.parquet")
    issues = [*_issues_of_kinds(chosen), *_issues_of_lists(chosen)]
    (folder / "issues.json").write_text(json.dumps(issues, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "show.py").write_text(_SHOW.format(levels=list(chosen.run.levels)), encoding="utf-8")


def _issues_of_kinds(chosen: ChosenImages) -> list[dict[str, Any]]:
    places = {key: at for at, key in enumerate(zip(chosen.dataset, chosen.row, strict=True))}
    members = read_members(chosen.run).to_pydict()
    rows: dict[str, list[int]] = {}
    for kind, dataset, row in zip(members["kind"], members["dataset"], members["row"], strict=True):
        if (dataset, row) in places:
            rows.setdefault(kind, []).append(places[dataset, row])
    return [
        {
            "severity": _SEVERITY.get(gap["sort"], "low"),
            "title": f"{gap['id']}: {gap['name'] or gap['title']}",
            "rows": sorted(rows[gap["id"]]),
            "columns": ["image", "kind"],
            "description": f"{gap['title']}. {gap['advice']}",
        }
        for gap in read_gaps(chosen.run)["kinds"]
        if gap["id"] in rows
    ]


def _issues_of_lists(chosen: ChosenImages) -> list[dict[str, Any]]:
    places = {image: at for at, image in enumerate(chosen.points.image.tolist())}
    issues = []
    for own in chosen.points.outlier_lists:
        rows = sorted(places[image] for image in own.image.tolist() if image in places)
        if rows:
            query, reference = (chosen.run.datasets[number] for number in (own.query, own.reference))
            issues.append(
                {
                    "severity": "medium",
                    "title": f"{own.level}: {query} images that {reference} lacks",
                    "rows": rows,
                    "columns": [f"{own.level}_outlier"],
                    "description": f"Listed as outliers against {reference} at level {own.level}, {own.reading}.",
                }
            )
    return issues
