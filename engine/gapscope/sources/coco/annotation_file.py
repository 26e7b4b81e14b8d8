"""Reading a COCO annotation file: its structure is checked, and its ids are matched as they are meant.

The file is read piece by piece. In memory are the names, ids and sizes of its images, its categories, and where its
annotations are.
"""

import io
import json
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import IO, Any, NotRequired, TypedDict, cast

from gapscope.errors import SourceError, one_line
from gapscope.sources.coco.annotation_rows import AnnotationPlaces, AnnotationRows
from gapscope.sources.coco.ids import ID_NAMES, IdKey, has_plain_ids, id_key, match_ids, meaning, without_odd_ids
from gapscope.sources.coco.json_layouts import other_layout
from gapscope.sources.coco.json_stream import Piece, read_pieces
from gapscope.sources.coco.shown import shown, shown_id
from gapscope.sources.files import open_container, path_bytes
from gapscope.sources.folder import utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url

UNKNOWN_IMAGES = "annotations of unknown images"
"""What notes call annotations whose image is not in the file."""


class CocoImage(TypedDict):
    """An image of an annotation file. `id` is a number, text or None; the other values may be anything."""

    file_name: str
    id: NotRequired[Any]
    width: NotRequired[Any]
    height: NotRequired[Any]


@dataclass(frozen=True)
class CocoFile:
    """The content of an annotation file, as far as it is used.

    Attributes:
        images: every image once; those that have an id have one each.
        annotations: of these images, read from the file as they are needed. `image_id` equals the id of the image, and
            `category_id` a key of `categories`, where that is what they mean.
        categories: the names of the categories, by id.
        stuff: the ids of those that are no things, such as sky, as panoptic files tell.
        notes: what was passed over, and how ids were understood.
    """

    images: Sequence[CocoImage]
    annotations: AnnotationRows
    categories: Mapping[Any, str]
    stuff: frozenset[Any]
    notes: ListingNotes


def read_annotations(location: str) -> CocoFile:
    """Return the content of an annotation file.

    Raises:
        SourceError: the file cannot be read, is not a COCO annotation file, or gives two images one id.
    """
    try:
        status = None if is_url(location) else os.stat(path_bytes(location))
    except (OSError, ValueError):
        status = None
    return _read(location, status and (status.st_mtime_ns, status.st_size))


