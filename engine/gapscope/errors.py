"""The errors gapscope raises on purpose: one root, one line each, and an exit code for the command line."""

from os import PathLike, fspath


class GapscopeError(Exception):
    """Something went wrong that the user can be told about in one line.

    The message says what is wrong with which file or argument and what to do about it. Other arguments that it
    mentions stand in backticks, such as `device='cpu'`, so that the command line can spell them as its options.

    Args:
        message: what is wrong, and what to do about it.
        argument: the Python argument that the message is about; empty if it is about none.
        value: the value of that argument.

    Example:
        >>> print(OptionError("must be 1 or more", argument="sample", value=0))
        sample=0: must be 1 or more
    """

    exit_code = 1

    def __init__(self, message: str, *, argument: str = "", value: object = None) -> None:
        self.message, self.argument = message, argument
        self.value = fspath(value) if isinstance(value, PathLike) else value
        super().__init__(f"{argument}={self.value!r}: {message}" if argument else message)


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
