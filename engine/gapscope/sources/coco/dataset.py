"""A COCO annotation file with its folder of images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations, Outline
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.coco.annotation_file import UNKNOWN_IMAGES, CocoFile, read_annotations
from gapscope.sources.coco.annotation_rows import CocoAnnotation
from gapscope.sources.coco.boxes import given_edges, number, segmentation_edges, segmentation_outline
from gapscope.sources.coco.image_names import ImageFiles, find_folder, named_folder
from gapscope.sources.coco.shown import shown, shown_id
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.folder import utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected

_CROWD = (1, "1", "true", "True")


@dataclass(frozen=True)
class Coco:
    """The images of a COCO annotation file, with their annotated objects.

    Attributes:
        annotations: path or URL of the annotation file.
        folder: path or URL of the folder that its file names are relative to.
        location: what the user gave, with absolute paths.
        rival: another folder beside the file that has files of the same names; empty if there is none.
    """

    annotations: str
    folder: str
    location: str
    rival: str = ""

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"annotated in {self.annotations}, with images from {self.folder or '/'}"

    @property
    def columns(self) -> Mapping[str, Kind]:
        """None."""
        return {}

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield the images in the order of the file, with their objects by id."""
        content = read_annotations(self.annotations)
        notes.add(content.notes)
        if self.rival:
            notes.guess(f"{self.rival} has files of the same names, which are not taken")
        files = ImageFiles(self.folder, (image["file_name"] for image in content.images))
        objects = _Objects(content, notes, outlines=outlines)
        for image in content.images:
            entry = files.entry(image["file_name"])
            size = _positive(image.get("width")), _positive(image.get("height"))
            own = sorted(content.annotations.of(image.get("id")), key=_sort_key)
            annotated = ImageAnnotations(entry.uri, *size, tuple(objects.annotation(each, size) for each in own))
            yield replace(entry, annotations=annotated)
        files.tell(notes)
        objects.tell()

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's image, or of the image that contains the object.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)


def open_coco(annotations: str, images: str | None, location: str, *, objects: bool) -> Coco:
    """Return the reader of a COCO annotation file.

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
        return Coco(annotations, named_folder(annotations, images), location)
    names = [image["file_name"] for image in content.images]
    folder, rival = find_folder(annotations, names)
    if not folder:
        raise SourceError(
            f"{location}: its images, such as {shown(names[0])}, are not beside it, nor in images, data or a folder "
            f"named like the split; name the folder of its images: {location}::FOLDER"
        )
    return Coco(annotations, folder, location, rival)


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
    first = next(iter(content.annotations))
    if "caption" in first and not {"bbox", "segmentation"} & first.keys():
        raise SourceError(f"{location}: holds COCO's captions; give the file that has the objects' boxes, or {whole}")
    if all(_is_crowd(annotation) for annotation in content.annotations):
        raise SourceError(f"{location}: all of its annotations are crowds, which are left out; {whole}")


def _is_crowd(annotation: CocoAnnotation) -> bool:
    return annotation.get("iscrowd") in _CROWD


def _sort_key(annotation: CocoAnnotation) -> str:
    """Return the id with leading zeros, since ids may be numbers or text."""
    return str(annotation.get("id")).zfill(20)


class _Objects:
    """Reads annotated objects, and notes what it takes for granted."""

    def __init__(self, content: CocoFile, notes: ListingNotes, *, outlines: bool) -> None:
        self._content, self._notes, self._outlines = content, notes, outlines
        self._ids: set[Any] = set()
        self._repeated = ""
        self._from_segmentation = 0
        self._without_category = 0
        self._unknown_category = ""

    def annotation(self, annotation: CocoAnnotation, image_size: tuple[float, float]) -> Annotation:
        """Return an object in an image of this size."""
        self._watch_ids(annotation)
        edges, error, outline = None, "", None
        try:
            edges = self._edges(annotation, image_size)
        except Rejected as rejected:
            error = rejected.error
        if edges is not None and self._outlines:
            outline = self._outline(annotation, image_size)
        return Annotation(
            utf8_safe(str(annotation.get("id"))),
            self._category(annotation),
            edges,
            error=error,
            area=number(annotation.get("area")),
            outline=outline,
            crowd=_is_crowd(annotation),
        )

    def _outline(self, annotation: CocoAnnotation, image_size: tuple[float, float]) -> Outline | None:
        try:
            return segmentation_outline(annotation.get("segmentation"), image_size)
        except Rejected as rejected:
            self._notes.pass_over("polygons and masks that cannot be read", f"{rejected.error}")
            return None

    def _watch_ids(self, annotation: CocoAnnotation) -> None:
        own_id = annotation.get("id")
        if own_id in self._ids and own_id is not None and not self._repeated:
            self._repeated = shown_id(own_id)
        self._ids.add(own_id)

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

    def tell(self) -> None:
        """Add to the notes how boxes, ids and categories were understood."""
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
