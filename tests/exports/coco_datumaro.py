"""Reads an export for COCO with Datumaro."""

import shutil
import sys
import tempfile
from pathlib import Path

from datumaro import Dataset
from datumaro.components.annotation import AnnotationType
from expected import Boxes, check_boxes, original_name


def main(folder: str) -> None:
    # Datumaro takes COCO's own names of folders and files alone.
    with tempfile.TemporaryDirectory() as temporary:
        own = Path(temporary, "annotations", "instances_export.json")
        own.parent.mkdir()
        shutil.copy(Path(folder, "annotations.json"), own)
        Path(temporary, "images").symlink_to(Path(folder, "images"))
        dataset = Dataset.import_from(temporary, "coco_instances")
        labels = dataset.categories()[AnnotationType.label]
        found: Boxes = {}
        for item in dataset:
            boxes = [(each.label, each.get_bbox()) for each in item.annotations]
            assert item.media.data.ndim == 3
            found[original_name(f"{item.id}.png")] = [
                (labels[label].name, left, top, left + width, top + height)
                for label, (left, top, width, height) in boxes
            ]
    check_boxes(folder, found)


main(sys.argv[1])
