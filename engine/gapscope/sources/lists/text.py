"""The text of a list: packed or not, in whichever encoding, as lines of bounded length."""

import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

from gapscope.errors import SourceError, one_line
from gapscope.sources.files import open_container
from gapscope.sources.signatures import HEAD_BYTES, misnamed

MAX_LINE_CHARS = 2**20
"""Longest line. A line of metadata may hold the outlines of many objects; a hostile one has no end."""

_HEAD_BYTES = 2**16
_HEAD_LINES = 200
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_UTF_8 = "utf-8-sig"

NOT_UTF_8 = "what is not UTF-8 is read as Windows-1252"
"""What a user should be told where `readable` changes a text."""


@dataclass(frozen=True)
class ListText:
    """Where the text of a list is, and how it is stored.

    Attributes:
        path: path or URL of the list.
        packed: whether gzip has compressed it.
        encoding: of its characters, as Python names it.
    """

    path: str
    packed: bool
    encoding: str

    @property
    def guesses(self) -> tuple[str, ...]:
        """What a user should be told about it."""
        return () if self.encoding == _UTF_8 else (f"the list is read as {self.encoding.upper()}",)

    def lines(self) -> Generator[str | None, None, None]:
        """Yield the lines with their ends, which may be those of Unix, Windows or an old Mac.

        A line that is longer than `MAX_LINE_CHARS` gives None. Bytes that are not UTF-8 become lone surrogates, as in
        the names of files; see `readable`.

        Raises:
            SourceError: the list cannot be read, or what is compressed is damaged.
        """
        errors = "surrogateescape" if self.encoding == _UTF_8 else "backslashreplace"
        with open_container(self.path) as file:
            content = gzip.GzipFile(fileobj=file) if self.packed else file
            with io.TextIOWrapper(content, self.encoding, errors, newline="") as text:
                try:
                    yield from _bounded_lines(text)
                except (OSError, EOFError, UnicodeError, zlib.error) as error:
                    raise SourceError(f"{self.path}: cannot be read to its end ({one_line(error)})") from error

    def head(self) -> list[str]:
        """Return the first lines, enough to see how the list is written."""
        head: list[str] = []
        size = 0
        with closing(self.lines()) as lines:
            for line in islice(lines, _HEAD_LINES):
                if line is not None:
                    head.append(line)
                    size += len(line)
                if size >= _HEAD_BYTES:
                    break
        return head


def _bounded_lines(text: io.TextIOWrapper) -> Iterator[str | None]:
    # Plain iteration would hold a line without an end in memory.
    read = partial(text.readline, MAX_LINE_CHARS)
    while line := read():
        if len(line) < MAX_LINE_CHARS or line[-1] in "\r\n":
            yield line
            continue
        while (rest := read()) and len(rest) == MAX_LINE_CHARS and rest[-1] not in "\r\n":
            pass
        yield None


def find_text(path: str) -> ListText:
    """Return how the text of a list is stored, from its first bytes.

    Args:
        path: path or URL of the list.

    Raises:
        SourceError: the list cannot be read, or is an archive or a workbook.
    """
    with open_container(path) as file:
        try:
            head = file.read(_HEAD_BYTES)
            packed = head.startswith(_GZIP)
            if packed:
                head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
        except (OSError, zlib.error) as error:
            raise SourceError(f"{path}: cannot be read ({one_line(error)})") from error
    if head.startswith(_ZIP):
        raise SourceError(f"{path}: a zip archive or a workbook, and no text; save the list as CSV")
    encoding = _encoding(head)
    if encoding == _UTF_8 and b"\0" in head and (why := misnamed(head[:HEAD_BYTES])):
        raise SourceError(f"{path}: no text: {why}")
    return ListText(path, packed, encoding)


def _encoding(head: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    # Without a mark, UTF-16 shows in ASCII characters, such as those of `.jpg`: every second of their bytes is zero.
    even, odd, pairs = head[0::2].count(0), head[1::2].count(0), len(head) // 2
    if pairs >= 4 and max(even, odd) * 4 >= pairs and min(even, odd) * 10 <= max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return _UTF_8


def readable(text: str) -> str:
    r"""Return text that can be encoded: bytes that are not UTF-8 are read as Windows-1252, which contains Latin-1.

    Example:
        >>> print(readable(b"caf\xe9.png".decode("utf-8", "surrogateescape")))
        café.png
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # A lone surrogate that JSON can contain, but no file name.
        return text.encode("utf-8", "backslashreplace").decode()
    try:
        return raw.decode("cp1252")
    # Windows-1252 leaves five bytes open.
    except UnicodeDecodeError:
        return raw.decode("latin-1")
