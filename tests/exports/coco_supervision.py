"""Reads an export for COCO with supervision."""

import sys

import supervision as sv
from expected import Boxes, check_boxes, original_name


def main(folder: str) -> None:
    dataset = sv.DetectionDataset.from_coco(f"{folder}/images", f"{folder}/annotations.json")
    found: Boxes = {}
    for path, picture, detections in dataset:
        assert picture.ndim == 3
        boxes = zip(detections.class_id, detections.xyxy, strict=True)
        found[original_name(path)] = [(dataset.classes[number], *map(float, edges)) for number, edges in boxes]
    check_boxes(folder, found)


main(sys.argv[1])
