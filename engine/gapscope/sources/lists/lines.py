"""Lists of one path per line, perhaps in quotes, and perhaps with a label."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from gapscope.sources.formats import IMAGE_SUFFIXES, has_image_suffix
from gapscope.sources.lists.columns import known_by_name, looks_like_image
from gapscope.sources.lists.rows import BadRow, Cells, too_long
from gapscope.sources.lists.text import ListText
from gapscope.sources.notes import ListingNotes

_SEPARATOR = r"(?:[ \t]*[,;|\t][ \t]*|[ \t]+)"
_SEPARATORS = " \t,;|"
_SUFFIX = "|".join(re.escape(suffix[1:]) for suffix in sorted(IMAGE_SUFFIXES))
_AFTER_SUFFIX = re.compile(rf"\.(?:{_SUFFIX})(?:\?[^\s,;|]*)?(?P<separator>{_SEPARATOR})", re.IGNORECASE)
_FIRST_WORD = re.compile(rf"(?P<word>\S+?)(?P<separator>{_SEPARATOR})")
_WORD = re.compile(r"[^\s,;|]+")
_IN_QUOTES = re.compile(rf"""(?P<quote>["'])(?P<path>.+?)(?P=quote)(?:{_SEPARATOR}(?P<label>.*))?""")

PathIs = Literal["the line", "to the suffix", "to the last suffix", "the first word", "behind the first word", "a word"]
"""Which part of a line the path is; a suffix is that of an image. The rest is the label.

"a word" is one with such a suffix, with labels before it and perhaps behind it.
"""

_PARTS: tuple[PathIs, ...] = get_args(PathIs)

_LABELS = {"behind the first word": "a label stands before", "a word": "labels stand around"}

_TRIED = 32


@dataclass(frozen=True)
class Lines:
    """A list of one path per line. Empty lines, and those that begin with `#`, are no rows.

    Attributes:
        text: where it is, and how it is stored.
        path_is: which part of a line the path is.
        quotes: whether paths stand in quotes.
        header: whether the first line names columns.
    """

    text: ListText
    path_is: PathIs
    quotes: bool
    header: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The path, and the label if there is one."""
        return ("path",) if self.path_is == "the line" else ("path", "label")

    @property
    def guesses(self) -> tuple[str, ...]:
        """What a user should be told about how the list is written."""
        told = [*self.text.guesses]
        if self.quotes:
            told.append("quotes around names are taken off")
        if self.path_is != "the line":
            told.append(f"{_LABELS.get(self.path_is, 'a label follows')} the path in the list's lines")
        if self.header:
            told.append("the list's first line names columns, and no image")
        return tuple(told)

    def rows(self, notes: ListingNotes) -> Iterator[Cells | BadRow]:
        """Yield the rows in their order: path, label and the line itself.

        Raises:
            SourceError: the list cannot be read beyond the rows so far.
        """
        header = self.header
        for number, line in enumerate(self.text.lines(), 1):
            if line is None:
                yield too_long(number)
            elif not (text := line.strip().lstrip("\ufeff")):
                continue
            elif text[0] == "#":
                if looks_like_image(text):
                    notes.pass_over("images behind a #", text)
            elif header:
                header = False
            elif self.path_is == "the line" and not self.quotes:
                yield text, "", text
            else:
                yield *read_line(text, self.path_is, quotes=self.quotes), text

    def other_readings(self, cells: Cells, column: int) -> Iterator[tuple[Cells, str]]:
        """Yield a line with other parts of it as its path."""
        del column
        path, _, line = cells
        if not any(separator in line for separator in _SEPARATORS):
            return
        tried = {path}
        for quotes, path_is in product((False, True) if line[0] in "\"'" else (False,), _PARTS):
            path, label = read_line(line, path_is, quotes=quotes)
            if path not in tried:
                tried.add(path)
                left_out = label and self.path_is == "the line"
                yield (path, label, line), "the labels in some lines are left out" if left_out else ""


def read_line(line: str, path_is: PathIs, *, quotes: bool) -> tuple[str, str]:
    """Return the path and the label of a line; the label is empty if there is none.

    Args:
        line: without spaces around it.
        path_is: which part of it the path is. It is the whole line if there is no such part.
        quotes: whether a path in quotes ends with them.

    Example:
        >>> read_line("a b.jpg 3", "to the suffix", quotes=False), read_line('"a b.jpg",3', "the line", quotes=True)
        (('a b.jpg', '3'), ('a b.jpg', '3'))
        >>> read_line("17 cat a.jpg 3", "a word", quotes=False)
        ('a.jpg', '17 cat 3')
    """
    if quotes and (match := _IN_QUOTES.fullmatch(line)):
        label = match["label"] or ""
        quoted = _IN_QUOTES.fullmatch(label)
        return match["path"], quoted["path"] if quoted and quoted["label"] is None else label
    match path_is:
        case "the line":
            cut = None
        case "to the suffix":
            cut = _AFTER_SUFFIX.search(line)
        case "to the last suffix":
            *_, cut = [None, *_AFTER_SUFFIX.finditer(line)]
        case "the first word" | "behind the first word":
            cut = _FIRST_WORD.match(line)
        case "a word":
            word = next((word for word in _WORD.finditer(line) if looks_like_image(word[0])), None)
            around = (line[: word.start()], line[word.end() :]) if word else ()
            labels = " ".join(filter(None, (label.strip(_SEPARATORS) for label in around)))
            return (word[0], labels) if word else (line, "")
    if cut is None:
        return line, ""
    before, behind = line[: cut.start("separator")], line[cut.end() :]
    return (behind, before) if path_is == "behind the first word" and behind else (before, behind)


def find_lines(text: ListText, head: Sequence[str], is_file: Callable[[str], bool]) -> Lines:
    """Return how a list of paths is written, from its first lines.

    The path is the part that is most often the name of a file. Where none is, a label follows the suffix of an image in
    lines that do not end with one.

    Args:
        text: where it is, and how it is stored.
        head: its first lines.
        is_file: tells whether a name is that of a file.
    """
    lines = [line for line in map(str.strip, head) if line and line[0] != "#"]
    quotes = bool(lines) and all(map(_IN_QUOTES.fullmatch, lines))

    def read(path_is: PathIs) -> list[tuple[str, str]]:
        return [read_line(line, path_is, quotes=quotes) for line in lines]

    found = {part: sum(is_file(path) for path, _ in read(part)[:_TRIED]) for part in _PARTS}
    cut = zip(lines, read("to the suffix"), strict=True)
    labelled = sum(bool(label) and not has_image_suffix(line) for line, (_, label) in cut)
    likely: PathIs = "to the suffix" if labelled * 2 > len(lines) else "the line"
    path_is = max(_PARTS, key=lambda part: (found[part], part == likely))
    header = path_is != "the line" and _is_header(lines, [path for path, _ in read(path_is)], is_file)
    return Lines(text, path_is, quotes, header)


def _is_header(lines: Sequence[str], paths: Sequence[str], is_file: Callable[[str], bool]) -> bool:
    if looks_like_image(paths[0]) or is_file(paths[0]):
        return False
    return bool(known_by_name(re.split(_SEPARATOR, lines[0]))) and any(map(looks_like_image, paths[1:]))
