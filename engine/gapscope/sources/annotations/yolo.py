"""YOLO: a text file per image with a line per object, and a data.yaml that names splits and classes (Ultralytics)."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from gapscope.errors import SourceError, one_line
from gapscope.sources.annotations.annotation import Annotation, Edges, ImageAnnotations, Outline
from gapscope.sources.annotations.image_file import read_image_file
from gapscope.sources.annotations.image_size import size_of_local_file
from gapscope.sources.annotations.shapes import polygon_edges
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes
from gapscope.sources.folder import Folder, file_entry, utf8_safe
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url

_SPLITS = ("train", "val", "valid", "test", "minival")
_NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels")
_MAX_FILE_BYTES = 2**26
_TOLERANCE = 0.01
"""Fractions of an image's side by which a point may lie outside of it: annotators round."""


@dataclass(frozen=True)
class Yolo:
    """The images of a YOLO dataset, each once, with the objects of their label files.

    Attributes:
        location: what the user gave, with absolute paths.
        described: the data.yaml, or the folder that has none.
        parts: folders of images, and text files that list some.
        names: of the categories, by number; empty where nothing names them.
        keypoints: whether a line goes on with keypoints after its box.
        guesses: what was taken for granted when the dataset was opened.
    """

    location: str
    described: str
    parts: tuple[str, ...]
    names: Mapping[int, str]
    keypoints: bool = False
    guesses: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"annotated in {self.described}"

    @property
    def columns(self) -> Mapping[str, Kind]:
        """None."""
        return {}

    def images(self, notes: ListingNotes, *, outlines: bool) -> Iterator[Entry]:
        """Yield the images, one split after the other."""
        for guess in self.guesses:
            notes.guess(guess)
        labels = _Labels(self.names, notes, keypoints=self.keypoints, outlines=outlines)
        seen: set[str] = set()
        for part in self.parts:
            for entry in _entries(part, notes):
                if entry.uri in seen:
                    notes.pass_over("images of several splits", entry.uri.rpartition("/")[2])
                    continue
                seen.add(entry.uri)
                yield replace(entry, annotations=labels.of(entry))
        labels.tell()

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image, given its entry or that of an object in it.

        Raises:
            Rejected: the image has changed since it was listed, or cannot be read.
        """
        return read_image_file(entry)


def _entries(part: str, notes: ListingNotes) -> Iterator[Entry]:
    if os.path.isdir(path_bytes(part)):
        yield from Folder(part).entries(notes)
        return
    base = os.path.dirname(part)
    for line in text_lines(part):
        name = line.strip().replace("\\", "/")
        if name:
            yield file_entry(os.path.normpath(name if os.path.isabs(name) else f"{base}/{name}"))


def text_lines(path: str) -> list[str]:
    """Return the lines of a text file, whatever its encoding.

    Raises:
        SourceError: the file cannot be read, or is larger than 64 MiB.
    """
    try:
        with open(path_bytes(path), "rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({one_line(error)})") from error
    if len(data) > _MAX_FILE_BYTES:
        raise SourceError(f"{path}: is larger than a list of images or labels can be")
    return data.decode("utf-8-sig", errors="backslashreplace").splitlines()


class _Labels:
    """Reads label files, and notes what they have that is odd."""

    def __init__(self, names: Mapping[int, str], notes: ListingNotes, *, keypoints: bool, outlines: bool) -> None:
        self._names, self._notes, self._keypoints, self._outlines = names, notes, keypoints, outlines
        self._unknown, self._unknown_count = 0, 0

    def of(self, entry: Entry) -> ImageAnnotations:
        """Return the objects of an image; none where it has no label file."""
        path = label_path(entry.uri)
        if path is None:
            return ImageAnnotations(entry.uri)
        try:
            lines = text_lines(path)
        except SourceError as error:
            self._notes.pass_over("label files that cannot be read", str(error))
            return ImageAnnotations(entry.uri)
        rows = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]
        # Nothing in an image without objects depends on its size.
        size = size_of_local_file(entry) if rows else (0.0, 0.0)
        objects = tuple(self._annotation(str(number), words, size) for number, words in rows)
        return ImageAnnotations(entry.uri, *size, objects)

    def _annotation(self, own_id: str, words: Sequence[str], size: tuple[float, float]) -> Annotation:
        numbers = [number_of(word) for word in words]
        category = self._category(numbers[0])
        values = [value for value in numbers[1:] if value is not None]
        if len(values) + 1 != len(words) or len(values) < 4:
            return Annotation(own_id, category, error="the line is not a class and at least four numbers")
        if self._keypoints or len(values) == 5 or (len(values) > 5 and len(values) % 2):
            # What follows a box is its confidence, or its keypoints.
            values = values[:4]
        if not all(-_TOLERANCE <= value <= 1 + _TOLERANCE for value in values):
            return Annotation(own_id, category, error="the line's numbers are no fractions of the image: 0 to 1")
        if not all(size):
            return Annotation(own_id, category, error="the image's size, which its label is a fraction of, is unknown")
        width, height = size
        if len(values) == 4:
            x, y, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
            edges = Edges(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            outline = None
        else:
            polygon = tuple(value * (height if place % 2 else width) for place, value in enumerate(values))
            edges, outline = polygon_edges(polygon), Outline((polygon,))
        if edges.left >= edges.right or edges.top >= edges.bottom:
            return Annotation(own_id, category, error="the box is empty")
        area = (edges.right - edges.left) * (edges.bottom - edges.top)
        return Annotation(own_id, category, edges, area=area, outline=outline if self._outlines else None)

    def _category(self, number: float | None) -> str | None:
        if number is None or not number.is_integer():
            return None
        if not self._names:
            return str(int(number))
        name = self._names.get(int(number))
        if name is None:
            self._unknown = self._unknown if self._unknown_count else int(number)
            self._unknown_count += 1
        return name

    def tell(self) -> None:
        """Add to the notes which classes have no name."""
        if self._unknown_count:
            self._notes.guess(
                f"the category stays empty for classes that have no name, such as {self._unknown} "
                f"({self._unknown_count:,} in all)"
            )


def number_of(word: str) -> float | None:
    """Return a finite number; None for anything else.

    Example:
        >>> number_of("0.5"), number_of("nan"), number_of("car")
        (0.5, None, None)
    """
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def label_path(image: str) -> str | None:
    """Return the label file of an image: in labels/ in place of the last images/ of its path, or beside it.

    Example:
        >>> label_path("/no/such/images/a.jpg") is None
        True
    """
    folder, separator, below = image.rpartition("/images/")
    candidates = [f"{folder}/labels/{below}"] if separator else []
    for path in (*candidates, image):
        label = f"{path.rpartition('.')[0]}.txt"
        if os.path.isfile(path_bytes(label)):
            return label
    return None


def is_data_yaml(path: str) -> bool:
    """Tell whether a file is a YOLO dataset's data.yaml: it names splits and classes."""
    try:
        content = _content(path)
    except SourceError:
        return False
    return isinstance(content, dict) and "names" in content and any(split in content for split in _SPLITS)


