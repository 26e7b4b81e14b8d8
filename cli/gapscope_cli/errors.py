"""How a command ends when something is wrong: with one line on stderr and an exit code."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import typer

from gapscope.errors import GapscopeError, RunError
from gapscope.settings import OPTIONS
from gapscope_cli.output import print_error

_INTERRUPTED = 130
_OF_COMMANDS = ("earlier", "skip_unlike")
"""Arguments of the library that some commands have as options, beside those of `gapscope compare`."""

# Another argument in a library's message: `out`, `update=True` or `device='cpu'`.
_MENTIONED = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")


@contextmanager
def reported_errors(*, reading: str = "") -> Iterator[None]:
    """Turn gapscope's own errors, a failing disk and Ctrl-C into one line on stderr and an exit code.

    Args:
        reading: a finished run that the command only reads. Whatever is wrong with it, be it damaged or a stranger's,
            does not end in a traceback.
    """
    try:
        yield
    except GapscopeError as error:
        print_error(as_command_line(error))
        raise typer.Exit(error.exit_code) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        # The system's own errors have a number; what libraries raise on bytes that they cannot read has none.
        if isinstance(error, OSError) and not (reading and error.errno is None):
            file = f" {error.filename}" if error.filename else ""
            print_error(f"the system refuses{file}: {error.strerror or error}")
            raise typer.Exit(GapscopeError.exit_code) from error
        if not reading:
            raise
        print_error(
            f"{reading} cannot be read, it is damaged ({type(error).__name__}: {str(error)[:300]}): run its `gapscope "
            "compare` command again; if nobody but gapscope has touched it, please report this"
        )
        raise typer.Exit(RunError.exit_code) from error
    except KeyboardInterrupt as error:
        print_error("stopped; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(_INTERRUPTED) from error


def as_command_line(error: GapscopeError) -> str:
    """Return an error's message with options in place of Python arguments.

    Example:
        >>> from gapscope import OptionError
        >>> print(as_command_line(OptionError("must be 11 or more; see `max_points=5`", argument="n_epochs", value=3)))
        --n-epochs 3: must be 11 or more; see --max-points 5
    """
    message = replace_arguments(error.message)
    return f"{_option(error.argument, error.value)}: {message}" if error.argument else message


def replace_arguments(message: str) -> str:
    """Return a library's message with options in place of the Python arguments that it mentions.

    Example:
        >>> print(replace_arguments("give another `out`, or remove the folder"))
        give another --out, or remove the folder
    """
    return _MENTIONED.sub(_mentioned_option, message)


def _mentioned_option(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if name not in OPTIONS and name not in _OF_COMMANDS:
        return match[0]
    return flag(name) if value in (None, "True") else f"{flag(name)} {value.strip(chr(39))}"


def _option(name: str, value: object) -> str:
    if value is True:
        return flag(name)
    words = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{flag(name)} {shlex.quote(words)}"


def flag(name: str) -> str:
    """Return the option that stands for a Python argument on the command line.

    Example:
        >>> flag("max_points")
        '--max-points'
    """
    return "--" + name.replace("_", "-")


def _worker_processes() -> list[psutil.Process]:
    # multiprocessing.active_children() lacks a worker that another thread is just starting. Left alone, that worker
    # would print a traceback when this process is gone.
    workers = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any("multiprocessing.spawn" in word for word in child.cmdline()):
                workers.append(child)
    return workers


def leave_at_once(code: object) -> None:
    """End an interrupted process and its workers at once: threads that still work would hold it up."""
    if code == _INTERRUPTED:
        for worker in _worker_processes():
            worker.kill()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_INTERRUPTED)
