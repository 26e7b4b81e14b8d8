"""COCO's panoptic segmentation: segments in a JSON file, and a PNG per image whose colors are their ids."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gapscope.errors import SourceError, one_line
from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations, Outline
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.annotations.shapes import mask_of_pixels
from gapscope.sources.coco.annotation_file import CocoFile, CocoImage, read_annotations
from gapscope.sources.coco.annotation_rows import CocoAnnotation
from gapscope.sources.coco.boxes import given_edges, number
from gapscope.sources.coco.image_names import ImageFiles, find_folder, named_folder
from gapscope.sources.coco.shown import shown, shown_id
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import read_file
from gapscope.sources.folder import utf8_safe
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected

_MAX_PIXELS = 2**26
"""Largest PNG of segments. It is decoded while images are listed, in 7 bytes per pixel."""

_CROWD = (1, "1", "true", "True")


@dataclass(frozen=True)
class Panoptic:
    """The images of a COCO panoptic file, with their segments that are things.

    Attributes:
        annotations: path or URL of the JSON file.
        folder: path or URL of the folder with the images.
        segments: path or URL of the folder with the PNGs.
        location: what the user gave, with absolute paths.
        rival: another folder beside the file that has files of the same names; empty if there is none.
    """

    annotations: str
    folder: str
    segments: str
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
        """Yield the images in the order of the file.

        A PNG is decoded where outlines are wanted, or a segment has no box.
        """
        content = read_annotations(self.annotations)
        notes.add(content.notes)
        if self.rival:
            notes.guess(f"{self.rival} has files of the same names, which are not taken")
        files = ImageFiles(self.folder, (image["file_name"] for image in content.images))
        segments = _Segments(content, self.segments, notes, outlines=outlines)
        seen = NameCounter()
        for image in content.images:
            entry = files.entry(image["file_name"])
            if seen.add(entry.uri) > 1:
                notes.pass_over("images listed twice", shown(image["file_name"]))
                continue
            size = _positive(image.get("width")), _positive(image.get("height"))
            yield replace(entry, annotations=ImageAnnotations(entry.uri, *size, tuple(segments.of(image, size))))
        files.tell(notes)
        segments.tell()

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)


def is_panoptic(content: CocoFile) -> bool:
    """Tell whether a COCO file has panoptic segments."""
    return "segments_info" in next(iter(content.annotations), {})


def open_panoptic(path: str, part: str | None, location: str) -> Panoptic:
    """Return the reader of a COCO panoptic file, whose PNGs are in a folder beside it that is named like it.

    Args:
        path: path or URL of the JSON file.
        part: the folder of the images; None to look for it beside the file.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: it is no such file, or its images are not where they are looked for.
    """
    content = read_annotations(path)
    if not content.images:
        raise SourceError(f"{location}: lists no images")
    segments = path.removesuffix(".json")
    if part is not None:
        return Panoptic(path, named_folder(path, part), segments, location)
    names = [image["file_name"] for image in content.images]
    folder, rival = find_folder(path, names)
    if not folder:
        raise SourceError(
            f"{location}: its images, such as {shown(names[0])}, are not beside it, nor in images, data or a folder "
            f"named like the split; name the folder of its images: {location}::FOLDER"
        )
    return Panoptic(path, folder, segments, location, rival)


class _Segments:
    """Lists the segments of images that are things, and notes what it leaves out and takes for granted."""

    def __init__(self, content: CocoFile, folder: str, notes: ListingNotes, *, outlines: bool) -> None:
        self._content, self._folder, self._notes, self._outlines = content, folder, notes, outlines
        self._unknown = Counter[Any]()

    def of(self, image: CocoImage, size: tuple[float, float]) -> Iterator[Annotation]:
        """Yield the objects in an image of this size, in the order of the file."""
        name = shown(image["file_name"])
        for annotation in self._content.annotations.of(image.get("id")):
            segments = annotation.get("segments_info") or []
            things = [each for each in segments if each["category_id"] not in self._content.stuff]
            if len(things) < len(segments):
                self._notes.pass_over("segments of stuff, which are no objects", name, len(segments) - len(things))
            given = [_given(segment) for segment in things]
            pixels, why = None, "the annotation has no box, and no pixel of its image has its id"
            if things and (self._outlines or None in given):
                try:
                    pixels = _decode(self._png(image, annotation), size)
                except Rejected as rejected:
                    why = f"the annotation has no box, and the PNG of its image cannot be read: {rejected.error}"
                    self._notes.pass_over("PNGs of segments that cannot be read", f"{name} ({rejected.error})")
            for place, (segment, edges) in enumerate(zip(things, given, strict=True), 1):
                yield self._annotation(segment, place, edges, pixels, why)

    def _png(self, image: CocoImage, annotation: CocoAnnotation) -> bytes:
        named = annotation.get("file_name")
        name = named if isinstance(named, str) else f"{image['file_name'].rpartition('.')[0]}.png"
        entry = ImageFiles(self._folder, ()).entry(name)
        if entry.status != "listed":
            raise Rejected(entry.status, entry.error)
        return read_file(entry.uri)

    def _annotation(
        self, segment: Mapping[str, Any], place: int, edges: Edges | None, pixels: NDArray[np.uint32] | None, why: str
    ) -> Annotation:
        own_id, category_id, outline = segment.get("id"), segment["category_id"], None
        if pixels is not None and type(own_id) is int:
            found, outline = _found(pixels, own_id, edges, outlines=self._outlines)
            edges = edges or found
        if category_id is not None and category_id not in self._content.categories:
            self._unknown[category_id] += 1
        return Annotation(
            utf8_safe(str(place if own_id is None else own_id)),
            self._content.categories.get(category_id),
            edges,
            error="" if edges else why,
            area=number(segment.get("area")),
            outline=outline,
            crowd=segment.get("iscrowd") in _CROWD,
        )

    def tell(self) -> None:
        """Add to the notes which segments have no category."""
        if self._unknown:
            self._notes.guess(
                f"the category stays empty where the file has none of that id, such as "
                f"{shown_id(next(iter(self._unknown)))} ({self._unknown.total():,} in all)"
            )


def _given(segment: Mapping[str, Any]) -> Edges | None:
    try:
        return given_edges(segment.get("bbox"))
    except Rejected:
        return None


def _decode(data: bytes, size: tuple[float, float]) -> NDArray[np.uint32]:
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            if all(size) and image.size != size:
                raise Rejected("broken", f"it is {image.width} x {image.height} pixels, and not as large as its image")
            if image.width * image.height > _MAX_PIXELS:
                raise Rejected("too-large", f"it has more than {_MAX_PIXELS:,} pixels")
            if image.mode not in ("RGB", "RGBA"):
                raise Rejected("broken", f"its pixels are {image.mode}, and not colors")
            colors = np.asarray(image)
    except Rejected:
        raise
    except UnidentifiedImageError as error:
        raise Rejected("not-an-image", "it is no PNG") from error
    # Pillow raises many types of exceptions on a damaged file.
    except Exception as error:
        raise Rejected("broken", f"it cannot be decoded ({one_line(error)})") from error
    ids = colors[..., 2].astype(np.uint32)
    for channel in (1, 0):
        ids *= 256
        ids += colors[..., channel]
    return ids


def _found(
    pixels: NDArray[np.uint32], own_id: int, box: Edges | None, *, outlines: bool
) -> tuple[Edges | None, Outline | None]:
    """Return the edges and the outline of the pixels that have an id, inside of the segment's box where it has one."""
    height, width = pixels.shape
    left, top, right, bottom = (0, 0, width, height) if box is None else _whole(box, width, height)
    own = pixels[top:bottom, left:right] == own_id
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    if not len(rows):
        return None, None
    first_row, last_row, first, last = (int(place) for place in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    edges = Edges(left + first, top + first_row, left + last, top + last_row)
    own = own[first_row:last_row, first:last]
    mask = mask_of_pixels(own, left + first, top + first_row, width, height) if outlines else None
    return edges, None if mask is None else Outline(masks=(mask,))


def _whole(box: Edges, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the pixels of an image that a box touches: left, top, right and bottom."""
    left, right = (min(max(edge, 0), width) for edge in (box.left, box.right))
    top, bottom = (min(max(edge, 0), height) for edge in (box.top, box.bottom))
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)


def _positive(value: Any) -> float:
    result = number(value)
    return result if result is not None and result > 0 else 0
