"""CVAT's annotations.xml with its folder of images, or of the frames of a video."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from xml.etree.ElementTree import Element

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import Annotation, ImageAnnotations
from gapscope.sources.annotations.cvat.objects import OTHER_SHAPES, annotation_of, is_object, number_of
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.annotations.xml_elements import xml_elements
from gapscope.sources.coco.image_names import ImageFiles, find_folder, named_folder
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes, path_text
from gapscope.sources.folder import file_entry
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url

_TRIED_IMAGES = 1000
"""Images of the file whose names tell the folder."""

_SUFFIXES = (".png", ".PNG", ".jpg", ".JPG", ".jpeg", "")
_FRAME = re.compile(r"frame_([0-9]{1,9})\.[A-Za-z0-9]+")


@dataclass(frozen=True)
class Cvat:
    """The images that an annotations.xml of CVAT names, or the frames of the video that it annotates.

    Attributes:
        annotations: path or URL of the XML file.
        folder: path or URL of the folder with the images.
        video: whether the file has tracks through a video, whose frames are the images.
        location: what the user gave, with absolute paths.
        rival: another folder beside the file that has files of the same names; empty if there is none.
    """

    annotations: str
    folder: str
    video: bool
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
        """Yield the images in the order of the file, or the frames in that of their numbers.

        Raises:
            SourceError: the file cannot be read beyond the images so far.
        """
        if self.rival:
            notes.guess(f"{self.rival} has files of the same names, which are not taken")
        listed = self._frames(notes, outlines=outlines) if self.video else self._images(notes, outlines=outlines)
        yield from listed

    def _images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        files = ImageFiles(self.folder, _NamesOf(self.annotations))
        seen = NameCounter()
        for image in _children(self.annotations, "image", "track"):
            names = _names(image)
            if image.tag == "track":
                notes.pass_over("tracks in a file that names images", f"id {image.get('id', '')}")
                continue
            if not names:
                notes.pass_over("images without a name", f"id {image.get('id', '')}")
                continue
            name = next((name for name in names if _exists(f"{self.folder}/{name}")), names[0])
            entry = files.entry(name)
            if seen.add(entry.uri) > 1:
                notes.pass_over("images listed twice", name)
                continue
            size = _positive(image, "width"), _positive(image, "height")
            objects = tuple(_objects(image, size, notes, entry.uri, outlines=outlines))
            yield replace(entry, annotations=ImageAnnotations(entry.uri, *size, objects))
        files.tell(notes)

    def _frames(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        size, by_frame = _tracks(self.annotations, notes, outlines=outlines)
        for frame, name in _frame_files(self.folder):
            entry = file_entry(f"{self.folder}/{name}")
            objects = tuple(by_frame.pop(frame, ()))
            yield replace(entry, annotations=ImageAnnotations(entry.uri, *size, objects))
        if by_frame:
            notes.pass_over("annotated frames without an image", f"frame {min(by_frame)}", len(by_frame))

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)


def open_cvat(path: str, part: str | None, location: str) -> Cvat:
    """Return the reader of an annotations.xml of CVAT.

    Args:
        path: path or URL of the XML file.
        part: the folder of the images; None to look for it beside the file.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: it is no such file, or its images are not where they are looked for.
    """
    first = next((element for element in _children(path, "image", "track")), None)
    if first is None:
        raise SourceError(f"{location}: lists no images")
    named = None if part is None else named_folder(path, part)
    if first.tag == "track":
        folder = _folder_of_frames(path.rpartition("/")[0], named, location)
        return Cvat(path, folder, video=True, location=location)
    if named is not None:
        return Cvat(path, named, video=False, location=location)
    names = [name for image in islice(_children(path, "image"), _TRIED_IMAGES) for name in _names(image)]
    folder, rival = find_folder(path, names)
    if not folder:
        raise SourceError(
            f"{location}: its images, such as {names[0] if names else '?'}, are not beside it, nor in images; name the "
            f"folder of its images: {location}::FOLDER"
        )
    return Cvat(path, folder, video=False, location=location, rival=rival)


class _NamesOf:
    """The names of the images in a file, read when somebody asks for them."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __iter__(self) -> Iterator[str]:
        return (names[0] for names in map(_names, _children(self._path, "image")) if names)


