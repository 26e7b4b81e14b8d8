"""A COCO annotation file with its folder of images: whole images, or a row per object."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Box, Entry, Kind
from gapscope.sources.files import open_container, read_file
from gapscope.sources.folder import check_same, file_entry, printable
from gapscope.sources.repeats import Repeats
from gapscope.urls import is_url, remote

MARGIN = 0.1
"""Of a box's width and height that is kept on every side of an object."""


@dataclass(frozen=True)
class Coco:
    """The images of a COCO annotation file, or their annotated objects.

    Attributes:
        annotations: path or URL of the annotation file.
        images: path or URL of the folder that its file names are relative to.
        objects: a row per object's box, cropped with a margin; crowds are left out.
        location: what the user gave.
    """

    annotations: str
    images: str
    objects: bool
    location: str

    @property
    def folder(self) -> None:
        """The file names the images."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """An object has a category and an area in pixels."""
        return {"category": "text", "area": "number"} if self.objects else {}

    def entries(self) -> Iterator[Entry]:
        """Yield the images in the file's order; objects in that of their images and numbers."""
        content = read_annotations(self.annotations)
        by_image: dict[Any, list[dict[str, Any]]] = {}
        for one in content["annotations"] if self.objects else []:
            if not one.get("iscrowd"):
                by_image.setdefault(one.get("image_id"), []).append(one)
        repeats = Repeats()
        categories = {one.get("id"): printable(str(one.get("name"))) for one in content["categories"]}
        for image in content["images"]:
            whole = _image_entry(self.images, image["file_name"])
            if not self.objects:
                yield _named_once(whole, "#", repeats)
            for one in sorted(by_image.get(image.get("id"), []), key=lambda one: str(one.get("id")).zfill(20)):
                yield _named_once(_object_entry(whole, one, categories.get(one.get("category_id"))), ".", repeats)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the image that the entry is, or lies in."""
        path = entry.uri if entry.offset < 0 else entry.uri.rpartition("#")[0]
        if not is_url(path):
            check_same(Entry(path, entry.bytes, entry.mtime_ns))
        return read_file(path)


def open_coco(annotations: str, images: str | None, location: str, *, objects: bool) -> Coco:
    """Return the COCO dataset of an annotation file.

    Args:
        annotations: path or URL of the annotation file.
        images: the folder of its images; found beside it where it is not given.
        location: what the user gave.
        objects: a row per object.

    Raises:
        SourceError: the file is no COCO annotation file, or its images are not found.
    """
    content = read_annotations(annotations)
    if not content["images"]:
        raise SourceError(f"{location}: lists no images")
    base = annotations.rpartition("/")[0]
    if images is not None:
        folder = images if is_url(images) or os.path.isabs(images) else f"{base}/{images}"
        return Coco(annotations, folder.rstrip("/"), objects, location)
    first = content["images"][0]["file_name"]
    stem = annotations.rpartition("/")[2].rpartition(".")[0].rpartition("_")[2]
    for folder in (base, f"{base}/images", f"{base}/{stem}", f"{base}/../images", f"{base}/../{stem}"):
        if _exists(f"{folder}/{first}"):
            return Coco(annotations, folder if is_url(folder) else os.path.normpath(folder), objects, location)
    raise SourceError(f"{location}: {first} is not beside it; name the folder of its images: {location}::FOLDER")


def _exists(location: str) -> bool:
    if not is_url(location):
        return os.path.exists(location)
    fs, path = remote(location)
    return bool(fs.exists(path))


# Listing, checking and embedding ask for the same file.
@lru_cache(maxsize=2)
def read_annotations(location: str) -> dict[str, Any]:
    """Return the content of an annotation file, with everything that is relied on seen to be there.

    Raises:
        SourceError: it is not there, or no COCO annotation file.
    """
    with open_container(location) as file:
        try:
            content = json.load(file)
        except (ValueError, RecursionError, OSError) as error:
            raise SourceError(f"{location}: cannot be read as JSON ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise SourceError(f"{location}: no COCO annotation file: it holds no object")
    for name, key in (("images", "file_name"), ("annotations", "image_id"), ("categories", "name")):
        rows = content.setdefault(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) and key in row for row in rows):
            raise SourceError(f"{location}: no COCO annotation file: `{name}` is no list of objects with `{key}`")
    if not all(isinstance(row["file_name"], str) for row in content["images"]):
        raise SourceError(f"{location}: no COCO annotation file: a `file_name` is no text")
    for name in ("images", "annotations", "categories"):
        for key in ("id", "image_id", "category_id"):
            if any(isinstance(row.get(key), dict | list) for row in content[name]):
                raise SourceError(f"{location}: no COCO annotation file: `{key}` in `{name}` is no number or text")
    return content


def _named_once(entry: Entry, between: str, repeats: Repeats) -> Entry:
    """Tell an image that is listed again, or an object without a number of its own, from the one before."""
    times = repeats.times(entry.uri)
    return entry if times == 1 else replace(entry, uri=f"{entry.uri}{between}{times}", offset=0)


def _image_entry(folder: str, name: str) -> Entry:
    path = f"{folder}/{name}"
    if name.startswith("/") or ".." in name.split("/") or is_url(name):
        return Entry(printable(path), status="bad-name", error="the image's name leads out of the folder of images")
    if "\0" in name:
        return Entry(
            printable(path).replace("\0", "\\x00"), status="bad-name", error="the image's name holds a zero byte"
        )
    if printable(path) != path:
        return Entry(printable(path), status="bad-name", error="the image's name is no text")
    return Entry(path) if is_url(folder) else file_entry(path)


def _object_entry(whole: Entry, one: Mapping[str, Any], category: str | None) -> Entry:
    uri = f"{whole.uri}#{printable(str(one.get('id')))}"
    values = {"category": category, "area": _number(one.get("area"))}
    if whole.status != "listed":
        return Entry(uri, status=whole.status, error=whole.error, values=values)
    box = _box(one.get("bbox"))
    if box is None:
        return Entry(uri, status="bad-box", error="the annotation's box is empty or no four numbers", values=values)
    return Entry(uri, whole.bytes, whole.mtime_ns, offset=0, box=box, values=values)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _box(bbox: Any) -> Box | None:
    numbers = [_number(value) for value in bbox] if isinstance(bbox, list) else []
    known = [number for number in numbers if number is not None]
    if len(numbers) != 4 or len(known) != 4 or min(known[2:]) <= 0:
        return None
    left, top, width, height = known
    right, bottom = left + width * (1 + MARGIN), top + height * (1 + MARGIN)
    left, top = max(0.0, left - width * MARGIN), max(0.0, top - height * MARGIN)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
