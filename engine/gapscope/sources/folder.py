"""A local folder of image files, including its subfolders."""

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from gapscope.errors import one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import path_bytes, path_text, read_file
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

        Whatever has the name of an image and is not a readable file is an entry too, with the reason. Images in hidden
        folders, in folders that programs keep beside images, and in files named ._* are passed over, unless a pattern
        names such a folder or file.
        """
        notes = notes or ListingNotes()
        matches = re.compile(self.matches).match if self.matches else None
        takes_all = self.matches is not None and names_aside(self.location)
        walk = _Walk(matches, takes_all, notes)
        yield from walk.below(path_bytes(self.root), ancestors=frozenset())

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the entry's file.

        Raises:
            Rejected: the file has changed since it was listed, or cannot be read.
        """
        check_file_unchanged(entry)
        return read_file(entry.uri)


_MAX_COUNTED = 20_000
"""Once so many names of a folder that is passed over are read, no further subfolder is: a backup may lie there."""

_ASIDE = ("@eadir", "__macosx", "$recycle.bin", "lost+found")
"""Folders, in lower case, in which systems and programs keep copies and thumbnails beside the images themselves."""


def is_aside(path: str) -> bool:
    """Tell whether a path below a dataset's folder leads to what lies beside the images and is none of them.

    That is whatever is in a hidden folder or one of `_ASIDE`, and files named ._*, which macOS writes beside others.

    Example:
        >>> [is_aside(path) for path in ("a/.cache/1.jpg", "a/._1.jpg", "@eaDir/1.jpg", "a/.1.jpg", "a/1.jpg")]
        [True, True, True, False, False]
    """
    *folders, name = path.split("/")
    return name.startswith("._") or any(map(is_aside_folder, folders))


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
    folder = next(filter(is_aside_folder, path.split("/")[:-1]), "")
    notes.pass_over(_what_lies_in(folder) if folder else _BESIDE_FILES, name)


_BESIDE_FILES = "files named ._*"


def _what_lies_in(folder: str) -> str:
    return "images in hidden folders" if folder.startswith(".") else f"images in folders named {folder}"


def is_aside_folder(name: str) -> bool:
    """Tell whether a folder of this name is hidden, or one in which programs keep copies beside the images.

    Example:
        >>> [is_aside_folder(name) for name in (".cache", "@eaDir", "..", "photos")]
        [True, True, False, False]
    """
    return (name.startswith(".") and name not in (".", "..")) or name.lower() in _ASIDE


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
        takes_all: whether what `is_aside` holds for is listed too.
        notes: takes what is passed over.
    """

    matches: Callable[[str], object] | None
    takes_all: bool
    notes: ListingNotes

    def below(self, folder: bytes, ancestors: frozenset[tuple[int, int]]) -> Iterator[Entry]:
        try:
            status = os.stat(folder)
            with os.scandir(folder) as scan:
                members = sorted(scan, key=attrgetter("name"))
        except OSError as error:
            rejected = rejected_from_os_error(error)
            reason = f"the folder cannot be listed: {rejected.error}"
            yield Entry(utf8_safe(path_text(folder)), status=rejected.status, error=reason)
            return
        key = (status.st_dev, status.st_ino)
        if key in ancestors:
            return
        ancestors |= {key}
        for member in members:
            name, path = path_text(member.name), path_text(member.path)
            if is_folder(member):
                if not self.takes_all and is_aside_folder(name):
                    self._pass_over_folder(member, name)
                    continue
                if self.matches is None and has_image_suffix(name):
                    yield Entry(utf8_safe(path), status="not-a-file", error="a directory has the name of an image")
                yield from self.below(member.path, ancestors)
            elif not self.takes_all and name.startswith("._"):
                if has_image_suffix(name):
                    self.notes.pass_over(_BESIDE_FILES, utf8_safe(path))
            elif has_image_suffix(name) if self.matches is None else self.matches(path):
                yield file_entry(path)
            elif self.matches is None:
                self.notes.pass_over_file(name)

    def _pass_over_folder(self, folder: "os.DirEntry[bytes]", name: str) -> None:
        # What a link leads to may be anything, and is counted elsewhere if it belongs here.
        if folder.is_symlink():
            return
        count, example = _count_images(folder.path)
        if count:
            self.notes.pass_over(_what_lies_in(name), utf8_safe(path_text(example)), count)


def _count_images(folder: bytes) -> tuple[int, bytes]:
    """Return how many images lie in a folder, and the first; a folder of very many files is not gone through."""
    count, example, left = 0, b"", _MAX_COUNTED
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if has_image_suffix(path_text(name)):
                count, example = count + 1, example or os.path.join(path, name)
        left -= len(files) + len(folders)
        if left < 0:
            break
    return count, example


def is_folder(member: "os.DirEntry[bytes]") -> bool:
    """Tell whether a member of a folder is a folder itself, or a link to one; a link that leads nowhere is none.

    Example:
        >>> with os.scandir(b"photos") as members:
        ...     any(map(is_folder, members))
        False
    """
    try:
        return member.is_dir()
    except OSError:
        return False


def names_aside(pattern: str) -> bool:
    """Tell whether a pattern itself names a folder or file that `is_aside` holds for, so that all such are wanted.

    Example:
        >>> names_aside("/home/.data/*.jpg"), names_aside("photos/*/.cache/*.jpg")
        (False, True)
    """
    return is_aside(pattern.removeprefix(base_folder(pattern)).strip("/"))


def file_entry(path: str) -> Entry:
    """Return the entry of a local path, with the reason if it is not a file that can be read."""
    try:
        status = os.stat(path_bytes(path))
    except OSError as error:
        rejected = rejected_from_os_error(error)
        return Entry(utf8_safe(path), status=rejected.status, error=rejected.error)
    except ValueError as error:
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
