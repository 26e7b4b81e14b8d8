"""What a command prints: words for people, or one JSON document for programs; and what it logs on stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import typer

from gapscope.progress import plain_line

if TYPE_CHECKING:
    from gapscope_cli.documents import Document

LogFormat = Literal["text", "json"]


@dataclass
class Output:
    """How the command that runs prints.

    Attributes:
        command: its name.
        as_json: whether stdout gets one JSON document in place of words.
        is_quiet: whether it prints no words, and shows no progress.
        log_format: of what stderr gets.
        has_document: whether the document is printed.
        error: the last error that was printed; empty for none.
    """

    command: str = ""
    as_json: bool = False
    is_quiet: bool = False
    log_format: LogFormat = "text"
    has_document: bool = False
    error: str = ""

    @property
    def is_for_people(self) -> bool:
        """Whether stdout gets words."""
        return not (self.as_json or self.is_quiet)


_OUTPUT: ContextVar[Output] = ContextVar("output", default=Output())  # noqa: B039


def output() -> Output:
    """Return how the command that runs prints."""
    return _OUTPUT.get()


@contextmanager
def use_output(chosen: Output) -> Iterator[None]:
    """Print as chosen; a command that ends with an error and without its document has the error as document."""
    token = _OUTPUT.set(chosen)
    try:
        yield
    except typer.Exit as end:
        if chosen.as_json and not chosen.has_document and end.exit_code:
            error = {"message": chosen.error, "exit_code": end.exit_code}
            _print_json({"format": "gapscope.error/1", "command": chosen.command, "error": error})
        raise
    finally:
        _OUTPUT.reset(token)


def say(text: str = "", *, end_line: bool = True) -> None:
    """Print words for people on stdout; nothing where a document is wanted, or silence."""
    if output().is_for_people:
        typer.echo(text, nl=end_line)


def warn(message: str) -> None:
    """Print a warning on stderr, as one line after the program's name."""
    _log("warning", f"warning: {message}", message)


def print_error(message: str) -> None:
    """Print an error on stderr, as one line after the program's name."""
    output().error = message
    _log("error", message, message)


def _log(event: str, line: str, message: str) -> None:
    if output().log_format == "json":
        record = {"time": datetime.now(UTC).isoformat(), "event": event, "message": message}
        typer.echo(json.dumps(record, ensure_ascii=False), err=True)
    else:
        typer.echo(f"gapscope: {plain_line(line)}", err=True)


def print_document(document: "Document") -> None:
    """Print a command's document on stdout where one is wanted."""
    if output().as_json:
        import msgspec

        output().has_document = True
        _print_json(msgspec.to_builtins(document))


def _print_json(content: object) -> None:
    # NaN is no JSON; msgspec writes null in its place.
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
    sys.stdout.flush()
