"""Lists of one path per line, perhaps in quotes, and perhaps with a label behind it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from gapscope.sources.formats import IMAGE_SUFFIXES, has_image_suffix
from gapscope.sources.list_columns import looks_like_image
from gapscope.sources.list_rows import BadRow, Cells, too_long
from gapscope.sources.list_text import ListText
from gapscope.sources.notes import ListingNotes

_SEPARATOR = r"(?:[ \t]*[,;|\t][ \t]*|[ \t]+)"
_SEPARATORS = frozenset(" \t,;|")
_SUFFIX = "|".join(re.escape(suffix[1:]) for suffix in sorted(IMAGE_SUFFIXES))
_AFTER_SUFFIX = re.compile(rf"\.(?:{_SUFFIX})(?:\?[^\s,;|]*)?(?P<separator>{_SEPARATOR})", re.IGNORECASE)
_AFTER_WORD = re.compile(rf"\S+?(?P<separator>{_SEPARATOR})")
_IN_QUOTES = re.compile(rf"""(?P<quote>["'])(?P<path>.+?)(?P=quote)(?:{_SEPARATOR}(?P<label>.*))?""")

End = Literal["line", "suffix", "last suffix", "word"]
"""Where a path ends: with its line, after the first or the last suffix of an image, or after the first word."""

_ENDS: tuple[End, ...] = ("line", "suffix", "last suffix", "word")


@dataclass(frozen=True)
class Lines:
    """A list of one path per line. Empty lines, and those that begin with `#`, are no rows.

    Attributes:
        text: where it is, and how it is stored.
        end: where a path ends; a label follows, unless it ends with its line.
        quotes: whether paths stand in quotes.
    """

    text: ListText
    end: End
    quotes: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The path, and the label if there is one."""
        return ("path",) if self.end == "line" else ("path", "label")

    @property
    def guesses(self) -> tuple[str, ...]:
        """What a user should be told about how the list is written."""
        quotes = ["quotes around names are taken off"] if self.quotes else []
        label = ["a label follows the path in the list's lines"] if self.end != "line" else []
        return (*self.text.guesses, *quotes, *label)

    def rows(self, notes: ListingNotes) -> Iterator[Cells | BadRow]:
        """Yield the rows in their order: path, label and the line itself.

        Raises:
            SourceError: the list cannot be read beyond the rows so far.
        """
        for number, line in enumerate(self.text.lines(), 1):
            if line is None:
                yield too_long(number)
            elif not (text := line.strip().lstrip("\ufeff")):
                continue
            elif text[0] == "#":
                if looks_like_image(text):
                    notes.pass_over("names behind a #", text)
            elif self.end == "line" and not self.quotes:
                yield text, "", text
            else:
                yield *read_line(text, self.end, quotes=self.quotes), text

    def other_readings(self, cells: Cells, column: int) -> Iterator[tuple[Cells, str]]:
        """Yield a line with its path at another end."""
        del column
        path, _, line = cells
        if _SEPARATORS.isdisjoint(line):
            return
        tried = {path}
        for quotes, end in product((False, True) if line[0] in "\"'" else (False,), _ENDS):
            path, label = read_line(line, end, quotes=quotes)
            if path not in tried:
                tried.add(path)
                left_out = label and self.end == "line"
                yield (path, label, line), "a label follows the path in some lines, and is left out" if left_out else ""


def read_line(line: str, end: End, *, quotes: bool) -> tuple[str, str]:
    """Return the path and the label of a line; the label is empty if there is none.

    Args:
        line: without spaces around it.
        end: where the path ends. In a line without such an end it ends with the line.
        quotes: whether a path in quotes ends with them.

    Example:
        >>> read_line("a b.jpg 3", "suffix", quotes=False), read_line('"a b.jpg",3', "line", quotes=True)
        (('a b.jpg', '3'), ('a b.jpg', '3'))
    """
    if quotes and (match := _IN_QUOTES.fullmatch(line)):
        return match["path"], match["label"] or ""
    if end == "line":
        return line, ""
    if end == "suffix":
        match = _AFTER_SUFFIX.search(line)
    elif end == "last suffix":
        *_, match = [None, *_AFTER_SUFFIX.finditer(line)]
    else:
        match = _AFTER_WORD.match(line)
    if match is None:
        return line, ""
    return line[: match.start("separator")], line[match.end() :]


def find_lines(text: ListText, head: Sequence[str], is_file: Callable[[str], bool]) -> Lines:
    """Return how a list of paths is written, from its first lines.

    Paths end where most of them are names of files. Where none is, a label follows the suffix of an image in lines that
    do not end with one.

    Args:
        text: where it is, and how it is stored.
        head: its first lines.
        is_file: tells whether a name is that of a file.
    """
    lines = [line for line in map(str.strip, head) if line and line[0] != "#"]
    quotes = bool(lines) and all(map(_IN_QUOTES.fullmatch, lines))

    def read(end: End) -> list[tuple[str, str]]:
        return [read_line(line, end, quotes=quotes) for line in lines]

    found = {end: sum(is_file(path) for path, _ in read(end)) for end in _ENDS}
    cut = zip(lines, read("suffix"), strict=True)
    labelled = sum(bool(label) and not has_image_suffix(line) for line, (_, label) in cut)
    likely: End = "suffix" if labelled * 2 > len(lines) else "line"
    end = max(_ENDS, key=lambda end: (found[end], end == likely))
    return Lines(text, end, quotes)
