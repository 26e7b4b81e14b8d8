"""From a name in a list to a file: where it starts, and what it may mean if it is no file's as it stands."""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from gapscope.sources.entry import Entry
from gapscope.sources.files import path_bytes, path_text
from gapscope.sources.folder import file_entry
from gapscope.sources.lists.text import NOT_UTF_8, readable
from gapscope.urls import is_url, move

_MAX_PATH_CHARS = 4096
_MAX_URL_CHARS = 8192
_SHOWN_CHARS = 200

NOT_FOUND = ("missing", "unreadable")
"""The statuses of a name that is no file's; it is `unreadable` if a part of it is too long."""

_WINDOWS = re.compile(r"/?[A-Za-z]:[/\\]|\\\\[^\\]")
_ABSOLUTE = re.compile(r"[/~]|file:", re.IGNORECASE)
_FILE_URL = re.compile(r"file:(?://(?:localhost(?=/))?|(?=/(?!/)))", re.IGNORECASE)
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)

_QUOTES = "quotes around names are taken off"
_SLASHES = "backslashes in names are read as /"
_ACCENTS = "names match files whose accents are encoded in the other way (Unicode NFC or NFD)"
_BELOW = "absolute names that do not exist are found below the place where relative ones start"
_PERCENT = "percent signs in file:// URLs are taken as they stand"

_BACKSLASH = "\\"


@dataclass(frozen=True)
class Names:
    """How the names in a list are understood.

    Attributes:
        base: the absolute path or URL at which relative names start, without a slash at its end.
        backslashes: whether a backslash in a name separates folders.
        moved: old beginnings of absolute names with those of this machine.
    """

    base: str
    backslashes: bool = False
    moved: tuple[tuple[str, str], ...] = ()

    def find(self, name: str) -> tuple[Entry, Sequence[str]]:
        """Return the entry of what a name stands for, and sentences on how it was read other than as it stands.

        A name is read in other ways only where it is no file's as it stands. URLs are not looked up.

        Args:
            name: a path or URL as it stands in the list; bytes that are not UTF-8 are lone surrogates.

        Example:
            >>> entry, told = Names("/nowhere").find("a.jpg")
            >>> entry.uri, entry.status, told
            ('/nowhere/a.jpg', 'missing', ())
        """
        name = move(name.strip().strip("\ufeff"), self.moved)
        if not name:
            return Entry(f"{self.base}/", status="missing", error="the list's row names no image"), ()
        if is_url(name) or name[:6].lower() == "file:/":
            return self._find_url(name)
        if is_url(self.base):
            return _remote_entry(f"{self.base}/{name.replace(_BACKSLASH, '/') if self.backslashes else name}")
        return self._find_path(name)

    def finds(self, name: str) -> bool:
        """Tell whether a name is that of something on this machine."""
        entry, _ = self.find(name)
        return entry.status not in NOT_FOUND and not is_url(entry.uri)

    def _find_url(self, name: str) -> tuple[Entry, Sequence[str]]:
        url = name.strip("\"'")
        quotes = [_QUOTES] if url != name else []
        if not (scheme := _FILE_URL.match(url)):
            entry, told = _remote_entry(url)
            return entry, [*quotes, *told]
        literal = url[scheme.end() :] or "/"
        if is_url(self.base):
            return _remote_entry(f"{self.base}/{literal}")
        entry, told = self._find_path(unquote(literal, errors="surrogateescape"))
        if entry.status in NOT_FOUND and "%" in literal:
            other, _ = self._find_path(literal)
            if other.status not in NOT_FOUND:
                return other, [*quotes, _PERCENT]
        return entry, [*quotes, *told]

    def _find_path(self, name: str) -> tuple[Entry, Sequence[str]]:
        if self.backslashes and not _WINDOWS.match(name):
            name = name.replace(_BACKSLASH, "/")
        entry = self._look_up(name)
        if entry.status not in NOT_FOUND:
            return entry, ()
        told: list[str] = []
        reading = name
        for reading, sentence in _other_readings(name):
            told.append(sentence)
            other = self._look_up(reading)
            if other.status not in NOT_FOUND:
                return other, told
        if not reading.isascii() and (path := _with_other_accents(self._absolute(reading))):
            return file_entry(path), [*told, _ACCENTS]
        if reading[0] == "/" and (below := self._look_up(f".{reading}")).status not in NOT_FOUND:
            return below, [*told, _BELOW]
        if _WINDOWS.match(reading):
            error = "a path on a drive or share of Windows cannot exist on this machine"
            return replace(entry, status="missing", error=error), ()
        if NOT_UTF_8 in told:
            return self._look_up(readable(name)), [NOT_UTF_8]
        return entry, ()

    def _look_up(self, name: str) -> Entry:
        # Before the path is made, because some versions of Python end it at a zero byte.
        if refused := _refuse(name, _MAX_PATH_CHARS):
            return replace(refused, uri=self._absolute(refused.uri))
        return file_entry(self._absolute(name))

    def _absolute(self, name: str) -> str:
        if name[0] == "~":
            user, slash, rest = name.partition("/")
            # As bytes, because the locale may be unable to encode the path. Python looks up no other users.
            if user.isascii():
                name = f"{path_text(os.path.expanduser(user.encode()))}{slash}{rest}"
        return os.path.normpath(name if name[0] == "/" else f"{self.base}/{name}")


