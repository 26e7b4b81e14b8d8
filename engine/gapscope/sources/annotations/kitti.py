"""KITTI: images in image_2/, and in label_2/ a text file per image with a line per object (Geiger et al. 2012)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.annotations.image_size import size_of_local_file
from gapscope.sources.annotations.yolo import number_of, text_lines
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes
from gapscope.sources.folder import Folder, utf8_safe
from gapscope.sources.notes import ListingNotes

_IMAGES = ("image_2", "image_02", "image_02/data", "images")
_LABELS = ("label_2", "label_02", "labels")
_NOT_TOLD_APART = "DontCare"
_LEVELS_OF_OCCLUSION = 3
"""0 is fully visible, 1 partly occluded, 2 largely occluded, and 3 unknown."""

_FIELDS = 8
"""Type, truncation, occlusion, angle, and the box; of the 3-D box that follows nothing is read."""


@dataclass(frozen=True)
class Kitti:
    """The images of a KITTI folder, with the objects of their label files.

    Attributes:
        location: what the user gave, with absolute paths.
        folder: of the images.
        labels: the folder of the label files.
    """

    location: str
    folder: str
    labels: str

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"annotated in {self.labels}"

    @property
    def columns(self) -> Mapping[str, Kind]:
        """None."""
        return {}

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield the images in the order of their names. Objects have no outlines; regions to ignore are crowds."""
        del outlines
        for entry in Folder(self.folder).entries(notes):
            stem = os.path.splitext(entry.uri.removeprefix(f"{self.folder}/"))[0]
            path = f"{self.labels}/{stem}.txt"
            lines = text_lines(path) if os.path.isfile(path_bytes(path)) else []
            objects = tuple(
                _annotation(str(number), line.split()) for number, line in enumerate(lines, start=1) if line.strip()
            )
            size = size_of_local_file(entry) if objects else (0.0, 0.0)
            yield replace(entry, annotations=ImageAnnotations(entry.uri, *size, objects))

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)


def _annotation(own_id: str, words: Sequence[str]) -> Annotation:
    name = utf8_safe(words[0])
    values = [number_of(word) for word in words[1:_FIELDS]]
    known = [value for value in values if value is not None]
    crowd = name == _NOT_TOLD_APART
    if len(known) < _FIELDS - 1:
        return Annotation(own_id, name, error="the line has not eight fields, seven of them numbers", crowd=crowd)
    truncation, occlusion = known[0], known[1]
    edges = Edges(*known[3:7])
    if edges.left >= edges.right or edges.top >= edges.bottom:
        return Annotation(own_id, name, error="the box is empty", crowd=crowd)
    return Annotation(
        own_id,
        name,
        edges,
        area=(edges.right - edges.left) * (edges.bottom - edges.top),
        truncation=truncation if 0 <= truncation <= 1 else None,
        occlusion=occlusion / (_LEVELS_OF_OCCLUSION - 1) if 0 <= occlusion < _LEVELS_OF_OCCLUSION else None,
        crowd=crowd,
    )


def open_kitti_folder(folder: str, location: str) -> Kitti | None:
    """Return the reader of a folder with image_2/ and label_2/, or with training/ that holds these; None for none."""
    for base, images, labels in product((folder, f"{folder}/training"), _IMAGES, _LABELS):
        if images == "images" and labels == "labels":
            # That is YOLO's.
            continue
        if all(os.path.isdir(path_bytes(f"{base}/{name}")) for name in (images, labels)):
            return Kitti(location, f"{base}/{images}", f"{base}/{labels}")
    return None