def parse_json(location: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        SourceError: the file cannot be read as JSON.
    """
    with open_container(location) as file:
        try:
            return json.load(file)
        except MemoryError as error:
            raise SourceError(f"{location}: needs more memory than there is; split it into several files") from error
        except json.JSONDecodeError as error:
            lines = "; if it has an object per line, rename it to end in .jsonl" if error.msg == "Extra data" else ""
            raise SourceError(f"{location}: cannot be read as JSON ({one_line(error)}){lines}") from error
        except (ValueError, RecursionError, OSError) as error:
            raise SourceError(f"{location}: cannot be read as JSON ({one_line(error)})") from error


_IMAGE_KEYS = ("file_name", "id", "width", "height")
_LISTS = {"images": "file_name", "annotations": "image_id", "categories": "name"}
"""The lists that are read, with what each of their objects has."""


class _UnusualError(ValueError):
    """A file is no COCO annotation file in UTF-8, or one that has to be read as a whole to say what it is."""


# Opening and listing a dataset read the same file.
@lru_cache(maxsize=2)
def _read(location: str, _version: tuple[int, int] | None) -> CocoFile:
    try:
        return _read_open(_opened(location), location)
    except (_UnusualError, RecursionError, MemoryError):
        content = _check(parse_json(location), location)
    return _read_open(_temporary(io.BytesIO(json.dumps(content).encode()), location), location)


def _opened(location: str) -> IO[bytes]:
    """Return the file, or a copy of one behind a URL, since it is read in many places."""
    file = open_container(location)
    return _temporary(file, location) if is_url(location) else file


def _temporary(file: IO[bytes], location: str) -> IO[bytes]:
    """Return a copy of a file, which is closed, that goes when it is closed itself."""
    # It stays open as long as annotations are read from it.
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with file:
            shutil.copyfileobj(file, copy)
    # The exceptions of a remote file system depend on the package that implements it.
    except Exception as error:
        copy.close()
        raise SourceError(f"{location}: cannot be read ({one_line(error)})") from error
    copy.seek(0)
    return copy


def _read_open(file: IO[bytes], location: str) -> CocoFile:
    """Return the content of an open file, which stays open unless this fails."""
    try:
        return _read_pieces(file, location)
    except BaseException:
        file.close()
        raise


def _read_pieces(file: IO[bytes], location: str) -> CocoFile:
    notes = ListingNotes()
    content = _Content()
    try:
        for piece in read_pieces(file):
            content.add(piece)
    except _UnusualError:
        raise
    except (ValueError, OSError) as error:
        raise _UnusualError(str(error)) from error
    if "images" not in content.keys:
        raise _UnusualError("it has no images")
    images, twice = _each_once(content.images, location, notes)
    categories = _category_names(content.categories, notes)
    stuff = frozenset(row.get("id") for row in content.categories if row.get("isthing") in (0, "0"))
    ids = {image["id"]: None for image in images if image.get("id") is not None}
    others = match_ids(_values(content.places.image_ids), "image_id", ids.keys(), notes)
    category_ids = match_ids(
        _values(dict.fromkeys(chain(content.category_ids, content.segment_ids))),
        "category_id",
        categories.keys(),
        notes,
    )
    meant = {code: others.get(key, key[1]) for key, code in content.places.image_ids.items()}
    known = {code: image_id for code, image_id in meant.items() if image_id is not None and image_id in ids}
    counts = content.places.counts()
    unknown = [code for code in meant if code not in known]
    if unknown:
        count = int(counts[unknown].sum())
        notes.pass_over(UNKNOWN_IMAGES, f"image_id {shown_id(meant[unknown[0]])}", count)
    annotations = AnnotationRows(file, location, content.places, known, category_ids)
    copies = annotations.without_copies(list(twice)) if twice else []
    if copies:
        notes.pass_over("annotations listed twice", f"id {shown_id(copies[0])}", len(copies))
    return CocoFile(images, annotations, categories, stuff, notes)


class _Content:
    """What is kept of a file while it is read."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.images: list[CocoImage] = []
        self.categories: list[dict[str, Any]] = []
        self.places = AnnotationPlaces()
        self.category_ids: dict[IdKey, None] = {}
        self.segment_ids: dict[IdKey, None] = {}

    def add(self, piece: Piece) -> None:
        key = piece.key
        if key not in _LISTS:
            return
        if not piece.in_list:
            if key in self.keys or piece.value not in ([], None):
                raise _UnusualError(f"{key} is there twice, or no list")
            self.keys.add(key)
            return
        row = _plain(piece.value, _LISTS[key])
        if key == "annotations":
            self.places.add(row, piece.start, piece.stop)
            self.category_ids.setdefault(id_key(row.get("category_id")))
            segments = row.get("segments_info") or []
            if not isinstance(segments, list):
                raise _UnusualError("segments are no list")
            for segment in segments:
                self.segment_ids.setdefault(id_key(_plain(segment, "category_id")["category_id"]))
        elif key == "categories":
            self.categories.append(row)
        elif not isinstance(row["file_name"], str):
            raise _UnusualError("a file's name is not text")
        else:
            self.images.append(cast("CocoImage", {name: row[name] for name in _IMAGE_KEYS if name in row}))


def _plain(row: Any, key: str) -> dict[str, Any]:
    """Return an object of a list, with ids that can be compared.

    Raises:
        _UnusualError: it is none, or lacks the key.
    """
    if not isinstance(row, dict) or key not in row or not has_plain_ids(row):
        raise _UnusualError(f"an object without {key}, or with an odd id")
    return without_odd_ids(row)


def _values(keys: Iterable[IdKey]) -> list[Any]:
    return [value for _, value in keys]


def _check(content: Any, location: str) -> dict[str, Any]:
    """Return what is used of a file's content.

    Raises:
        SourceError: it is no COCO annotation file; says what it is, or what is wrong with it.
    """
    layout = other_layout(content)
    if layout:
        raise SourceError(f"{location}: not a COCO annotation file: {layout}")
    if not isinstance(content, dict):
        raise SourceError(f"{location}: not a COCO annotation file: it does not hold a JSON object")
    if "images" not in content:
        raise SourceError(f"{location}: not a COCO annotation file: it has no `images`")
    checked = {name: _rows(content, name, key, location) for name, key in _LISTS.items()}
    lists = [annotation.get("segments_info") or [] for annotation in checked["annotations"]]
    if not all(isinstance(own, list) for own in lists):
        raise SourceError(f"{location}: not a COCO annotation file: a `segments_info` is not a list")
    segments = [each for own in lists for each in own]
    _rows({"segments_info": segments}, "segments_info", "category_id", location)
    return checked


def _rows(content: dict[str, Any], name: str, key: str, location: str) -> list[dict[str, Any]]:
    """Return the objects of a list in the file, after checking that each has `key`, and ids that can be compared."""
    wrong = f"{location}: not a COCO annotation file:"
    rows = content.get(name)
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(f"{wrong} `{name}` is not a list of objects with `{key}`")
    if not all(key in row for row in rows):
        without = next(row for row in rows if key not in row)
        raise SourceError(f"{wrong} `{name}` is not a list of objects with `{key}`: one has {_keys(without)}")
    if name == "images" and not all(isinstance(row[key], str) for row in rows):
        raise SourceError(f"{wrong} a `{key}` is not text")
    for id_name in ID_NAMES:
        if any(isinstance(row.get(id_name), dict | list) for row in rows):
            raise SourceError(f"{wrong} `{id_name}` in `{name}` is neither a number nor text")
    return rows


def _keys(row: dict[str, Any]) -> str:
    return f"only {shown(', '.join(row))}" if row else "nothing"


def _each_once(images: list[CocoImage], location: str, notes: ListingNotes) -> tuple[list[CocoImage], set[Any]]:
    """Return the images without repeats of the same one, and the ids of those that are repeated.

    Raises:
        SourceError: two different images have the same id.
    """
    ids = [image.get("id") for image in images]
    # Whether 7 and "007" are one id need not be asked where all ids are numbers, or all are text.
    types = {type(value) for value in ids}
    if str in types and types & {int, float}:
        ids = [meaning(value) for value in ids]
    by_id: dict[Any, CocoImage] = {}
    kept, twice = [], set()
    for own_id, image in zip(ids, images, strict=True):
        earlier = image if own_id is None else by_id.setdefault(own_id, image)
        if earlier is image:
            kept.append(image)
        elif _same_file(earlier["file_name"], image["file_name"]):
            notes.pass_over("images listed twice", shown(image["file_name"]))
            twice.add(earlier["id"])
        else:
            raise SourceError(
                f"{location}: {shown(earlier['file_name'])} and {shown(image['file_name'])} have the same id "
                f"{shown_id(image['id'])}, so that annotations would fall on the wrong one; give each image an id of "
                "its own, or each merged file as a dataset of its own"
            )
    return kept, twice


def _same_file(name: str, other: str) -> bool:
    return _as_path(name) == _as_path(other)


def _as_path(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/"))


def _category_names(categories: list[dict[str, Any]], notes: ListingNotes) -> dict[Any, str]:
    names: dict[Any, str] = {}
    twice = ""
    for category in categories:
        own_id, name = category.get("id"), utf8_safe(str(category["name"]))
        if own_id is None:
            continue
        first = names.setdefault(own_id, name)
        if first != name and not twice:
            twice = f"category {shown_id(own_id)} is both {shown(first)} and {shown(name)}, and the first is taken"
    if twice:
        notes.guess(twice)
    return names
