"""The images of an annotated dataset, or its annotated objects: one source for every form of annotations."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations, Outline
from gapscope.sources.annotations.reader import AnnotationReader
from gapscope.sources.entry import Box, Entry, Kind, Value
from gapscope.sources.folder import utf8_safe
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Status

MARGIN = 0.1
"""Margin around an object on every side, as a fraction of the width and height of its box."""

WITHOUT_OBJECTS = "images without annotations"
"""What notes call images in which nothing is annotated, and which so have no row among the objects."""

_MAX_OUTLINE_NUMBERS = 1_000_000
_OBJECT_COLUMNS: Mapping[str, Kind] = {"category": "text", "area": "number"}


@dataclass(frozen=True)
class AnnotatedImages:
    """The images that a reader of annotations lists, or the objects in them.

    Attributes:
        reader: of the dataset's form of annotations.
        objects: whether a row is an object, cropped to its box with a margin; crowds are left out.
        mask: whether objects have their outlines, outside of which the background is taken away.
        min_side: objects whose box has a shorter side, in pixels, are left out.
    """

    reader: AnnotationReader
    objects: bool = False
    mask: bool = False
    min_side: int = 0

    @property
    def location(self) -> str:
        """What the user gave, with absolute paths."""
        return self.reader.location

    @property
    def folder(self) -> None:
        """None: the annotations name the images, and no folder is searched for others."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Those of the images; of an object also its category, and its area in pixels."""
        return {**self.reader.columns, **_OBJECT_COLUMNS} if self.objects else self.reader.columns

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        origin = self.reader.origin
        return origin if self.objects else origin.replace("annotated in", "listed in", 1)

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images in the reader's order, or their objects.

        Raises:
            SourceError: `mask` is set, and not one object has an outline.
        """
        notes = notes or ListingNotes()
        if self.objects:
            yield from self._objects(notes)
            return
        counter = NameCounter()
        for entry in self.reader.images(notes, outlines=False):
            yield _with_unique_uri(entry, "#", counter)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the bytes cannot be read; the error says why.
        """
        return self.reader.read(entry)

    def _objects(self, notes: ListingNotes) -> Iterator[Entry]:
        counter = NameCounter()
        outlined = boxed = 0
        for image in self.reader.images(notes, outlines=self.mask):
            own = image.annotations
            if own is None or not own.objects:
                notes.pass_over(WITHOUT_OBJECTS, image.uri.rpartition("/")[2])
                continue
            for each in own.objects:
                if each.crowd:
                    notes.pass_over("crowd annotations", f"id {each.id}")
                    continue
                if each.edges is not None and _shorter_side(each.edges) < self.min_side:
                    notes.pass_over(f"objects with a side below {self.min_side:,} pixels", f"id {each.id}")
                    continue
                if self.mask and each.edges is not None:
                    outlined += each.outline is not None
                    boxed += each.outline is None
                yield _with_unique_uri(self._entry(image, own, each), ".", counter)
        if boxed and not outlined:
            raise SourceError(
                f"{self.location}: none of its objects has a polygon or mask; leave out `mask=True`, which takes away "
                "what is outside of them"
            )
        if boxed:
            notes.guess(f"objects without a polygon or mask keep all that is in their box ({boxed:,} in all)")

    def _entry(self, image: Entry, own: ImageAnnotations, each: Annotation) -> Entry:
        # A reader finds the image before the last #.
        uri = f"{own.image}#{utf8_safe(each.id).replace('#', '_')}"
        values: dict[str, Value] = {**image.values, "category": each.category, "area": each.area}
        plain = each if each.outline is None else replace(each, outline=None)
        annotations = ImageAnnotations(own.image, own.width, own.height, (plain,))

        def rejected(status: Status, error: str) -> Entry:
            return Entry(uri, status=status, error=error, values=values, annotations=annotations)

        if image.status != "listed":
            return rejected(image.status, image.error)
        if each.edges is None:
            return rejected("bad-box", each.error or "the annotation has no box")
        box = _with_margin(each.edges, (own.width, own.height))
        if box is None:
            return rejected("bad-box", "the annotation's box lies outside its image")
        if self.mask:
            outline = each.outline or _rectangle(each.edges)
            if _numbers(outline) > _MAX_OUTLINE_NUMBERS:
                return rejected("bad-box", "the annotation's outline has more than a million numbers")
            box = box._replace(outline=outline)
        # Made at once: a copy with other values takes longer than all the rest.
        return Entry(
            uri,
            image.bytes,
            image.mtime_ns,
            offset=max(0, image.offset),
            box=box,
            values=values,
            annotations=annotations,
        )


def _with_unique_uri(entry: Entry, separator: str, counter: NameCounter) -> Entry:
    """Number the uri of an image that is listed again, or of an object whose id is missing or used twice."""
    count = counter.add(entry.uri)
    return entry if count == 1 else replace(entry, uri=f"{entry.uri}{separator}{count}", offset=max(0, entry.offset))


def _shorter_side(edges: Edges) -> float:
    return min(edges.right - edges.left, edges.bottom - edges.top)


def _with_margin(edges: Edges, image_size: tuple[float, float]) -> Box | None:
    """Return the box of an object with its margin; None if it lies outside its image."""
    width, height = (edges.right - edges.left) * MARGIN, (edges.bottom - edges.top) * MARGIN
    left, top = max(0.0, edges.left - width), max(0.0, edges.top - height)
    right, bottom = edges.right + width, edges.bottom + height
    if not (left < right < math.inf and top < bottom < math.inf):
        return None
    return Box(left, top, right - left, bottom - top, *image_size)


def _rectangle(edges: Edges) -> Outline:
    left, top, right, bottom = edges
    return Outline(polygons=((left, top, right, top, right, bottom, left, bottom),))


def _numbers(outline: Outline) -> int:
    return sum(map(len, outline.polygons)) + sum(len(mask.runs) for mask in outline.masks)