def _children(path: str, *tags: str) -> Iterator[Element]:
    """Yield the elements of these names that the root of a CVAT file has.

    Raises:
        SourceError: the file is of another tool.
    """
    elements = xml_elements(path)
    root = next(elements)
    if root.tag == "annotation":
        raise SourceError(f"{path}: it is Pascal VOC's, with the objects of one image; give the folder that it is in")
    if root.tag != "annotations":
        raise SourceError(f"{path}: not CVAT's: its root is {root.tag[:50]} and not annotations")
    yield from (element for element in elements if element.tag in tags)


def _names(image: Element) -> list[str]:
    """Return the names that an image's file may have in the folder of images; none if the image has no name."""
    name, subset = image.get("name", ""), image.get("subset", "")
    if not name:
        return []
    # A project's subsets have a folder each, but for the one that is there when nobody makes one.
    names = [f"{subset}/{name}", name] if subset else [name]
    if subset == "default":
        names.reverse()
    # The frames of a video have no suffix here, and one on disk.
    return names if has_image_suffix(name) else [f"{name}{suffix}" for name in names for suffix in _SUFFIXES]


def _exists(path: str) -> bool:
    return is_url(path) or os.path.exists(path_bytes(path))


def _positive(element: Element, name: str) -> float:
    return max(0.0, number_of(element, name) or 0.0)


def _objects(
    image: Element, size: tuple[float, float], notes: ListingNotes, uri: str, *, outlines: bool
) -> Iterator[Annotation]:
    number = 0
    for shape in image:
        if is_object(shape):
            number += 1
            yield annotation_of(shape, str(number), shape.get("label"), size, outlines=outlines)
        elif shape.tag in OTHER_SHAPES:
            notes.pass_over(f"{shape.tag} annotations", uri)


def _tracks(
    path: str, notes: ListingNotes, *, outlines: bool
) -> tuple[tuple[float, float], dict[int, list[Annotation]]]:
    """Return the size of a video's frames, and the objects in each frame that has some.

    Raises:
        SourceError: the tracks are of several videos.
    """
    size, task = (0.0, 0.0), None
    by_frame: dict[int, list[Annotation]] = {}
    for element in _children(path, "meta", "track"):
        if element.tag == "meta":
            sizes = element.iter("original_size")
            size = next(((_side(each, "width"), _side(each, "height")) for each in sizes), size)
            continue
        own_task = element.get("task_id")
        if task not in (None, own_task):
            raise SourceError(f"{path}: has tracks of several tasks, whose frames share numbers; export each task")
        task = own_task
        for shape in element:
            frame = shape.get("frame", "")
            if not is_object(shape):
                if shape.tag in OTHER_SHAPES:
                    notes.pass_over(f"{shape.tag} annotations", f"frame {frame}")
            elif not (frame.isascii() and frame.isdecimal() and len(frame) < 10):
                notes.pass_over("annotations without the number of a frame", f"track {element.get('id', '')}")
            # It has left the picture.
            elif shape.get("outside") != "1":
                own = annotation_of(shape, element.get("id", ""), element.get("label"), size, outlines=outlines)
                by_frame.setdefault(int(frame), []).append(own)
    return size, by_frame


def _side(size: Element, name: str) -> float:
    return _positive(Element("size", {name: size.findtext(name, "")}), name)


def _folder_of_frames(base: str, named: str | None, location: str) -> str:
    if is_url(base) or (named is not None and is_url(named)):
        raise SourceError(f"{location}: frames of a video cannot be found behind a URL; export it as CVAT for images")
    folders: Iterable[str] = (f"{base}/images", base) if named is None else (named,)
    folder = next((folder for folder in folders if _frame_files(folder)), None)
    if folder is None:
        raise SourceError(
            f"{location}: is of a video, and {' and '.join(folders)} have no frames such as frame_000000.png; export "
            f"it with images, or as CVAT for images, or name the folder: {location}::FOLDER"
        )
    return folder


def _frame_files(folder: str) -> list[tuple[int, str]]:
    """Return the numbers and names of the files that are frames, by number."""
    try:
        names = [path_text(name) for name in os.listdir(path_bytes(folder))]
    except OSError:
        return []
    frames = [(_FRAME.fullmatch(name), name) for name in names if has_image_suffix(name)]
    return sorted((int(match[1]), name) for match, name in frames if match)
