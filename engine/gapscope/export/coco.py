"""A COCO file of images and the objects in them (Lin et al. 2014)."""

import json
from pathlib import Path
from typing import Any

from gapscope.export.annotated_images import AnnotatedImage, annotated_images, standing_facts
from gapscope.export.choice import ChosenImages
from gapscope.export.image_files import ImageFiles
from gapscope.progress import Progress
from gapscope.sources.annotations.annotation import Annotation, Outline

UNKNOWN = "object"
"""The category of an object whose annotation does not say what it is."""


def export_coco(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write annotations.json and images/.

    Images are copied, since many tools refuse a `file_name` outside of the folder of images. One that cannot be read
    has its uri for a `file_name`. Every image has `gapscope` with dataset, uri, kind, list, rank, q and score, and in a
    run of objects so has every object that was chosen. Objects of an image that were not chosen are there too, without
    it.
    """
    images = annotated_images(chosen)
    numbers = category_numbers(images)
    files = ImageFiles(chosen.run, folder / "images", progress)
    listed, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    with progress.task("images", len(images), "image") as task:
        for number, image in enumerate(images, 1):
            path = files.write(image.dataset, image.row, image.entry)
            width, height = image.sized(path)
            name = image.uri if path is None else path.relative_to(folder / "images").as_posix()
            listed.append({"id": number, "file_name": name, "width": width, "height": height, "gapscope": image.facts})
            for place, each in enumerate(image.objects):
                own = _annotation(each, len(annotations) + 1, number, numbers)
                if place in image.chosen:
                    own["gapscope"] = standing_facts(chosen.standing[image.chosen[place]])
                annotations.append(own)
            task.advance(1, rejected=int(path is None))
    content = {
        "info": {"description": f"{chosen.what} of the run {chosen.run.path.name}"},
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": own + 1, "name": name} for name, own in numbers.items()],
    }
    (folder / "annotations.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def category_numbers(images: list[AnnotatedImage]) -> dict[str, int]:
    """Return the categories of all objects, in the order of their names, with their numbers from 0."""
    names = sorted({each.category or UNKNOWN for image in images for each in image.objects})
    return {name: number for number, name in enumerate(names)}


def _annotation(each: Annotation, id_: int, image: int, numbers: dict[str, int]) -> dict[str, Any]:
    assert each.edges is not None
    left, top, right, bottom = each.edges
    area = each.area if each.area is not None else (right - left) * (bottom - top)
    return {
        "id": id_,
        "image_id": image,
        "category_id": numbers[each.category or UNKNOWN] + 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": area,
        "iscrowd": int(each.crowd),
        "segmentation": _segmentation(each),
    }


def _segmentation(each: Annotation) -> list[list[float]] | dict[str, Any]:
    outline = each.outline or Outline()
    if len(outline.masks) == 1 and not outline.polygons:
        mask = outline.masks[0]
        return {"size": [mask.height, mask.width], "counts": list(mask.runs)}
    return [list(polygon) for polygon in outline.polygons]
