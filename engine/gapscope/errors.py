"""The errors gapscope raises on purpose: one root, one line each, and an exit code for the command line."""


class GapscopeError(Exception):
    """Something went wrong that the user can be told about in one line.

    The message says what is wrong with which file or option and what to do about it.
    """

    exit_code = 1


class UserError(GapscopeError):
    """What was asked for cannot be done as it was asked; nothing is broken."""

    exit_code = 2


class OptionError(UserError):
    """An option's value is not one that gapscope can work with."""


class SourceError(UserError):
    """A dataset's source is missing, empty, or not of a kind that gapscope reads."""


class RunError(UserError):
    """The output folder is not a run, or holds a different one."""


class DamageError(RunError):
    """What a run holds is not what was written."""

    exit_code = 1


class WeightsError(UserError):
    """A model's weights cannot be had, or do not fit the model."""


class DecoderError(GapscopeError):
    """A decoder process cannot be started; says why."""


class ClusterError(GapscopeError):
    """The Dask cluster could not be reached, or lost a block for good."""


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line of moderate length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
