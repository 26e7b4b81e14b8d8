"""gapscope's exceptions: one root class, one-line messages, and an exit code for the command line."""

from os import PathLike, fspath


class GapscopeError(Exception):
    """Base of all errors that gapscope raises on purpose.

    The message is one line for the user. It says what is wrong with which file or argument, and what to do about it.
    Other arguments that it mentions stand in backticks, such as `device='cpu'`, so that the command line can spell them
    as its options.

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
    """The request cannot be carried out as it was made; nothing is broken."""

    exit_code = 2


class OptionError(UserError):
    """The value of an option is invalid."""


class SourceError(UserError):
    """A dataset's source is missing, empty, or of a kind that gapscope does not read."""


class RunError(UserError):
    """The output folder is not a run, or holds a different run."""


class DamageError(RunError):
    """The content of a run differs from what was written to it."""

    exit_code = 1


class WeightsError(UserError):
    """A model's weights are not available, or do not fit the model."""


class DecoderError(GapscopeError):
    """A decoder process cannot be started; the message says why."""


class ClusterError(GapscopeError):
    """The Dask cluster cannot be reached, or has lost a block for good."""


class TrackerError(GapscopeError):
    """An experiment tracker cannot be reached, or refuses what it is sent."""


def one_line(error: BaseException) -> str:
    r"""Return the message of an error as one line of at most 200 characters; its class name if it has no message.

    Example:
        >>> one_line(ValueError("first line\n  second line")), one_line(KeyboardInterrupt())
        ('first line second line', 'KeyboardInterrupt')
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


def describe_error(error: BaseException) -> str:
    """Return an error of somebody else's code in one line, with its type.

    Example:
        >>> describe_error(KeyError("image"))
        "KeyError: 'image'"
    """
    text = one_line(error)
    kind = type(error).__name__
    return kind if not text else text if text.startswith(kind) else f"{kind}: {text}"