def _remote_entry(url: str) -> tuple[Entry, Sequence[str]]:
    text = readable(url)
    return _refuse(text, _MAX_URL_CHARS) or Entry(text), () if text == url else [NOT_UTF_8]


def _refuse(name: str, max_chars: int) -> Entry | None:
    """Return the entry of a name that no file can have, with the name for its uri; None for all others."""
    if len(name) > max_chars:
        error = f"no file has a name of {len(name):,} characters"
        shown = readable(name[:_SHOWN_CHARS]).replace("\0", "\\x00")
        return Entry(f"{shown}...", status="missing", error=error)
    if "\0" in name:
        error = "the image's name contains a zero byte"
        return Entry(readable(name).replace("\0", "\\x00"), status="bad-name", error=error)
    if not name.isascii():
        try:
            path_bytes(name)
        # A lone surrogate that JSON can contain, but no file name.
        except UnicodeEncodeError:
            return Entry(readable(name), status="bad-name", error="the image's name is not UTF-8")
    return None


def _other_readings(name: str) -> Iterator[tuple[str, str]]:
    """Yield what a name may mean, each reading on top of the one before, with a sentence that says so."""
    if quoted := _QUOTED.fullmatch(name):
        name = quoted[2].strip()
        if not name:
            return
        yield name, _QUOTES
    if (text := readable(name)) != name:
        name = text
        yield name, NOT_UTF_8
    if _BACKSLASH in name and not _WINDOWS.match(name):
        yield name.replace(_BACKSLASH, "/"), _SLASHES


def _with_other_accents(path: str) -> str | None:
    """Return a path that exists and differs only in how accents are encoded; None if there is none."""
    found = ""
    for part in path.split("/")[1:]:
        forms = dict.fromkeys((part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part)))
        candidates = (f"{found}/{form}" for form in forms)
        existing = next((path for path in candidates if file_entry(path).status not in NOT_FOUND), None)
        if existing is None:
            return None
        found = existing
    return found


def places(folder: str) -> tuple[Names, ...]:
    """Return where relative names of a list may start: in the list's folder, or else in the working directory.

    Args:
        folder: the path or URL of the folder with the list.
    """
    beside = Names(folder)
    if is_url(folder):
        return (beside,)
    try:
        here = Names(path_text(os.getcwdb()).rstrip("/"))
    # It was removed.
    except FileNotFoundError:
        return (beside,)
    return (beside,) if here == beside else (beside, here)


def find_base(names: Sequence[str], near: Sequence[Names]) -> tuple[Names, list[str]]:
    """Return how the names of a list are understood, and what a user should be told about it.

    Args:
        names: the first names of the list.
        near: where relative ones may start, as `places` returns it.
    """
    relative = [name for name in map(str.strip, names) if not is_url(name) and not _ABSOLUTE.match(name)]
    found = next((place for place in near if any(map(place.finds, relative))), near[0])
    told = []
    if found != near[0]:
        told.append(
            f"relative names start at the working directory, {readable(found.base) or '/'}, and not at the list"
        )
    if _has_backslashes(names, found):
        return replace(found, backslashes=True), [*told, _SLASHES]
    return found, told


def _has_backslashes(names: Sequence[str], found: Names) -> bool:
    """Tell whether backslashes separate the folders in all of some names, and none is that of a file as it stands."""
    separated = [name for name in names if ("/" in name or _BACKSLASH in name) and not _WINDOWS.match(name)]
    if not separated or any("/" in name for name in separated):
        return False
    if is_url(found.base):
        return True
    return not any(entry.status not in NOT_FOUND and not told for entry, told in map(found.find, separated))
