"""A COCO annotation file with its folder of images: one row per image, or one row per annotated object."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NotRequired, TypedDict, cast

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Box, Entry, Kind
from gapscope.sources.files import open_container, read_file
from gapscope.sources.folder import check_file_unchanged, file_entry, utf8_safe
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url, remote

MARGIN = 0.1
"""Margin around an object on every side, as a fraction of the width and height of its box."""


class CocoImage(TypedDict):
    """An image of an annotation file. `id` is never a list or an object; nothing else is known of it."""

    file_name: str
    id: NotRequired[Any]


class CocoAnnotation(TypedDict):
    """An annotated object. The ids are never lists or objects; the other values may be anything."""

    image_id: Any
    id: NotRequired[Any]
    category_id: NotRequired[Any]
    bbox: NotRequired[Any]
    area: NotRequired[Any]
    iscrowd: NotRequired[Any]


class CocoCategory(TypedDict):
    """A category of objects."""

    name: Any
    id: NotRequired[Any]


class CocoFile(TypedDict):
    """The content of an annotation file, as far as it is used."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


@dataclass(frozen=True)
class Coco:
    """The images of a COCO annotation file, or their annotated objects.

    Attributes:
        annotations: path or URL of the annotation file.
        images: path or URL of the folder that its file names are relative to.
        objects: whether a row is an object, cropped to its box with a margin; crowds are left out.
        location: what the user gave, with absolute paths.
    """

    annotations: str
    images: str
    objects: bool
    location: str

    @property
    def folder(self) -> None:
        """None: the annotation file names the images, and no folder is searched."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """The category of an object, and its area in pixels; empty for whole images."""
        return {"category": "text", "area": "number"} if self.objects else {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"{'annotated' if self.objects else 'listed'} in {self.annotations}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images in the order of the file, or the objects by image and then by id."""
        content = read_annotations(self.annotations)
        by_image: dict[Any, list[CocoAnnotation]] = {}
        for annotation in content["annotations"] if self.objects else []:
            if not annotation.get("iscrowd"):
                by_image.setdefault(annotation.get("image_id"), []).append(annotation)
        counter = NameCounter()
        categories = _category_names(content)
        for image in content["images"]:
            image_entry = _image_entry(self.images, image["file_name"])
            if not self.objects:
                yield _with_unique_uri(image_entry, "#", counter)
            for annotation in sorted(by_image.get(image.get("id"), []), key=_sort_key):
                entry = _object_entry(image_entry, annotation, categories.get(annotation.get("category_id")))
                yield _with_unique_uri(entry, ".", counter)

    def categories(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the categories that are annotated in each image, by its uri; crowds count."""
        content = read_annotations(self.annotations)
        names = _category_names(content)
        by_image: dict[Any, list[str]] = {}
        for annotation in content["annotations"]:
            if annotation.get("category_id") in names:
                by_image.setdefault(annotation["image_id"], []).append(names[annotation["category_id"]])
        return {
            _image_entry(self.images, image["file_name"]).uri: by_image.get(image.get("id"), [])
            for image in content["images"]
        }

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's image, or of the image that contains the object.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        path = entry.uri if entry.offset < 0 else entry.uri.rpartition("#")[0]
        if not is_url(path):
            check_file_unchanged(Entry(path, entry.bytes, entry.mtime_ns))
        return read_file(path)


def open_coco(annotations: str, images: str | None, location: str, *, objects: bool) -> Coco:
    """Return the COCO dataset of an annotation file.

    Args:
        annotations: path or URL of the annotation file.
        images: the folder of the images; None to look for it beside the annotation file.
        location: what the user gave, with absolute paths.
        objects: whether a row is an object instead of an image.

    Raises:
        SourceError: the file is not a COCO annotation file, or its images are not where they are looked for.
    """
    content = read_annotations(annotations)
    if not content["images"]:
        raise SourceError(f"{location}: lists no images")
    base = annotations.rpartition("/")[0]
    if images is not None:
        folder = images if is_url(images) or os.path.isabs(images) else f"{base}/{images}"
        return Coco(annotations, folder.rstrip("/"), objects, location)
    first = content["images"][0]["file_name"]
    split = annotations.rpartition("/")[2].rpartition(".")[0].rpartition("_")[2]
    for folder in (base, f"{base}/images", f"{base}/{split}", f"{base}/../images", f"{base}/../{split}"):
        if _exists(f"{folder}/{first}"):
            return Coco(annotations, folder if is_url(folder) else os.path.normpath(folder), objects, location)
    raise SourceError(f"{location}: {first} is not beside it; name the folder of its images: {location}::FOLDER")


def _exists(location: str) -> bool:
    if not is_url(location):
        return os.path.exists(location)
    fs, path = remote(location)
    return bool(fs.exists(path))


# Opening and listing a dataset read the same file.
@lru_cache(maxsize=2)
def read_annotations(location: str) -> CocoFile:
    """Return the content of an annotation file, after checking the structure that `CocoFile` describes.

    Raises:
        SourceError: the file cannot be read, or is not a COCO annotation file.
    """
    with open_container(location) as file:
        try:
            content = json.load(file)
        except (ValueError, RecursionError, OSError) as error:
            raise SourceError(f"{location}: cannot be read as JSON ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise SourceError(f"{location}: not a COCO annotation file: it does not hold a JSON object")
    for name, key in (("images", "file_name"), ("annotations", "image_id"), ("categories", "name")):
        rows = content.setdefault(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) and key in row for row in rows):
            raise SourceError(f"{location}: not a COCO annotation file: `{name}` is not a list of objects with `{key}`")
    if not all(isinstance(row["file_name"], str) for row in content["images"]):
        raise SourceError(f"{location}: not a COCO annotation file: a `file_name` is not text")
    for name in ("images", "annotations", "categories"):
        for key in ("id", "image_id", "category_id"):
            if any(isinstance(row.get(key), dict | list) for row in content[name]):
                raise SourceError(
                    f"{location}: not a COCO annotation file: `{key}` in `{name}` is neither a number nor text"
                )
    return cast("CocoFile", content)


def _category_names(content: CocoFile) -> dict[Any, str]:
    return {category.get("id"): utf8_safe(str(category.get("name"))) for category in content["categories"]}


def _sort_key(annotation: CocoAnnotation) -> str:
    """Return the id with leading zeros, since ids may be numbers or text."""
    return str(annotation.get("id")).zfill(20)


def _with_unique_uri(entry: Entry, separator: str, counter: NameCounter) -> Entry:
    """Number the uri of an image that is listed again, or of an object whose id is missing or used twice."""
    count = counter.add(entry.uri)
    return entry if count == 1 else replace(entry, uri=f"{entry.uri}{separator}{count}", offset=0)


def _image_entry(folder: str, name: str) -> Entry:
    path = f"{folder}/{name}"
    if name.startswith("/") or ".." in name.split("/") or is_url(name):
        return Entry(utf8_safe(path), status="bad-name", error="the image's name leads out of the folder of images")
    if "\0" in name:
        return Entry(
            utf8_safe(path).replace("\0", "\\x00"), status="bad-name", error="the image's name contains a zero byte"
        )
    if utf8_safe(path) != path:
        return Entry(utf8_safe(path), status="bad-name", error="the image's name is not UTF-8")
    return Entry(path) if is_url(folder) else file_entry(path)


def _object_entry(image: Entry, annotation: CocoAnnotation, category: str | None) -> Entry:
    uri = f"{image.uri}#{utf8_safe(str(annotation.get('id')))}"
    values = {"category": category, "area": _number(annotation.get("area"))}
    if image.status != "listed":
        return Entry(uri, status=image.status, error=image.error, values=values)
    box = _box_with_margin(annotation.get("bbox"))
    if box is None:
        return Entry(uri, status="bad-box", error="the annotation's box is empty or not four numbers", values=values)
    return Entry(uri, image.bytes, image.mtime_ns, offset=0, box=box, values=values)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _box_with_margin(bbox: Any) -> Box | None:
    numbers = [_number(value) for value in bbox] if isinstance(bbox, list) else []
    finite = [number for number in numbers if number is not None]
    if len(numbers) != 4 or len(finite) != 4 or min(finite[2:]) <= 0:
        return None
    left, top, width, height = finite
    right, bottom = left + width * (1 + MARGIN), top + height * (1 + MARGIN)
    left, top = max(0.0, left - width * MARGIN), max(0.0, top - height * MARGIN)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None
