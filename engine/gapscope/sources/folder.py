"""A local folder of image files, including its subfolders."""

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gapscope.errors import one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes, read_file
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes
from gapscope.sources.patterns import base_folder
from gapscope.sources.rejects import Rejected, rejected_from_os_error
from gapscope.sources.source import without_prefix


@dataclass(frozen=True)
class Folder:
    """The image files below `root`, sorted by path. Links are followed, but not in cycles.

    Attributes:
        root: absolute path of the folder.
        location: the folder, or the pattern that the user gave.
        matches: a regular expression for the paths to list; None for all names with an image's suffix.
    """

    root: str
    location: str = ""
    matches: str | None = None

    def __post_init__(self) -> None:
        if not self.location:
            object.__setattr__(self, "location", self.root)

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> str:
        """The path of the folder."""
        return self.root

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Empty: a folder has no metadata."""
        return {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"in {without_prefix(self.location)}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images of the folder.

        Whatever has the name of an image and is not a readable file is an entry too, with the reason. Hidden files and
        folders, and those of thumbnails, are passed over unless a pattern names them.
        """
        matches = re.compile(self.matches).match if self.matches else None
        takes_all = self.matches is not None and names_aside(self.location)
        walk = _Walk(matches, takes_all, notes or ListingNotes())
        yield from walk.below(path_bytes(self.root), ancestors=frozenset())

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file.

        Raises:
            Rejected: the file has changed since it was listed, or cannot be read.
        """
        check_file_unchanged(entry)
        return read_file(entry.uri)


_MAX_COUNTED = 20_000
"""Names that are read at most to count the images in a folder that is passed over: a backup may lie there."""

ASIDE = ("@eadir", "__macosx", "$recycle.bin", "lost+found")
"""Folders, in lower case, in which systems and programs keep copies and thumbnails beside the images themselves."""


def is_aside(path: str) -> bool:
    """Tell whether a path below a dataset's folder leads to what lies beside the images and is none of them.

    That is whatever is in a hidden folder or one of `ASIDE`, and files named ._*, which macOS writes beside others.

    Example:
        >>> [is_aside(path) for path in ("a/.cache/1.jpg", "a/._1.jpg", "@eaDir/1.jpg", "a/.1.jpg", "a/1.jpg")]
        [True, True, True, False, False]
    """
    *folders, name = path.split("/")
    return name.startswith("._") or any(_is_aside(folder) for folder in folders)


def note_aside(path: str, name: str, notes: ListingNotes) -> None:
    """Note an image that is passed over because `is_aside` holds for its path.

    Args:
        path: below the dataset's folder or archive.
        name: the whole name, as an example.
        notes: takes it.

    Example:
        >>> notes = ListingNotes()
        >>> note_aside("a/@eaDir/1.jpg", "a.zip::a/@eaDir/1.jpg", notes)
        >>> print(notes.describe())
        passed over: images in folders named @eaDir (1, such as a.zip::a/@eaDir/1.jpg)
    """
    folder = next(filter(_is_aside, path.split("/")[:-1]), "")
    notes.pass_over(_what_lies_in(folder) if folder else _BESIDE_FILES, name)


_BESIDE_FILES = "files named ._*"


def _what_lies_in(folder: str) -> str:
    return "images in hidden folders" if folder.startswith(".") else f"images in folders named {folder}"


def _is_aside(folder: str) -> bool:
    return (folder.startswith(".") and folder not in (".", "..")) or folder.lower() in ASIDE


def check_file_unchanged(entry: Entry) -> None:
    """Check that a local image file has not changed since it was listed.

    Raises:
        Rejected: the file has changed, or no longer exists.
    """
    if entry.bytes < 0:
        return
    try:
        current = os.stat(path_bytes(entry.uri))
    except OSError as error:
        raise rejected_from_os_error(error) from error
    if stat.S_ISREG(current.st_mode) and (current.st_size, current.st_mtime_ns) != (entry.bytes, entry.mtime_ns):
        raise Rejected("changed", "the file has changed since it was listed")


@dataclass(frozen=True)
class _Walk:
    """Goes through a folder and its subfolders in the order of their names.

    Attributes:
        matches: tells whether a path is to be listed; None for all names with an image's suffix.
        takes_all: whether hidden folders and files are listed too.
        notes: takes what is passed over.
    """

    matches: Callable[[str], object] | None
    takes_all: bool
    notes: ListingNotes

    def below(self, folder: bytes, ancestors: frozenset[tuple[int, int]]) -> Iterator[Entry]:
        try:
            status = os.stat(folder)
            with os.scandir(folder) as scan:
                members = sorted(scan, key=_name_of)
        except OSError as error:
            rejected = rejected_from_os_error(error)
            reason = f"the folder cannot be listed: {rejected.error}"
            yield Entry(utf8_safe(_as_text(folder)), status=rejected.status, error=reason)
            return
        key = (status.st_dev, status.st_ino)
        if key in ancestors:
            return
        ancestors |= {key}
        for member in members:
            name = _as_text(member.name)
            path = _as_text(member.path)
            listed = has_image_suffix(name) if self.matches is None else self.matches(path) is not None
            is_folder = _is_folder(member)
            if not self.takes_all and (_is_aside(name) if is_folder else name.startswith("._")):
                self._pass_over(member, name)
            elif is_folder:
                if listed and self.matches is None:
                    yield Entry(utf8_safe(path), status="not-a-file", error="a directory has the name of an image")
                yield from self.below(member.path, ancestors)
            elif listed:
                yield file_entry(path)
            elif self.matches is None:
                self.notes.pass_over_file(name)

    def _pass_over(self, member: "os.DirEntry[bytes]", name: str) -> None:
        """Count the image, or the images in a folder, that are passed over."""
        if _is_folder(member):
            what = _what_lies_in(name)
            # What a link leads to may be anything, and is counted elsewhere if it belongs here.
            count, example = (0, b"") if member.is_symlink() else _count_images(member.path)
        else:
            what = _BESIDE_FILES
            count, example = int(has_image_suffix(name)), member.path
        if count:
            self.notes.pass_over(what, utf8_safe(_as_text(example)), count)


def _count_images(folder: bytes) -> tuple[int, bytes]:
    """Return how many images lie in a folder, and the first; a folder of very many files is not gone through."""
    count, example, left = 0, b"", _MAX_COUNTED
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if has_image_suffix(_as_text(name)):
                count, example = count + 1, example or os.path.join(path, name)
        left -= len(files) + len(folders)
        if left < 0:
            break
    return count, example


def _name_of(member: "os.DirEntry[bytes]") -> bytes:
    return member.name


def _is_folder(member: "os.DirEntry[bytes]") -> bool:
    try:
        return member.is_dir()
    except OSError:
        return False


def names_aside(pattern: str) -> bool:
    """Tell whether a pattern itself names hidden folders or files, so that they are wanted.

    Example:
        >>> names_aside("/home/.data/*.jpg"), names_aside("photos/*/.cache/*.jpg")
        (False, True)
    """
    return is_aside(pattern.removeprefix(base_folder(pattern)).strip("/"))


def _as_text(path: bytes) -> str:
    return path.decode("utf-8", errors="surrogateescape")


def file_entry(path: str) -> Entry:
    """Return the entry of a local path, with the reason if it is not a file that can be read."""
    try:
        status = os.stat(path_bytes(path))
    except OSError as error:
        rejected = rejected_from_os_error(error)
        return Entry(utf8_safe(path), status=rejected.status, error=rejected.error)
    except (UnicodeEncodeError, ValueError) as error:
        return Entry(utf8_safe(path), status="bad-name", error=f"no file can have this name: {one_line(error)}")
    if stat.S_ISDIR(status.st_mode):
        return Entry(utf8_safe(path), status="not-a-file", error="a directory has the name of an image")
    if not stat.S_ISREG(status.st_mode):
        return Entry(utf8_safe(path), status="not-a-file", error="a pipe, socket or device has the name of an image")
    if utf8_safe(path) != path:
        return Entry(utf8_safe(path), status.st_size, status.st_mtime_ns, "bad-name", "the file's name is not UTF-8")
    return Entry(path, status.st_size, status.st_mtime_ns)


def utf8_safe(text: str) -> str:
    r"""Return text that can be encoded as UTF-8: bytes of a path that are not UTF-8 are escaped.

    Example:
        >>> print(utf8_safe(b"caf\xe9.png".decode("utf-8", "surrogateescape")))
        caf\xe9.png
    """
    if text.isascii():
        return text
    try:
        return path_bytes(text).decode("utf-8", errors="backslashreplace")
    except UnicodeEncodeError:
        # A lone surrogate that JSON can contain, but no file name.
        return text.encode("utf-8", errors="backslashreplace").decode()
