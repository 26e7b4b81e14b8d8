"""A dataset that FiftyOne imports (Moore and Corso 2020); FiftyOne itself is not needed to write it."""

import json
from pathlib import Path

from gapscope.errors import SourceError
from gapscope.export.pictures import outlier_references, plotted_entries
from gapscope.progress import Progress
from gapscope.settings import ReportSettings
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.store.run_store import RunStore
from gapscope.urls import is_url

_TYPE = "LegacyFiftyOneDataset"
_READ_ME = f"""Import this folder with FiftyOne:

    import fiftyone as fo
    dataset = fo.Dataset.from_dir(dataset_dir="this folder", dataset_type=fo.types.{_TYPE})

A sample has the field `dataset`, and per level `P3_point` (its place on the map), `P3_cluster` and `P3_outlier` (the
datasets that it is an outlier against). Show a map in the embeddings panel:

    import fiftyone.brain as fob, numpy as np
    fob.compute_visualization(dataset, points=np.array(dataset.values("P3_point")), brain_key="P3")
"""


def export_fiftyone(run: RunStore, folder: Path, progress: Progress) -> None:
    """Write metadata.json, samples.json and README.txt, of the images that the report's maps show.

    Images that are files on this machine stay where they are; those in archives, tables or behind URLs are written
    into the folder. An image that can no longer be read is left out.
    """
    plotted, entries = plotted_entries(run, ReportSettings().max_points)
    sources = {name: _source(run, name, progress) for name in run.datasets}
    fields: dict[str, list[object]] = {}
    for level in run.levels:
        points, clusters = plotted.points(level)
        fields[f"{level}_point"] = points.tolist()
        fields[f"{level}_cluster"] = clusters.tolist()
        fields[f"{level}_outlier"] = list(outlier_references(plotted, level))
    samples = []
    with progress.task("samples", len(entries), "image") as task:
        for position, entry in enumerate(entries):
            name = run.datasets[plotted.dataset[position]]
            path = _image_file(sources[name], entry, folder / "data" / name, int(plotted.row[position]))
            task.advance(1, rejected=int(path is None))
            if path is not None:
                inside = Path(path).is_relative_to(folder)
                filepath = str(Path(path).relative_to(folder)) if inside else path
                samples.append(
                    {
                        "filepath": filepath,
                        "tags": [name],
                        "metadata": None,
                        "_media_type": "image",
                        "dataset": name,
                        "uri": entry.uri,
                        "row": int(plotted.row[position]),
                        **{field: values[position] for field, values in fields.items()},
                    }
                )
    _write(folder / "metadata.json", {"name": run.path.name, "media_type": "image", "info": {"levels": run.levels}})
    _write(folder / "samples.json", {"samples": samples})
    (folder / "README.txt").write_text(_READ_ME, encoding="utf-8")


def _source(run: RunStore, dataset: str, progress: Progress) -> Source | None:
    try:
        return run.open_source(dataset)
    except SourceError as error:
        progress.note(f"no images of {dataset}: {error}")
        return None


def _image_file(source: Source | None, entry: Entry, folder: Path, row: int) -> str | None:
    """Return the path of an image's own file, written into `folder` where it has none; None where it is not there."""
    if entry.offset < 0 and not is_url(entry.uri) and Path(entry.uri).is_file():
        return entry.uri
    if source is None:
        return None
    try:
        data = source.read(entry)
    except Rejected:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    # Its own name may be anything; FiftyOne goes by the ending.
    path = folder / f"{row:09d}{_ending(data)}"
    path.write_bytes(data)
    return str(path)


def _ending(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return ".png"
    return ".webp" if data[8:12] == b"WEBP" else ".jpg"


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
