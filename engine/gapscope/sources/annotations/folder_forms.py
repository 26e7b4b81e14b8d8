"""Which form of annotations a folder holds, by the names in it."""

import os

from gapscope.sources.annotations.cvat.dataset import open_cvat
from gapscope.sources.annotations.kitti import open_kitti_folder
from gapscope.sources.annotations.reader import AnnotationReader
from gapscope.sources.annotations.voc import open_voc_folder
from gapscope.sources.annotations.yolo import is_data_yaml, open_yolo, open_yolo_folder
from gapscope.sources.files import path_bytes

_DATA_YAML = ("data.yaml", "data.yml", "dataset.yaml")


def open_folder_form(folder: str, part: str | None, location: str, *, objects: bool) -> AnnotationReader | None:
    """Return the reader of a folder that is laid out as YOLO, Pascal VOC, KITTI or CVAT lay theirs; None for others.

    Args:
        folder: the folder.
        part: the split to take; None for all.
        location: what the user gave, with absolute paths.
        objects: whether objects are wanted. A folder whose layout might be chance is taken for annotated only then.

    Raises:
        SourceError: it is laid out so, and cannot be read.
    """
    path = next((path for name in _DATA_YAML if os.path.isfile(path_bytes(path := f"{folder}/{name}"))), None)
    if path is not None and is_data_yaml(path):
        return open_yolo(path, part, location)
    if objects and part is None and os.path.isfile(path_bytes(f"{folder}/annotations.xml")):
        return open_cvat(f"{folder}/annotations.xml", None, location)
    voc = open_voc_folder(folder, part, location, look_beside=objects)
    if voc is not None or part is not None:
        return voc
    return open_kitti_folder(folder, location) or open_yolo_folder(folder, location)
