"""Reads an export for COCO with pycocotools."""

import sys

from expected import Boxes, check_boxes
from pycocotools.coco import COCO


def main(folder: str) -> None:
    coco = COCO(f"{folder}/annotations.json")
    found: Boxes = {}
    for image in coco.loadImgs(coco.getImgIds()):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        names = [each["name"] for each in coco.loadCats([own["category_id"] for own in annotations])]
        found[image["gapscope"]["uri"]] = [
            (name, left, top, left + width, top + height)
            for name, (left, top, width, height) in zip(names, (own["bbox"] for own in annotations), strict=True)
        ]
    check_boxes(folder, found)


main(sys.argv[1])
