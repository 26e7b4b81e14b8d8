"""Reads an export for CVAT with Datumaro, and its tags."""

import sys

from datumaro import Dataset
from datumaro.components.annotation import AnnotationType
from expected import Boxes, check_boxes


def main(folder: str) -> None:
    dataset = Dataset.import_from(folder, "cvat")
    labels = dataset.categories()[AnnotationType.label]
    found: Boxes = {}
    for item in dataset:
        tags = [each for each in item.annotations if each.type == AnnotationType.label]
        assert len(tags) == 1
        assert labels[tags[0].label].name == "gapscope"
        assert float(tags[0].attributes["score"]) > 0
        assert item.media.data.shape[2] >= 3
        found[tags[0].attributes["uri"]] = [
            (labels[each.label].name, *_edges(each.get_bbox()))
            for each in item.annotations
            if each.type != AnnotationType.label
        ]
    check_boxes(folder, found)


def _edges(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, width, height = box
    return left, top, left + width, top + height


main(sys.argv[1])
