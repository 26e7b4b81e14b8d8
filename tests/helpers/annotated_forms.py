"""One annotated dataset written in the forms of several tools, as these export it."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotated import covered
from PIL import Image

from gapscope.sources.annotations.annotation import Annotation, Outline

Json = dict[str, Any]


class AnnotatedImage(NamedTuple):
    """An image and the objects in it, which have edges and an outline of one polygon."""

    name: str
    picture: Image.Image
    objects: tuple[Annotation, ...]


def as_coco(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write COCO's JSON, with the images beside it, and return its location."""
    names = sorted({each.category or "" for image in images for each in image.objects})
    listed, annotations = list[Json](), list[Json]()
    for number, image in enumerate(images, 1):
        width, height = image.picture.size
        listed.append({"id": number, "file_name": image.name, "width": width, "height": height})
        _save(image, folder / "images" / image.name)
        for each in image.objects:
            polygons = [list(polygon) for polygon in (each.outline or Outline()).polygons]
            own = {"id": len(annotations) + 1, "image_id": number, "bbox": _sizes(each), "segmentation": polygons}
            annotations.append({**own, "category_id": names.index(each.category or ""), "iscrowd": 0})
    categories = [{"id": place, "name": name} for place, name in enumerate(names)]
    return _json(folder / "instances.json", {"images": listed, "annotations": annotations, "categories": categories})


