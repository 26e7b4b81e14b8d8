"""Long work as bars on a terminal, as plain lines in a pipe or a log, or as JSON; notes name options of the command."""

from contextlib import AbstractContextManager, nullcontext

from gapscope import progress_bars
from gapscope.progress import Progress, Silent
from gapscope_cli.errors import replace_arguments
from gapscope_cli.output import output


def shown_progress() -> AbstractContextManager[Progress]:
    """Return bars if stderr is a terminal, plain lines otherwise; nothing, or JSON, where the command is told so."""
    if output().is_quiet:
        return nullcontext(Silent())
    if output().log_format == "json":
        return nullcontext(progress_bars.JsonLines(replace_arguments))
    return progress_bars.shown_progress(replace_arguments)
