"""How the command line ends when something is wrong: one line, and an exit code that means something."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

_INTERRUPTED = 130


@contextmanager
def told(*, reading: str = "") -> Iterator[None]:
    """Turn gapscope's own errors, a failing disk and Ctrl-C into one line on stderr and an exit code.

    Args:
        reading: a finished run that the command does nothing but read. Nothing that is wrong with it, be it damaged or
            a stranger's, ends in a traceback.
    """
    # Not at the top: the library takes seconds to import, and --help should not.
    from gapscope.errors import GapscopeError, RunError

    try:
        yield
    except GapscopeError as error:
        _say(str(error))
        raise typer.Exit(error.exit_code) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        # The system's own errors have a number; what libraries make of bytes that they cannot read has none.
        if isinstance(error, OSError) and not (reading and error.errno is None):
            where = f" {error.filename}" if error.filename else ""
            _say(f"the system refuses{where}: {error.strerror or error}")
            raise typer.Exit(GapscopeError.exit_code) from error
        if not reading:
            raise
        _say(
            f"{reading} cannot be read, it is damaged ({type(error).__name__}: {str(error)[:300]}): run its `gapscope "
            "compare` command again; if nobody but gapscope has touched it, please report this"
        )
        raise typer.Exit(RunError.exit_code) from error
    except KeyboardInterrupt as error:
        _say("stopped; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(_INTERRUPTED) from error


def _say(words: str) -> None:
    from gapscope.progress import plain_line

    typer.echo(f"gapscope: {plain_line(words)}", err=True)


def leave_at_once(code: object) -> None:
    """End the process where it was interrupted, and its workers: threads that still work would hold it up."""
    if code == _INTERRUPTED:
        for worker in multiprocessing.active_children():
            worker.kill()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_INTERRUPTED)
