"""Reads an export for FiftyOne with FiftyOne's importer, which needs no database."""

import sys

import fiftyone as fo
from expected import Boxes, check_boxes
from fiftyone.utils.data import LegacyFiftyOneDatasetImporter


def main(folder: str) -> None:
    found: Boxes = {}
    with LegacyFiftyOneDatasetImporter(folder) as importer:
        for sample in importer:
            metadata = fo.ImageMetadata.build_for(sample.filepath)
            assert len(sample["P5_point"]) == 3
            assert sample["score"] > 0
            found[sample["uri"]] = [
                (
                    each.label,
                    left * metadata.width,
                    top * metadata.height,
                    (left + across) * metadata.width,
                    (top + down) * metadata.height,
                )
                for each in sample["ground_truth"].detections
                for left, top, across, down in [each.bounding_box]
            ]
    check_boxes(folder, found)


main(sys.argv[1])
