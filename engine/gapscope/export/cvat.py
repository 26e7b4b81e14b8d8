"""A dataset in the form "CVAT for images 1.1", for a task in CVAT."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Collection
from pathlib import Path

from gapscope.export.annotated_images import AnnotatedImage, annotated_images
from gapscope.export.choice import ChosenImages
from gapscope.export.coco import UNKNOWN, category_numbers
from gapscope.export.image_files import ImageFiles
from gapscope.progress import Progress
from gapscope.sources.annotations.annotation import Annotation

_TAG = "gapscope"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FACTS = ("dataset", "uri", "kind", "list", "rank", "q", "score")


def xml_text(text: str) -> str:
    r"""Return a text without the characters that XML cannot hold.

    Example:
        >>> xml_text("a\x00b")
        'a\ufffdb'
    """
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def export_cvat(chosen: ChosenImages, folder: Path, progress: Progress) -> None:
    """Write annotations.xml and images/.

    Every image has the tag `gapscope` with dataset, uri, kind, list, rank, q and score as attributes. Images are
    copied; one that cannot be read has its uri for a name, and its annotations nevertheless.
    """
    images = annotated_images(chosen)
    files = ImageFiles(chosen.run, folder / "images", progress)
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    _add_meta(root, chosen.what, len(images), category_numbers(images))
    with progress.task("images", len(images), "image") as task:
        for number, image in enumerate(images):
            path = files.write(image.dataset, image.row, image.entry)
            width, height = image.sized(path)
            name = image.uri if path is None else path.relative_to(folder / "images").as_posix()
            size = {"width": str(width), "height": str(height)}
            element = ET.SubElement(root, "image", {"id": str(number), "name": xml_text(name), **size})
            for each in image.objects:
                _add_object(element, each)
            _add_tag(element, image)
            task.advance(1, rejected=int(path is None))
    ET.indent(root)
    ET.ElementTree(root).write(folder / "annotations.xml", encoding="utf-8", xml_declaration=True)


def _add_meta(root: ET.Element, name: str, size: int, names: Collection[str]) -> None:
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    ET.SubElement(task, "name").text = xml_text(name)
    ET.SubElement(task, "size").text = str(size)
    ET.SubElement(task, "mode").text = "annotation"
    labels = ET.SubElement(task, "labels")
    for each in names:
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = xml_text(each)
        ET.SubElement(label, "type").text = "any"
        ET.SubElement(label, "attributes")
    label = ET.SubElement(labels, "label")
    ET.SubElement(label, "name").text = _TAG
    ET.SubElement(label, "type").text = "tag"
    attributes = ET.SubElement(label, "attributes")
    for fact in _FACTS:
        attribute = ET.SubElement(attributes, "attribute")
        ET.SubElement(attribute, "name").text = fact
        ET.SubElement(attribute, "mutable").text = "False"
        ET.SubElement(attribute, "input_type").text = "text"
        ET.SubElement(attribute, "default_value")
        ET.SubElement(attribute, "values")


def _add_object(image: ET.Element, each: Annotation) -> None:
    common = {
        "label": xml_text(each.category or UNKNOWN),
        "source": "file",
        # CVAT knows only whether something is hidden.
        "occluded": str(int((each.occlusion or 0) > 0)),
        "z_order": "0",
    }
    polygons = () if each.outline is None else each.outline.polygons
    for polygon in polygons:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(polygon[::2], polygon[1::2], strict=True))
        ET.SubElement(image, "polygon", {**common, "points": points})
    if not polygons and each.edges is not None:
        edges = zip(("xtl", "ytl", "xbr", "ybr"), each.edges, strict=True)
        ET.SubElement(image, "box", {**common, **{name: f"{edge:.2f}" for name, edge in edges}})


def _add_tag(element: ET.Element, image: AnnotatedImage) -> None:
    tag = ET.SubElement(element, "tag", {"label": _TAG, "source": "file"})
    for name in _FACTS:
        value = image.facts[name]
        ET.SubElement(tag, "attribute", {"name": name}).text = "" if value is None else xml_text(str(value))
