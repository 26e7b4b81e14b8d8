"""A COCO annotation file with its folder of images: one row per image, or one row per annotated object."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Edges
from gapscope.sources.coco.annotation_file import (
    UNKNOWN_IMAGES,
    CocoAnnotation,
    CocoFile,
    CocoImage,
    read_annotations,
    shown,
    shown_id,
)
from gapscope.sources.coco.boxes import given_edges, number, segmentation_edges
from gapscope.sources.coco.image_names import ImageFiles, find_folder
from gapscope.sources.entry import Box, Entry, Kind
from gapscope.sources.files import read_file
from gapscope.sources.folder import check_file_unchanged, utf8_safe
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected
from gapscope.urls import is_url

MARGIN = 0.1
"""Margin around an object on every side, as a fraction of the width and height of its box."""

_CROWD = (1, "1", "true", "True")


@dataclass(frozen=True)
class Coco:
    """The images of a COCO annotation file, or their annotated objects.

    Attributes:
        annotations: path or URL of the annotation file.
        images: path or URL of the folder that its file names are relative to.
        objects: whether a row is an object, cropped to its box with a margin; crowds are left out.
        location: what the user gave, with absolute paths.
        rival: another folder beside the file that has files of the same names; empty if there is none.
    """

    annotations: str
    images: str
    objects: bool
    location: str
    rival: str = ""

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
        listed = "annotated" if self.objects else "listed"
        return f"{listed} in {self.annotations}, with images from {self.images or '/'}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images in the order of the file, or the objects by image and then by id."""
        notes = notes or ListingNotes()
        content = read_annotations(self.annotations)
        notes.add(content.notes)
        if self.rival:
            notes.guess(f"{self.rival} has files of the same names, which are not taken")
        files = self._files(content)
        if self.objects:
            yield from _Objects(content, files, notes).entries()
        else:
            yield from (entry for _, entry in _image_entries(content, files))
        files.tell(notes)

    def categories(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the categories that are annotated in each image, by its uri; crowds count."""
        content = read_annotations(self.annotations)
        names, by_image = content.categories, content.by_image()
        return {
            entry.uri: [
                names[annotation["category_id"]]
                for annotation in by_image.get(image.get("id"), ())
                if annotation.get("category_id") in names
            ]
            for image, entry in _image_entries(content, self._files(content))
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

    def _files(self, content: CocoFile) -> ImageFiles:
        return ImageFiles(self.images, (image["file_name"] for image in content.images))


def open_coco(annotations: str, images: str | None, location: str, *, objects: bool) -> Coco:
    """Return the COCO dataset of an annotation file.

    Args:
        annotations: path or URL of the annotation file.
        images: the folder of the images; None to look for it beside the annotation file.
        location: what the user gave, with absolute paths.
        objects: whether a row is an object instead of an image.

    Raises:
        SourceError: the file is not a COCO annotation file, its images are not where they are looked for, or it has no
            objects in them.
    """
    content = read_annotations(annotations)
    if not content.images:
        raise SourceError(f"{location}: lists no images")
    if objects:
        _check_has_objects(content, location)
    if images is not None:
        base = annotations.rpartition("/")[0]
        folder = images if is_url(images) or os.path.isabs(images) else f"{base}/{images}"
        return Coco(annotations, folder.rstrip("/"), objects, location)
    names = [image["file_name"] for image in content.images]
    folder, rival = find_folder(annotations, names)
    if not folder:
        raise SourceError(
            f"{location}: its images, such as {shown(names[0])}, are not beside it, nor in images, data or a folder "
            f"named like the split; name the folder of its images: {location}::FOLDER"
        )
    return Coco(annotations, folder, objects, location, rival)


def _check_has_objects(content: CocoFile, location: str) -> None:
    whole = "leave out `objects=True` to compare whole images"
    unknown = content.notes.passed_over.get(UNKNOWN_IMAGES)
    if not content.annotations and unknown:
        own_id = shown_id(content.images[0].get("id"))
        raise SourceError(
            f"{location}: none of its {unknown.count:,} annotations is of one of its {len(content.images):,} images: "
            f"one has {unknown.example}, and the first image has id {own_id}; correct the ids, or {whole}"
        )
    if not content.annotations:
        raise SourceError(f"{location}: has no annotations; give the file that has them, or {whole}")
    for key, layout in (("segments_info", "panoptic segments"), ("caption", "captions")):
        if key in content.annotations[0] and not {"bbox", "segmentation"} & content.annotations[0].keys():
            raise SourceError(
                f"{location}: holds COCO's {layout}; give the file that has the objects' boxes, or {whole}"
            )
    if all(_is_crowd(annotation) for annotation in content.annotations):
        raise SourceError(f"{location}: all of its annotations are crowds, which are left out; {whole}")


def _image_entries(content: CocoFile, files: ImageFiles) -> Iterator[tuple[CocoImage, Entry]]:
    counter = NameCounter()
    for image in content.images:
        yield image, _with_unique_uri(files.entry(image["file_name"]), "#", counter)


def _is_crowd(annotation: CocoAnnotation) -> bool:
    return annotation.get("iscrowd") in _CROWD


def _sort_key(annotation: CocoAnnotation) -> str:
    """Return the id with leading zeros, since ids may be numbers or text."""
    return str(annotation.get("id")).zfill(20)


def _with_unique_uri(entry: Entry, separator: str, counter: NameCounter) -> Entry:
    """Number the uri of an image that is listed again, or of an object whose id is missing or used twice."""
    count = counter.add(entry.uri)
    return entry if count == 1 else replace(entry, uri=f"{entry.uri}{separator}{count}", offset=0)


class _Objects:
    """Lists the objects of an annotation file, and notes what it leaves out and takes for granted."""

    def __init__(self, content: CocoFile, files: ImageFiles, notes: ListingNotes) -> None:
        self._content, self._files, self._notes = content, files, notes
        self._counter = NameCounter()
        self._ids: set[Any] = set()
        self._repeated = ""
        self._from_segmentation = 0
        self._without_category = 0
        self._unknown_category = ""

    def entries(self) -> Iterator[Entry]:
        """Yield the objects by image and then by id."""
        by_image = self._content.by_image()
        for image in self._content.images:
            annotations = by_image.get(image.get("id"))
            if not annotations:
                self._notes.pass_over("images without annotations", shown(image["file_name"]))
                continue
            image_entry = self._files.entry(image["file_name"])
            image_size = _positive(image.get("width")), _positive(image.get("height"))
            for annotation in sorted(annotations, key=_sort_key):
                self._watch_ids(annotation)
                if _is_crowd(annotation):
                    self._notes.pass_over("crowd annotations", f"id {shown_id(annotation.get('id'))}")
                    continue
                entry = self._entry(image_entry, image_size, annotation)
                yield _with_unique_uri(entry, ".", self._counter)
        self._tell()

    def _watch_ids(self, annotation: CocoAnnotation) -> None:
        own_id = annotation.get("id")
        if own_id in self._ids and own_id is not None and not self._repeated:
            self._repeated = shown_id(own_id)
        self._ids.add(own_id)

    def _entry(self, image_entry: Entry, image_size: tuple[float, float], annotation: CocoAnnotation) -> Entry:
        uri = f"{image_entry.uri}#{utf8_safe(str(annotation.get('id')))}"
        values = {"category": self._category(annotation), "area": number(annotation.get("area"))}
        if image_entry.status != "listed":
            return Entry(uri, status=image_entry.status, error=image_entry.error, values=values)
        try:
            box = _with_margin(self._edges(annotation, image_size), image_size)
        except Rejected as rejected:
            return Entry(uri, status=rejected.status, error=rejected.error, values=values)
        return Entry(uri, image_entry.bytes, image_entry.mtime_ns, offset=0, box=box, values=values)

    def _category(self, annotation: CocoAnnotation) -> str | None:
        own_id = annotation.get("category_id")
        name = None if own_id is None else self._content.categories.get(own_id)
        if name is None and own_id is not None:
            self._without_category += 1
            self._unknown_category = self._unknown_category or shown_id(own_id)
        return name

    def _edges(self, annotation: CocoAnnotation, image_size: tuple[float, float]) -> Edges:
        edges = given_edges(annotation.get("bbox"))
        if edges is not None:
            return edges
        edges = segmentation_edges(annotation.get("segmentation"), image_size)
        self._from_segmentation += 1
        return edges

    def _tell(self) -> None:
        if self._from_segmentation:
            self._notes.guess(
                f"annotations without a box have that of their polygons or mask ({self._from_segmentation:,} in all)"
            )
        if self._repeated:
            self._notes.guess(f"annotations that share an id, such as {self._repeated}, are objects of their own")
        if self._without_category:
            self._notes.guess(
                f"the category stays empty where the file has none of that id, such as {self._unknown_category} "
                f"({self._without_category:,} in all)"
            )


def _positive(value: Any) -> float:
    result = number(value)
    return result if result is not None and result > 0 else 0


def _with_margin(edges: Edges, image_size: tuple[float, float]) -> Box:
    width, height = (edges.right - edges.left) * MARGIN, (edges.bottom - edges.top) * MARGIN
    left, top = max(0.0, edges.left - width), max(0.0, edges.top - height)
    right, bottom = edges.right + width, edges.bottom + height
    if not (left < right < math.inf and top < bottom < math.inf):
        raise Rejected("bad-box", "the annotation's box lies outside its image")
    return Box(left, top, right - left, bottom - top, *image_size)
