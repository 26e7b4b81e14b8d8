"""Reads the tasks of an export for Label Studio with the converter of its SDK."""

import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

from expected import Boxes, check_boxes
from label_studio_sdk.converter import Converter


def main(folder: str) -> None:
    tasks = json.loads(Path(folder, "tasks.json").read_text(encoding="utf-8"))
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == [task["data"]["score"] for task in tasks]
    converter = Converter(str(Path(folder, "labels.xml")), project_dir=None, download_resources=False)
    with tempfile.TemporaryDirectory() as temporary:
        converter.convert_to_coco(str(Path(folder, "tasks.json")), temporary, output_image_dir=temporary, is_dir=False)
        content = json.loads(Path(temporary, "result.json").read_text(encoding="utf-8"))
    names = {each["id"]: each["name"] for each in content["categories"]}
    found: Boxes = {}
    for image in content["images"]:
        boxes = [own for own in content["annotations"] if own["image_id"] == image["id"]]
        # The SDK may call the image by its path or by the address under which it is served.
        uri = "/" + unquote(image["file_name"]).rpartition("?d=")[2].lstrip("/")
        found[uri] = [
            (names[own["category_id"]], left, top, left + width, top + height)
            for own in boxes
            for left, top, width, height in [own["bbox"]]
        ]
    check_boxes(folder, found)


main(sys.argv[1])
