"""Naming the layout of a JSON file that is no COCO annotation file."""

from typing import Any

_AS_COCO = "export it as COCO"


def other_layout(content: Any) -> str:
    """Return what a JSON file holds instead of COCO annotations, and what to give; empty if its layout is not known.

    Example:
        >>> other_layout({"shapes": [], "imagePath": "a.jpg"})
        "it is Labelme's, with the shapes of one image; convert the folder to COCO with labelme2coco"
        >>> other_layout({"images": []})
        ''
    """
    return _of_object(content) if isinstance(content, dict) else _of_list(content) if isinstance(content, list) else ""


def _of_object(content: dict[str, Any]) -> str:
    keys = content.keys()
    if "images" in keys:
        return ""
    if "shapes" in keys and keys & {"imagePath", "imageData", "imageWidth"}:
        return "it is Labelme's, with the shapes of one image; convert the folder to COCO with labelme2coco"
    if isinstance(content.get("labels"), dict) or isinstance(content.get("samples"), list):
        return f"it is FiftyOne's own; {_AS_COCO}, with dataset_type=fiftyone.types.COCODetectionDataset"
    if "_via_img_metadata" in keys or _holds(list(content.values()), {"filename", "regions"}):
        return f"it is VGG Image Annotator's own; {_AS_COCO}"
    if isinstance(content.get("items"), list) and "categories" in keys:
        return f"it is Datumaro's own; {_AS_COCO}"
    if {"objects", "size"} <= keys:
        return f"it is Supervisely's, of one image; {_AS_COCO}"
    if isinstance(content.get("frames"), list):
        return f"it is Scalabel's; {_AS_COCO}"
    if "annotations" in keys:
        return "it has annotations and no `images`; give the file that names the images too"
    return ""


def _of_list(content: list[Any]) -> str:
    if content and isinstance(content[0], str):
        return "it is a list of text; if these are the names of images, give them as a .txt file, one per line"
    if any(_holds(content, {"image_id", key}) for key in ("bbox", "segmentation", "keypoints", "score", "caption")):
        return (
            "it is a COCO results file, a list of detections without their images; give the annotation file of those "
            "images, with the detections as its `annotations`"
        )
    if _holds(content, {"image", "annotations"}):
        return f"it is CreateML's; {_AS_COCO}"
    if _holds(content, {"data_row"}) or _holds(content, {"Labeled Data"}):
        return f"it is Labelbox's own; {_AS_COCO}"
    if _holds(content, {"name", "labels"}):
        return f"it is Scalabel's, as BDD100K has it; {_AS_COCO}"
    if content and isinstance(content[0], dict):
        return "it is a list of objects; if each names an image, give them as a .jsonl file, one per line"
    return ""


def _holds(rows: list[Any], keys: set[str]) -> bool:
    return bool(rows) and isinstance(rows[0], dict) and keys <= rows[0].keys()
