"""Tasks for Label Studio, and the labeling interface that they need."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gapscope.export.annotated_images import AnnotatedImage, annotated_images
from gapscope.export.choice import ChosenImages
from gapscope.export.coco import UNKNOWN, category_numbers
from gapscope.export.cvat import xml_text
from gapscope.export.image_files import ImageFiles, file_of
from gapscope.progress import Progress
from gapscope.urls import is_url

_READ_ME = """Make a project in Label Studio, paste labels.xml as its labeling interface, and import tasks.json.

Images on this machine are named by /data/local-files/?d=PATH, with PATH below the root folder. For Label Studio to
serve them, start it with

    LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=/ label-studio start

and add the folder of the images to the project as local storage. Images behind URLs are named by these.
A task's `score` is also that of its prediction, by which the data manager sorts.
"""


def export_label_studio(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write tasks.json, labels.xml and README.txt, and into data/ the images that have neither file nor URL.

    A task's data has the image, and dataset, uri, kind, list, rank, q and score. Boxes are its annotation.
    """
    images = annotated_images(chosen)
    files = ImageFiles(chosen.run, folder / "data", progress)
    tasks = []
    with progress.task("images", len(images), "image") as task:
        for number, image in enumerate(images, 1):
            path, is_there = file_of(image.entry), False
            # Label Studio opens URLs by itself.
            if path is None or not is_url(path):
                path, is_there = files.find(image.dataset, image.row, image.entry)
            size = image.sized(Path(path) if is_there else None)
            if Path(path).is_relative_to(folder):
                path = str(chosen.home / Path(path).relative_to(folder).as_posix())
            tasks.append(_task(image, number, path, size))
            task.advance(1, rejected=int(not is_there and not is_url(path)))
    (folder / "tasks.json").write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
    ET.ElementTree(_interface(category_numbers(images))).write(folder / "labels.xml", encoding="utf-8")
    (folder / "README.txt").write_text(_READ_ME, encoding="utf-8")


def _task(image: AnnotatedImage, number: int, path: str, size: tuple[int, int]) -> dict[str, Any]:
    url = path if is_url(path) else f"/data/local-files/?d={quote(path.removeprefix('/'))}"
    facts = image.facts
    task: dict[str, Any] = {"id": number, "data": {"image": url, **facts}}
    if facts["score"] is not None:
        task["predictions"] = [{"model_version": "gapscope", "score": facts["score"], "result": []}]
    if image.objects and min(size) > 0:
        task["annotations"] = [{"result": [_region(image, place, size) for place in range(len(image.objects))]}]
    return task


def _region(image: AnnotatedImage, place: int, size: tuple[int, int]) -> dict[str, Any]:
    each = image.objects[place]
    assert each.edges is not None
    # Edges are in percent of the image.
    left, right = (100 * edge / size[0] for edge in each.edges[::2])
    top, bottom = (100 * edge / size[1] for edge in each.edges[1::2])
    return {
        "id": f"{image.row}-{place}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {
            "x": left,
            "y": top,
            "width": right - left,
            "height": bottom - top,
            "rotation": 0,
            "rectanglelabels": [xml_text(each.category or UNKNOWN)],
        },
    }


def _interface(names: Collection[str]) -> ET.Element:
    view = ET.Element("View")
    ET.SubElement(view, "Header", {"value": "$list, rank $rank"})
    ET.SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true"})
    labels = ET.SubElement(view, "RectangleLabels", {"name": "label", "toName": "image"})
    for name in names or [UNKNOWN]:
        ET.SubElement(labels, "Label", {"value": xml_text(name)})
    return view
