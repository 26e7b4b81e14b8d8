"""Long work as bars on a terminal, and as plain lines in a pipe or a log; notes name options, not Python arguments."""

from contextlib import AbstractContextManager

from gapscope import progress_bars
from gapscope.progress import Progress
from gapscope_cli.errors import replace_arguments


def shown_progress() -> AbstractContextManager[Progress]:
    """Return bars if stderr is a terminal, plain lines otherwise."""
    return progress_bars.shown_progress(replace_arguments)
