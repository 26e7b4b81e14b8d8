"""Reading XML that strangers wrote: in pieces, and without anything that XML can load or multiply."""

from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element, ParseError, XMLParser

from gapscope.errors import SourceError, one_line
from gapscope.sources.files import open_container

_READ_BYTES = 2**16
_MAX_DEPTH = 64


def xml_elements(location: str) -> Iterator[Element]:
    """Yield the root of an XML file, without what is in it, and then each of its children when it is complete.

    Only one child is in memory at a time. A file with a document type is refused: without one, XML has no entities
    but the five that it begins with, so that nothing can be loaded from elsewhere, and nothing multiplies.

    Args:
        location: path or URL of the file.

    Raises:
        SourceError: the file cannot be read as XML from here on, or has a document type.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile("w", suffix=".xml") as file:
        ...     _ = file.write('<annotations><image name="a.png"><box/></image><image name="b.png"/></annotations>')
        ...     file.flush()
        ...     [element.get("name") for element in xml_elements(file.name)]
        [None, 'a.png', 'b.png']
    """
    with open_container(location) as file:
        try:
            yield from _elements(file)
        except _DocumentTypeError as error:
            raise SourceError(f"{location}: {error}") from error
        # An encoding that Python does not know is a LookupError.
        except (ParseError, ValueError, LookupError, OSError) as error:
            raise SourceError(f"{location}: cannot be read as XML ({one_line(error)})") from error


class _DocumentTypeError(Exception):
    """The file has a document type."""


def _elements(file: IO[bytes]) -> Iterator[Element]:
    target = _TopElements()
    # The target refuses what makes XML dangerous.
    parser = XMLParser(target=target)  # noqa: S314
    while data := file.read(_READ_BYTES):
        parser.feed(data)
        yield from target.take()
    parser.close()
    yield from target.take()


class _TopElements:
    """The target of a parser that keeps the root and its children, and gives them away."""

    def __init__(self) -> None:
        self._complete: list[Element] = []
        self._open: list[Element] = []
        self._text: list[str] = []

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        del name, pubid, system
        raise _DocumentTypeError("has a document type, which no tool writes into annotations; delete its DOCTYPE")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) == _MAX_DEPTH:
            raise ValueError(f"elements are nested more than {_MAX_DEPTH} deep")
        element = Element(tag, attributes)
        if not self._open:
            self._complete.append(element)
        elif len(self._open) > 1:
            self._open[-1].append(element)
        self._open.append(element)
        self._text.clear()

    def data(self, text: str) -> None:
        if len(self._open) > 1:
            self._text.append(text)

    def end(self, tag: str) -> None:
        del tag
        element = self._open.pop()
        if len(element) == 0:
            element.text = "".join(self._text)
        self._text.clear()
        if len(self._open) == 1:
            self._complete.append(element)

    def close(self) -> None:
        """Do nothing: the parser calls it at the end of the file."""

    def take(self) -> list[Element]:
        complete, self._complete = self._complete, []
        return complete