def as_cvat(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write CVAT's XML for images, with the images beside it, and return its location."""
    rows = []
    for number, image in enumerate(images):
        shapes = "".join(
            f'<polygon label="{each.category}" source="manual" occluded="0" points="{_points(each)}" z_order="0">'
            "</polygon>\n"
            for each in image.objects
        )
        size = f'width="{image.picture.width}" height="{image.picture.height}"'
        rows.append(f'<image id="{number}" name="{image.name}" {size}>\n{shapes}</image>\n')
        _save(image, folder / "images" / image.name)
    return _xml(folder, "annotation", images, "".join(rows))


def as_cvat_video(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write CVAT's XML for video, with a frame per image, which all have one size."""
    tracks = list[str]()
    for frame, image in enumerate(images):
        _save(image, folder / "images" / f"frame_{frame:06}.png")
        for each in image.objects:
            shape = (
                f'<polygon frame="{{}}" keyframe="1" outside="{{}}" occluded="0" points="{_points(each)}"></polygon>'
            )
            here, gone = shape.format(frame, 0), shape.format(frame + 1, 1)
            tracks.append(f'<track id="{len(tracks)}" label="{each.category}">{here}{gone}</track>\n')
    return _xml(folder, "interpolation", images, "".join(tracks))


def as_label_studio(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write Label Studio's JSON, with the images in a folder of uploads."""
    tasks = []
    for number, image in enumerate(images, 1):
        results = [{"id": f"r{place}", **_region(image, each)} for place, each in enumerate(image.objects)]
        annotation = {"id": number, "result": results, "was_cancelled": False, "created_at": "2024-01-30T02:40:43Z"}
        data = {"image": f"/data/upload/3/0a1b2c3d-{image.name}"}
        tasks.append({"id": number, "data": data, "annotations": [annotation], "predictions": []})
        _save(image, folder / "images" / f"0a1b2c3d-{image.name}")
    return _json(folder / "project-3.json", tasks)


def as_json_min(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write Label Studio's JSON-MIN, with the images as they were before they were uploaded."""
    rows = []
    for number, image in enumerate(images, 1):
        regions = [_region(image, each) for each in image.objects]
        flat = [{**own.pop("value"), "original_width": own["original_width"], "original_height": own["original_height"]}
                for own in regions]  # fmt: skip
        row = {"image": f"/data/upload/3/0a1b2c3d-{image.name}", "id": number, "annotator": 1, "annotation_id": number}
        rows.append({**row, "label": flat, "created_at": "2024", "updated_at": "2024", "lead_time": 3.5})
        _save(image, folder / "images" / image.name)
    return _json(folder / "min.json", rows)


def as_hugging_face(images: Sequence[AnnotatedImage], folder: Path, *, corners: bool = False) -> str:
    """Write Parquet with a column of images and one of objects, whose boxes are sizes or corners."""
    names = sorted({each.category or "" for image in images for each in image.objects})
    rows = []
    for image in images:
        file = io.BytesIO()
        image.picture.save(file, "PNG")
        boxes = [list(each.edges or ()) if corners else _sizes(each) for each in image.objects]
        own = {"bbox": boxes, "category": [names.index(each.category or "") for each in image.objects]}
        picture = {"bytes": file.getvalue(), "path": image.name}
        rows.append({"image": picture, "width": image.picture.width, "height": image.picture.height, "objects": own})
    features = {"objects": {"category": {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "List"}}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata(metadata), path)
    return str(path)


def as_panoptic(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write COCO's panoptic JSON, its PNGs, and the images; what is no object is stuff."""
    names = sorted({each.category or "" for image in images for each in image.objects})
    categories = [{"id": place, "name": name, "isthing": 1} for place, name in enumerate(names, 1)]
    sky = {"id": len(names) + 1, "name": "sky", "isthing": 0}
    listed, annotations = list[Json](), list[Json]()
    for number, image in enumerate(images, 1):
        width, height = image.picture.size
        ids, segments = np.full((height, width), 77), [{"id": 77, "category_id": sky["id"], "iscrowd": 0}]
        for place, each in enumerate(image.objects, 1):
            own_id = 70_000 * place
            ids[covered(each.outline or Outline(), width, height)] = own_id
            category_id = names.index(each.category or "") + 1
            segments.append({"id": own_id, "category_id": category_id, "bbox": _sizes(each), "iscrowd": 0})
        colors = np.stack([ids % 256, ids // 256 % 256, ids // 256**2], axis=-1).astype(np.uint8)
        png = f"{image.name.rpartition('.')[0]}.png"
        _save(AnnotatedImage(png, Image.fromarray(colors), ()), folder / "panoptic_val" / png)
        _save(image, folder / "val" / image.name)
        listed.append({"id": number, "file_name": image.name, "width": width, "height": height})
        annotations.append({"image_id": number, "file_name": png, "segments_info": segments})
    content = {"images": listed, "annotations": annotations, "categories": [*categories, sky]}
    return _json(folder / "panoptic_val.json", content)


def as_yolo(images: Sequence[AnnotatedImage], folder: Path, *, boxes: bool = False) -> str:
    """Write YOLO's data.yaml with two splits, and polygons or boxes."""
    names = sorted({each.category or "" for image in images for each in image.objects})
    for number, image in enumerate(images):
        split = "train" if number < len(images) // 2 else "val"
        _save(image, folder / "images" / split / image.name)
        width, height = image.picture.size
        lines = []
        for each in image.objects:
            if boxes:
                left, top, w, h = _sizes(each)
                values = [(left + w / 2) / width, (top + h / 2) / height, w / width, h / height]
            else:
                assert each.outline is not None
                polygon = each.outline.polygons[0]
                values = [value / (height if place % 2 else width) for place, value in enumerate(polygon)]
            written = " ".join(f"{value:.8f}" for value in values)
            lines.append(f"{names.index(each.category or '')} {written}\n")
        if lines:
            path = folder / "labels" / split / f"{image.name.rpartition('.')[0]}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(lines))
    listed = "\n".join(f"  {number}: {name}" for number, name in enumerate(names))
    text = f"path: /somebody/else\ntrain: images/train\nval: images/val\nnames:\n{listed}\n"
    (folder / "data.yaml").write_text(text)
    return str(folder / "data.yaml")


def as_yolo_boxes(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write YOLO's data.yaml with boxes, as for detection."""
    return as_yolo(images, folder, boxes=True)


def as_voc(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write a folder of Pascal VOC, whose first pixel has the number 1."""
    for image in images:
        _save(image, folder / "JPEGImages" / image.name)
        objects = ""
        for each in image.objects:
            assert each.edges is not None
            left, top, right, bottom = each.edges
            box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
            objects += f"<object><name>{each.category}</name><truncated>0</truncated><bndbox>{box}</bndbox></object>"
        size = f"<size><width>{image.picture.width}</width><height>{image.picture.height}</height></size>"
        path = folder / "Annotations" / f"{image.name.rpartition('.')[0]}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<annotation><filename>{image.name}</filename>{size}{objects}</annotation>")
    return str(folder)


def as_kitti(images: Sequence[AnnotatedImage], folder: Path) -> str:
    """Write a folder of KITTI, with a region to ignore in every label file."""
    for image in images:
        _save(image, folder / "image_2" / image.name)
        lines = []
        for each in image.objects:
            assert each.edges is not None
            box = " ".join(f"{edge:.2f}" for edge in each.edges)
            lines.append(f"{each.category} 0.00 0 -1.57 {box} -1 -1 -1 -1000 -1000 -1000 -10\n")
        lines.append("DontCare -1 -1 -10 1.00 1.00 4.00 4.00 -1 -1 -1 -1000 -1000 -1000 -10\n")
        path = folder / "label_2" / f"{image.name.rpartition('.')[0]}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
    return str(folder)


WITHOUT_OUTLINES = ("hugging-face", "yolo-boxes", "voc", "kitti")
"""Forms of boxes alone."""

FORMS: dict[str, Callable[[Sequence[AnnotatedImage], Path], str]] = {
    "cvat": as_cvat,
    "cvat-video": as_cvat_video,
    "label-studio": as_label_studio,
    "label-studio-min": as_json_min,
    "hugging-face": as_hugging_face,
    "panoptic": as_panoptic,
    "yolo": as_yolo,
    "yolo-boxes": as_yolo_boxes,
    "voc": as_voc,
    "kitti": as_kitti,
}


def _sizes(each: Annotation) -> list[float]:
    assert each.edges is not None
    left, top, right, bottom = each.edges
    return [left, top, right - left, bottom - top]


def _points(each: Annotation) -> str:
    assert each.outline is not None
    values = each.outline.polygons[0]
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(values[::2], values[1::2], strict=True))


def _region(image: AnnotatedImage, each: Annotation) -> Json:
    assert each.outline is not None
    width, height = image.picture.size
    values = each.outline.polygons[0]
    points = [[100 * x / width, 100 * y / height] for x, y in zip(values[::2], values[1::2], strict=True)]
    value = {"points": points, "closed": True, "polygonlabels": [each.category]}
    head = {"type": "polygonlabels", "to_name": "image", "from_name": "label", "origin": "manual", "image_rotation": 0}
    return {**head, "original_width": width, "original_height": height, "value": value}


def _save(image: AnnotatedImage, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.picture.save(path)


def _json(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def _xml(folder: Path, mode: str, images: Sequence[AnnotatedImage], body: str) -> str:
    width, height = images[0].picture.size
    size = f"<original_size><width>{width}</width><height>{height}</height></original_size>"
    task = f"<task><id>1</id><size>{len(images)}</size><mode>{mode}</mode>{size}</task>"
    path = folder / "annotations.xml"
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    path.write_text(f"{head}<meta>{task}</meta>\n{body}</annotations>\n")
    return str(path)