def _content(path: str) -> Any:
    if is_url(path):
        raise SourceError(f"{path}: a YOLO dataset is read from this machine alone; copy it here")
    try:
        return yaml.safe_load("\n".join(text_lines(path)))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read as YAML ({one_line(error)})") from error


def open_yolo(path: str, part: str | None, location: str) -> Yolo:
    """Return the reader of a data.yaml.

    Args:
        path: of the file.
        part: the split to take; None for all.
        location: what the user gave, with absolute paths.

    Raises:
        SourceError: the file is none, or its images are not where they are looked for.
    """
    content = _content(path)
    if not isinstance(content, dict):
        raise SourceError(f"{location}: is no data.yaml of a YOLO dataset: it holds no keys")
    splits = {split: content[split] for split in _SPLITS if content.get(split)}
    if part is not None and part not in splits:
        known = ", ".join(splits) or "none"
        raise SourceError(f"{location}: has no split {part}; it has {known}")
    if not splits:
        raise SourceError(f"{location}: is no data.yaml of a YOLO dataset: it names neither train, val nor test")
    guesses: list[str] = []
    base = _base(content.get("path"), path, guesses)
    chosen = {part: splits[part]} if part is not None else splits
    parts = [
        _part(base, str(each), os.path.dirname(path), location)
        for split in chosen.values()
        for each in (split if isinstance(split, list) else [split])
    ]
    present = [each for each in dict.fromkeys(parts) if each is not None]
    missing = [split for split, each in zip(chosen, parts, strict=False) if each is None]
    if not present:
        raise SourceError(
            f"{location}: its images are not there, such as {next(iter(chosen.values()))} below {base}; correct `path`"
        )
    if missing:
        guesses.append(f"splits whose images are not there are left out: {', '.join(missing)}")
    return Yolo(location, path, tuple(present), _names(content["names"]), "kpt_shape" in content, tuple(guesses))


def _base(given: Any, path: str, guesses: list[str]) -> str:
    own = os.path.dirname(path)
    if not given:
        return own
    base = os.path.normpath(os.path.join(own, str(given)))
    if os.path.isdir(path_bytes(base)):
        return base
    guesses.append(f"its path {utf8_safe(str(given))} does not exist, and the folder of data.yaml is taken instead")
    return own


def _part(base: str, given: str, own: str, location: str) -> str | None:
    given = given.replace("\\", "/")
    if is_url(given):
        raise SourceError(f"{location}: {given} is not on this machine; copy it here")
    # Roboflow's files begin with ../ and mean what lies beside the file.
    trimmed = given
    while trimmed.startswith("../"):
        trimmed = trimmed[3:]
    for folder, name in ((base, given), (own, given), (base, trimmed), (own, trimmed)):
        full = os.path.normpath(os.path.join(folder, name))
        if os.path.exists(path_bytes(full)):
            return full
    return None


def _names(names: Any) -> dict[int, str]:
    rows = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    return {int(number): utf8_safe(str(name)) for number, name in rows if str(number).isdigit()}


def open_yolo_folder(folder: str, location: str) -> Yolo | None:
    """Return the reader of a folder with images/ and labels/ and no data.yaml; None if it is not one.

    The labels must be .txt files, and no images may lie beside the two folders.
    """
    images, labels = f"{folder}/images", f"{folder}/labels"
    if not (os.path.isdir(path_bytes(images)) and _has_labels(labels)):
        return None
    with os.scandir(path_bytes(folder)) as members:
        if any(has_image_suffix(os.fsdecode(member.name)) for member in members):
            return None
    for name in _NAMES_FILES:
        for path in (f"{folder}/{name}", f"{labels}/{name}"):
            if os.path.isfile(path_bytes(path)):
                names = dict(enumerate(line.strip() for line in text_lines(path) if line.strip()))
                return Yolo(location, labels, (images,), names, guesses=(f"{name} names the classes",))
    guess = "classes have their numbers as names: there is no data.yaml"
    return Yolo(location, labels, (images,), {}, guesses=(guess,))


def _has_labels(folder: str) -> bool:
    for _, _, files in os.walk(path_bytes(folder)):
        if files:
            return any(name.endswith(b".txt") for name in files)
    return False
