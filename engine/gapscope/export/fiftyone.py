"""A dataset that FiftyOne imports (Moore and Corso 2020); FiftyOne itself is not needed to write it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gapscope.export.annotated_images import annotated_images, standing_facts
from gapscope.export.choice import ChosenImages
from gapscope.export.coco import UNKNOWN
from gapscope.export.image_files import ImageFiles, file_of, path_in_export
from gapscope.progress import Progress
from gapscope.sources.annotations.annotation import Annotation

_TYPE = "LegacyFiftyOneDataset"
_READ_ME = f"""Import this folder with FiftyOne:

    import fiftyone as fo
    dataset = fo.Dataset.from_dir(dataset_dir="this folder", dataset_type=fo.types.{_TYPE})

A sample has the fields `dataset`, `uri`, `row` and `kind`; of the list that it is from `list`, `rank`, `q` and `score`;
per level `P3_point` (its place on the map), `P3_cluster` and `P3_outlier` (the datasets that it is an outlier against);
and `ground_truth` where its source has annotations. Show a map in the embeddings panel:

    import fiftyone.brain as fob, numpy as np
    fob.compute_visualization(dataset, points=np.array(dataset.values("P3_point")), brain_key="P3")
"""


def export_fiftyone(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write metadata.json, samples.json and README.txt.

    Images that are files on this machine stay where they are; those in archives, tables or behind URLs are written
    into the folder. A sample whose image cannot be read from here has its path or URL nevertheless.
    """
    fields: dict[str, list[object]] = {}
    for level in chosen.run.levels:
        points, clusters = chosen.points.points(level)
        fields[f"{level}_point"] = points.tolist()
        fields[f"{level}_cluster"] = clusters.tolist()
        fields[f"{level}_outlier"] = list(chosen.outlier_references(level))
    detections = _detections(chosen)
    files = ImageFiles(chosen.run, folder / "data", progress)
    samples = []
    with progress.task("samples", len(chosen), "image") as task:
        for at, (name, row, entry) in enumerate(zip(chosen.dataset, chosen.row, chosen.entries, strict=True)):
            path, is_there = files.find(name, row, entry)
            samples.append(
                {
                    "filepath": path_in_export(path, folder),
                    "tags": [name],
                    "metadata": None,
                    "_media_type": "image",
                    "dataset": name,
                    "uri": entry.uri,
                    "row": row,
                    "kind": chosen.kind[at],
                    **standing_facts(chosen.standing[at]),
                    **{field: values[at] for field, values in fields.items()},
                    **({"ground_truth": detections[at]} if at in detections else {}),
                }
            )
            task.advance(1, rejected=int(not is_there))
    info = {"levels": chosen.run.levels, "images": chosen.what}
    _write(folder / "metadata.json", {"name": chosen.run.path.name, "media_type": "image", "info": info})
    _write(folder / "samples.json", {"samples": samples})
    (folder / "README.txt").write_text(_READ_ME, encoding="utf-8")


def _detections(chosen: ChosenImages) -> dict[int, dict[str, Any]]:
    """Return FiftyOne's detections by the place of the sample: those of the image, or the object that it is."""
    found: dict[int, dict[str, Any]] = {}
    for image in annotated_images(chosen):
        path = file_of(image.entry)
        size = image.sized(None if path is None else Path(path))
        if not image.objects or not min(size):
            continue
        if not chosen.run.record.config.objects:
            found[image.place] = _detections_of(image.objects, size)
        for number, place in image.chosen.items():
            found[place] = _detections_of([image.objects[number]], size)
    return found


def _detections_of(objects: Sequence[Annotation], size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    detections = []
    for each in objects:
        assert each.edges is not None
        left, top, right, bottom = each.edges
        box = [left / width, top / height, (right - left) / width, (bottom - top) / height]
        label = each.category or UNKNOWN
        detections.append({"_cls": "Detection", "label": label, "bounding_box": box, "tags": [], "attributes": {}})
    return {"_cls": "Detections", "detections": detections}


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
