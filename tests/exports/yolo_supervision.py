"""Reads an export for YOLO with supervision, which takes one folder of images at a time."""

import sys
from pathlib import Path

import supervision as sv
from expected import Boxes, check_boxes, original_name


def main(folder: str) -> None:
    found: Boxes = {}
    for images in Path(folder, "images").iterdir():
        dataset = sv.DetectionDataset.from_yolo(
            str(images), str(Path(folder, "labels", images.name)), f"{folder}/data.yaml"
        )
        for path, picture, detections in dataset:
            assert picture.ndim == 3
            boxes = zip(detections.class_id, detections.xyxy, strict=True)
            found[original_name(path)] = [(dataset.classes[number], *map(float, edges)) for number, edges in boxes]
    check_boxes(folder, found)


main(sys.argv[1])
