"""Reading a large JSON object piece by piece: the elements of its lists, and where each is in the file."""

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

_CHUNK_BYTES = 2**20
_WHITESPACE = " \t\n\r"
_DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A value of a JSON object, or an element of one that is a list.

    Attributes:
        key: of the value.
        in_list: whether it is an element; a list itself comes before its elements, as an empty one.
        value: as Python's json has it.
        start: where its bytes begin in the file.
        stop: where they end.
    """

    key: str
    in_list: bool
    value: Any
    start: int
    stop: int


def read_pieces(file: IO[bytes]) -> Iterator[Piece]:
    """Yield the values of a JSON object in UTF-8, element by element where they are lists.

    What Python's json accepts is accepted, such as NaN. A few megabytes and the largest piece are in memory.

    Args:
        file: at the start of the object.

    Raises:
        ValueError: it is no JSON object, or not in UTF-8.

    Example:
        >>> import io
        >>> for piece in read_pieces(io.BytesIO(b'{"images": [{"id": 1}, {"id": 2}], "year": 2017}')):
        ...     print(piece.key, piece.in_list, piece.value, piece.start, piece.stop)
        images False [] 11 12
        images True {'id': 1} 12 21
        images True {'id': 2} 23 32
        year False 2017 43 47
    """
    window = _Window(file)
    window.expect("{")
    if window.next_is("}"):
        window.end()
        return
    while True:
        key = window.decode().value
        if not isinstance(key, str):
            raise ValueError("a key is not text")
        window.expect(":")
        start = window.position
        if window.next_is("["):
            yield Piece(key, False, [], start, start + 1)
            if not window.next_is("]"):
                yield window.decode(key, in_list=True)
                while not window.next_is("]"):
                    window.expect(",")
                    yield window.decode(key, in_list=True)
        else:
            yield window.decode(key)
        if window.next_is("}"):
            window.end()
            return
        window.expect(",")


class _Window:
    """A stretch of a file, moved forward. Its bytes are read as Latin-1, so that characters are bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._text, self._at, self._before, self._ended = file, "", 0, 0, False
        self._check = codecs.getincrementaldecoder("utf-8")("surrogatepass")

    @property
    def position(self) -> int:
        """Where in the file the next character that is no white space is."""
        self._skip()
        return self._before + self._at

    def next_is(self, character: str) -> bool:
        """Return whether the next character is this one, and go behind it if it is."""
        self._skip()
        found = self._text.startswith(character, self._at)
        self._at += found
        return found

    def expect(self, character: str) -> None:
        if not self.next_is(character):
            raise ValueError(f"{character} is missing")

    def end(self) -> None:
        self._skip()
        if self._at < len(self._text):
            raise ValueError("something follows")

    def decode(self, key: str = "", *, in_list: bool = False) -> Piece:
        self._skip()
        size = _CHUNK_BYTES
        while True:
            try:
                value, stop = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                if self._ended:
                    raise
            else:
                # A number goes on, perhaps.
                if stop < len(self._text) or self._ended:
                    break
            self._read(size)
            size *= 2
        text = self._text[self._at : stop]
        if not text.isascii():
            value = json.loads(text.encode("latin-1").decode("utf-8", "surrogatepass"))
        piece = Piece(key, in_list, value, self._before + self._at, self._before + stop)
        self._at = stop
        return piece

    def _skip(self) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _WHITESPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return
            self._read(_CHUNK_BYTES)

    def _read(self, size: int) -> None:
        chunk = self._file.read(size)
        self._ended = not chunk
        self._check.decode(chunk, final=self._ended)
        self._before += self._at
        self._text, self._at = self._text[self._at :] + chunk.decode("latin-1"), 0
