"""How the command line ends when something is wrong: one line, and an exit code that means something."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

_INTERRUPTED = 130


@contextmanager
def told() -> Iterator[None]:
    """Turn gapscope's own errors, a failing disk and Ctrl-C into one line on stderr and an exit code."""
    # Not at the top: the library takes seconds to import, and --help should not.
    from gapscope.errors import GapscopeError

    try:
        yield
    except GapscopeError as error:
        typer.echo(f"gapscope: {error}", err=True)
        raise typer.Exit(error.exit_code) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        typer.echo(f"gapscope: the system refuses{where}: {error.strerror or error}", err=True)
        raise typer.Exit(GapscopeError.exit_code) from error
    except KeyboardInterrupt as error:
        typer.echo("gapscope: stopped; what is finished is kept, and the same command goes on from there", err=True)
        raise typer.Exit(_INTERRUPTED) from error


def leave_at_once(code: object) -> None:
    """End the process where it was interrupted: threads that still work would hold it up, and then bring it down."""
    if code == _INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_INTERRUPTED)
