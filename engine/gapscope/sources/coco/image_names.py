"""The files that an annotation file's names mean: the folder that they are in, and the file of each name."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal
from urllib.parse import unquote

from gapscope.sources.coco.shown import shown
from gapscope.sources.entry import Entry
from gapscope.sources.files import path_bytes
from gapscope.sources.folder import file_entry, utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url, remote

_TRIED_NAMES = 20
_MAX_DEPTH = 10
"""Folders of a name that are looked at, from its end."""

_UPLOAD = re.compile(r"[0-9a-f]{8}-(.+)")
"""The name of a file that was uploaded to Label Studio, which puts eight digits before it."""


class ImageFiles:
    r"""The files of one folder, by the names that an annotation file has for them.

    A name that does not exist as it stands, such as `images\a.jpg` or `/data/upload/1/a.jpg`, means the file in the
    folder that has the longest end of it, unless another image's name ends alike. Behind a URL, names are taken as they
    stand.

    Args:
        folder: path or URL of the folder.
        names: every image's name in the annotation file.
    """

    def __init__(self, folder: str, names: Iterable[str]) -> None:
        self._folder, self._names = folder, names
        self._guesses = 0
        self._example = ""

    def entry(self, name: str) -> Entry:
        """Return the entry of a file, with the reason if it is not in the folder, or cannot be read."""
        entry = _as_it_stands(self._folder, name)
        if is_url(self._folder) or entry.status not in ("missing", "bad-name"):
            return entry
        end = _meant(self._folder, name)
        if not end:
            return entry
        if self._owners[end] > 1:
            return replace(entry, error=f"{entry.error}; {end} may be meant, but another image's name ends alike")
        self._guesses += 1
        same = unicodedata.normalize("NFC", end) == unicodedata.normalize("NFC", name)
        accents = ", whose accents are encoded in another way" if same else ""
        self._example = self._example or f"{shown(end)} for {shown(name)}{accents}"
        return file_entry(f"{self._folder}/{end}")

    def tell(self, notes: ListingNotes) -> None:
        """Add to the notes of a listing which names were not taken as they stand."""
        if self._guesses:
            notes.guess(
                f"names that do not exist as they stand are found by their end, such as {self._example} "
                f"({self._guesses:,} in all)"
            )

    @cached_property
    def _owners(self) -> Counter[str]:
        """How many different names have an end."""
        ends_of = {ends[0]: ends for ends in map(_ends, self._names) if ends}
        return Counter(end for ends in ends_of.values() for end in set(ends))


def named_folder(annotations: str, part: str) -> str:
    """Return the folder that a user names behind an annotation file: an absolute path or URL, or one beside the file.

    Example:
        >>> named_folder("/data/a.json", "images/"), named_folder("/data/a.json", "s3://bucket/images")
        ('/data/images', 's3://bucket/images')
    """
    folder = part if is_url(part) or os.path.isabs(part) else f"{annotations.rpartition('/')[0]}/{part}"
    return folder.rstrip("/")


def find_folder(annotations: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the folder that holds the images of an annotation file, and another that has files of the same names.

    The folders in which tools put images are compared by how many of about twenty names they have.

    Args:
        annotations: path or URL of the annotation file.
        names: every image's name in it.

    Returns:
        the folder, empty if none has any of the images, and the other one, empty if there is none.
    """
    tried = names[:: -(-len(names) // _TRIED_NAMES)]
    folders = list(dict.fromkeys(_likely_folders(annotations)))
    if is_url(annotations):
        # Every look costs a request.
        looks = ((folder, name) for name in tried for folder in folders if not _problem(folder, name))
        return next((folder for folder, name in looks if _exists_remotely(f"{folder}/{name}")), ""), ""
    ends = {folder: [_meant(folder, name) for name in tried] for folder in folders}
    files = {
        folder: [os.path.realpath(path_bytes(f"{folder}/{end}")) if end else b"" for end in own]
        for folder, own in ends.items()
    }

    def rank(folder: str) -> tuple[int, int]:
        return sum(map(bool, ends[folder])), sum(map(str.__eq__, ends[folder], tried))

    best = max(folders, key=rank)
    enough = rank(best)[0] / 2
    if not enough:
        return "", ""
    others = (
        folder
        for folder in folders
        if sum(bool(own) and own != taken for own, taken in zip(files[folder], files[best], strict=True)) > enough
    )
    return best, next(others, "")


def _likely_folders(annotations: str) -> Iterator[str]:
    base, _, file = annotations.rpartition("/")
    parent = base.rpartition("/")[0]
    # instances_val2017.json is of val2017.
    split = file.rpartition(".")[0].rpartition("_")[2]
    inner = (split, f"images/{split}", "images", "data")
    yield base
    yield from (f"{base}/{name}" for name in inner)
    if base and not parent.endswith("/"):
        yield from (f"{parent}/{name}" for name in inner)


def _exists_remotely(url: str) -> bool:
    fs, path = remote(url)
    return bool(fs.exists(path))


def _as_it_stands(folder: str, name: str) -> Entry:
    path = f"{folder}/{name}"
    problem = _problem(folder, name)
    if problem:
        return Entry(utf8_safe(path).replace("\0", "\\x00"), status="bad-name", error=problem)
    return Entry(path) if is_url(folder) else file_entry(path)


def _problem(folder: str, name: str) -> str:
    if name.startswith("/") or ".." in name.split("/") or is_url(name):
        return "the image's name leads out of the folder of images"
    if "\0" in name:
        return "the image's name contains a zero byte"
    path = f"{folder}/{name}"
    return "" if utf8_safe(path) == path else "the image's name is not UTF-8"


def _meant(folder: str, name: str) -> str:
    """Return the longest end of a name that is a file in a local folder; empty if none is."""
    return next((end for end in _ends(name) if _is_file(f"{folder}/{end}")), "")


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path_bytes(path))
    # A lone surrogate that JSON can contain, but no file name.
    except UnicodeEncodeError:
        return False


def _ends(name: str) -> list[str]:
    r"""Return the paths in a folder that a name may mean, the longest first, as it is written and then unescaped.

    Example:
        >>> _ends("..\\images\\a%20b.jpg")
        ['images/a%20b.jpg', 'a%20b.jpg', 'images/a b.jpg', 'a b.jpg']
    """
    ends = []
    spellings = (name, unquote(name))
    # The same accents in another encoding of Unicode.
    forms: tuple[Literal["NFC", "NFD"], ...] = () if spellings[1].isascii() else ("NFC", "NFD")
    others = (unicodedata.normalize(form, spelling) for form in forms for spelling in spellings)
    for spelling in dict.fromkeys((*spellings, *others)):
        # Label Studio serves local files as /data/local-files/?d=PATH.
        path = spelling.rpartition("?d=")[2]
        parts: list[str] = []
        for part in (path.partition("?")[0] if is_url(path) else path).replace("\\", "/").split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        parts = parts[-_MAX_DEPTH:]
        ends += ["/".join(parts[place:]) for place in range(len(parts))]
        if parts and (upload := _UPLOAD.fullmatch(parts[-1])):
            ends += ["/".join((*parts[place:-1], upload[1])) for place in range(len(parts))]
    return ends
