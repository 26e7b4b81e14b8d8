"""Pascal VOC: an XML file per image, beside it or in Annotations/, with lists of images in ImageSets/Main/."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple
from xml.etree.ElementTree import Element

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.annotations.xml_elements import xml_elements
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes
from gapscope.sources.folder import Folder, utf8_safe
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes

_IMAGES = ("JPEGImages", "images", "Images")
_YEARS = tuple(f"VOC{year}" for year in range(2005, 2013))
_TRIED = 300
"""Files of annotations by which it is settled whether pixels count from 0 or from 1."""


class VocYear(NamedTuple):
    """A folder of images and the folder of their XML files, which is the same where they lie beside each other."""

    images: str
    annotations: str
    listed: str = ""
    """The text file that lists the images to take; empty for all."""


@dataclass(frozen=True)
class Voc:
    """The images of Pascal VOC folders, with the objects of their XML files.

    Attributes:
        location: what the user gave, with absolute paths.
        years: the folders.
        from_one: whether the first pixel has the number 1, and the right and bottom ones are in the box.
    """

    location: str
    years: tuple[VocYear, ...]
    from_one: bool

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"annotated in {', '.join(year.listed or year.annotations for year in self.years)}"

    @property
    def columns(self) -> Mapping[str, Kind]:
        """None."""
        return {}

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield the images in the order of their names. Objects have no outlines."""
        del outlines
        count = "from 1, as VOC's own do" if self.from_one else "from 0, since some are below 1"
        notes.guess(f"the pixels of boxes count {count}")
        for year in self.years:
            wanted = _stems(year.listed)
            used = 0
            for entry in Folder(year.images).entries(notes if year.images != year.annotations else None):
                stem = os.path.splitext(entry.uri.removeprefix(f"{year.images}/"))[0]
                if wanted is not None and stem not in wanted:
                    continue
                path = f"{year.annotations}/{stem}.xml"
                annotated = os.path.isfile(path_bytes(path))
                used += annotated
                yield replace(entry, annotations=self._read(entry, path if annotated else None, notes))
            if wanted is None and (unused := _count_xml(year.annotations) - used) > 0:
                notes.pass_over("XML files without an image", "", unused)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)

    def _read(self, entry: Entry, path: str | None, notes: ListingNotes) -> ImageAnnotations:
        if path is None:
            return ImageAnnotations(entry.uri)
        width = height = 0.0
        objects: list[Annotation] = []
        try:
            for element in islice(xml_elements(path), 1, None):
                if element.tag == "size":
                    width, height = max(_number(element, "width") or 0, 0), max(_number(element, "height") or 0, 0)
                elif element.tag == "object":
                    objects.append(self._object(element, str(len(objects) + 1)))
        except SourceError as error:
            notes.pass_over("XML files that cannot be read", str(error))
        return ImageAnnotations(entry.uri, width, height, tuple(objects))

    def _object(self, element: Element, own_id: str) -> Annotation:
        edges = _edges(element)
        if edges is not None and self.from_one:
            edges = Edges(edges.left - 1, edges.top - 1, edges.right, edges.bottom)
        if edges is not None and (edges.left >= edges.right or edges.top >= edges.bottom):
            edges = None
        name = element.findtext("name")
        truncated, occluded = _number(element, "truncated"), _number(element, "occluded")
        return Annotation(
            own_id,
            utf8_safe(name.strip()) if name and name.strip() else None,
            edges,
            error="" if edges else "the object's bndbox is missing, empty or not four numbers",
            area=None if edges is None else (edges.right - edges.left) * (edges.bottom - edges.top),
            truncation=None if truncated is None else min(max(truncated, 0.0), 1.0),
            occlusion=None if occluded is None else min(max(occluded, 0.0), 1.0),
        )


def _edges(element: Element) -> Edges | None:
    box = element.find("bndbox")
    values = [] if box is None else [_number(box, name) for name in ("xmin", "ymin", "xmax", "ymax")]
    known = [value for value in values if value is not None]
    return Edges(*known) if len(known) == 4 else None


def _number(element: Element, name: str) -> float | None:
    try:
        value = float(element.findtext(name) or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def _stems(listed: str) -> set[str] | None:
    if not listed:
        return None
    with open(path_bytes(listed), encoding="utf-8", errors="backslashreplace") as file:
        # Lists of one class have a second column, which says whether the image shows it.
        return {words[0] for line in file if (words := line.split())}


def _count_xml(folder: str) -> int:
    return sum(name.endswith(b".xml") for _, _, files in os.walk(path_bytes(folder)) for name in files)


def open_voc_folder(folder: str, part: str | None, location: str, *, look_beside: bool) -> Voc | None:
    """Return the reader of a folder with Annotations/ and JPEGImages/, of one with such years, or of XML beside images.

    Args:
        folder: the folder.
        part: the list in ImageSets/Main/ to take, such as `train`; None for all images.
        location: what the user gave, with absolute paths.
        look_beside: whether XML beside the images counts.

    Returns:
        The reader; None if the folder is laid out otherwise.

    Raises:
        SourceError: there is no such list.
    """
    own = _year(folder)
    found = [own] if own is not None else [year for name in _YEARS if (year := _year(f"{folder}/{name}"))]
    if not found and look_beside and (beside := _beside(folder)) is not None:
        found = [beside]
    if not found:
        return None
    if part is not None:
        listed = [f"{os.path.dirname(year.annotations)}/ImageSets/Main/{part}.txt" for year in found]
        found = [
            year._replace(listed=path)
            for year, path in zip(found, listed, strict=True)
            if os.path.isfile(path_bytes(path))
        ]
        if not found:
            raise SourceError(f"{location}: there is no list {listed[0]}")
    return Voc(location, tuple(found), _counts_from_one(found))


def _year(folder: str) -> VocYear | None:
    annotations = f"{folder}/Annotations"
    if next(_xml_files(annotations), None) is None:
        return None
    images = next((f"{folder}/{name}" for name in _IMAGES if os.path.isdir(path_bytes(f"{folder}/{name}"))), None)
    return None if images is None else VocYear(images, annotations)


def _beside(folder: str) -> VocYear | None:
    """Return a folder in which at least half of the images have an XML file beside them, with VOC's root."""
    with os.scandir(path_bytes(folder)) as members:
        names = sorted(os.fsdecode(member.name) for member in islice(members, 10_000))
    images = [os.path.splitext(name)[0] for name in names if has_image_suffix(name)]
    stems = {os.path.splitext(name)[0] for name in names if name.endswith(".xml")}
    annotated = [f"{stem}.xml" for stem in images if stem in stems]
    if not images or len(annotated) < len(images) / 2:
        return None
    try:
        root = next(xml_elements(f"{folder}/{annotated[0]}")).tag
    except SourceError:
        return None
    return VocYear(folder, folder) if root == "annotation" else None


def _xml_files(folder: str) -> Iterator[str]:
    if os.path.isdir(path_bytes(folder)):
        for path, folders, files in os.walk(path_bytes(folder)):
            folders.sort()
            yield from (os.fsdecode(os.path.join(path, name)) for name in sorted(files) if name.endswith(b".xml"))


def _counts_from_one(years: list[VocYear]) -> bool:
    """Return whether no box of the first files touches pixel 0, as in VOC's own files, whose first pixel is 1."""
    for year in years:
        for path in islice(_xml_files(year.annotations), _TRIED):
            try:
                boxes = [_edges(element) for element in xml_elements(path) if element.tag == "object"]
            except SourceError:
                continue
            if any(edges is not None and min(edges.left, edges.top) < 1 for edges in boxes):
                return False
    return True
