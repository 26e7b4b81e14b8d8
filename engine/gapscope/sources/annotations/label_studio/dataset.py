"""A JSON export of Label Studio with its folder of images, or with images behind URLs."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.annotations.annotation import ImageAnnotations
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.annotations.image_size import size_of_local_file
from gapscope.sources.annotations.label_studio.regions import image_size, objects_of
from gapscope.sources.annotations.label_studio.tasks import TaskImage, is_label_studio, task_images
from gapscope.sources.coco.annotation_file import parse_json
from gapscope.sources.coco.image_names import ImageFiles, find_folder, named_folder
from gapscope.sources.coco.shown import shown
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes
from gapscope.sources.lists.named_file import Names
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url


@dataclass(frozen=True)
class LabelStudio:
    """The images of the tasks in an export of Label Studio, as JSON or JSON-MIN.

    Attributes:
        annotations: path or URL of the export.
        folder: path or URL of the folder with the images; None where the tasks name URLs and no folder is known.
        location: what the user gave, with absolute paths.
        rival: another folder beside the file that has files of the same names; empty if there is none.
    """

    annotations: str
    folder: str | None
    location: str
    rival: str = ""

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        images = "" if self.folder is None else f", with images from {self.folder or '/'}"
        return f"annotated in {self.annotations}{images}"

    @property
    def columns(self) -> Mapping[str, Kind]:
        """None."""
        return {}

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield the images of the tasks in the order of the file."""
        if self.rival:
            notes.guess(f"{self.rival} has files of the same names, which are not taken")
        images = list(task_images(read_tasks(self.annotations), notes))
        files = None if self.folder is None else ImageFiles(self.folder, [image.name for image in images])
        seen = NameCounter()
        for image in images:
            entry = self._entry(image, files)
            if seen.add(entry.uri) > 1:
                notes.pass_over("images listed twice", shown(image.name))
                continue
            size = image_size(image.regions)
            if image.regions and not all(size):
                size = size_of_local_file(entry)
            objects = tuple(objects_of(image.regions, size, notes, entry.uri, outlines=outlines))
            yield replace(entry, annotations=ImageAnnotations(entry.uri, *size, objects))
        if files is not None:
            files.tell(notes)

    def _entry(self, image: TaskImage, files: ImageFiles | None) -> Entry:
        if image.name.startswith("data:"):
            why = "the task holds the image itself, in a data: URL; save it as a file and name that"
            return Entry(f"{self.annotations}#{shown(image.task)}", status="missing", error=why)
        entry = None if files is None else files.entry(image.name)
        if entry is None or (entry.status != "listed" and is_url(image.name)):
            entry, _ = Names("").find(image.name)
        return entry

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)


def open_label_studio(path: str, part: str | None, location: str) -> LabelStudio:
    """Return the reader of an export of Label Studio.

    Args:
        path: path or URL of the JSON file.
        part: the folder of the images; None to look for it beside the file.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: it is no such file, or its images are not where they are looked for.
    """
    names = [image.name for image in task_images(read_tasks(path), ListingNotes())]
    if not names:
        raise SourceError(f"{location}: lists no images")
    if part is not None:
        return LabelStudio(path, named_folder(path, part), location)
    found, rival = find_folder(path, names)
    if found:
        return LabelStudio(path, found, location, rival)
    if all(map(is_url, names)):
        return LabelStudio(path, None, location)
    unknown = next(name for name in names if not is_url(name))
    raise SourceError(
        f"{location}: its images, such as {shown(unknown)}, are not beside it, nor in images or data; name the folder "
        f"of its images, such as Label Studio's media/upload: {location}::FOLDER"
    )


def is_list_of_tasks(path: str) -> bool:
    """Tell whether a JSON file is an export of Label Studio.

    Raises:
        SourceError: the file cannot be read as JSON.
    """
    return is_label_studio(_content(path))


def read_tasks(path: str) -> list[Any]:
    """Return the tasks of an export of Label Studio, as JSON.

    Raises:
        SourceError: the file cannot be read, or is no such export.
    """
    content = _content(path)
    if not is_label_studio(content):
        raise SourceError(f"{path}: not an export of Label Studio: it is not a list of tasks")
    tasks: list[Any] = content
    return tasks


def _content(path: str) -> Any:
    try:
        status = None if is_url(path) else os.stat(path_bytes(path))
    except (OSError, ValueError):
        status = None
    return _parsed(path, status and (status.st_mtime_ns, status.st_size))


# Opening and listing a dataset read the same file.
@lru_cache(maxsize=2)
def _parsed(path: str, _version: tuple[int, int] | None) -> Any:
    return parse_json(path)
