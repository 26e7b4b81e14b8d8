"""What all commands share: mistakes in one line, options in environment variables, and how they print."""

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gapscope.settings import OPTIONS
from gapscope_cli.errors import flag
from gapscope_cli.output import LogFormat, Output, print_error, use_output


class Command(TyperCommand):
    """A command whose options may stand in environment variables, and whose mistakes are one line as all errors are.

    `--model` is `GAPSCOPE_MODEL`, for every command that has an option of `gapscope compare`. Options of one command
    alone have its name too: `--to` of `gapscope export` is `GAPSCOPE_EXPORT_TO`. An option that may be given several
    times has a line for each.

    Attributes:
        group: the commands that it is one of, such as `bench`; empty for those of gapscope itself.
    """

    group = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_lines: dict[str, str] = {}
        options: list[Any] = [each for each in self.params if each.param_type_name == "option"]
        for parameter in options:
            if parameter.name == "help":
                continue
            variable = _variable(f"{self.group} {self.name}".strip(), parameter.opts[0])
            if getattr(parameter, "multiple", False):
                # Typer would split it at every blank, which paths and rules have inside.
                self._of_lines[parameter.opts[0]] = variable
            else:
                parameter.envvar = variable
                # Typer would name it in every message on the option, from wherever the value came.
                parameter.show_envvar = False
            self.epilog = (
                self.epilog or f"Options may stand in environment variables, such as {parameter.opts[0]} in {variable}."
            )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of a command."""
        given = list(args)
        for option, variable in self._of_lines.items():
            if not any(each == option or each.startswith(f"{option}=") for each in args):
                lines = os.environ.get(variable, "").splitlines()
                args = [*(part for line in lines if line.strip() for part in (option, line.strip())), *args]
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # Typer puts the name of pydantic's error type before some of its own messages.
            message = error.format_message().replace("Value error, ", "").rstrip(".")
            with use_output(_output_of(ctx, given)):
                print_error(f"{message}{_from_environment(error)}. Try '{ctx.command_path} --help' for help")
                raise typer.Exit(error.exit_code) from error


def _variable(command: str, option: str) -> str:
    """Return the environment variable of an option.

    Example:
        >>> _variable("compare", "--n-neighbors"), _variable("export", "--pick"), _variable("bench compare", "--out")
        ('GAPSCOPE_N_NEIGHBORS', 'GAPSCOPE_EXPORT_PICK', 'GAPSCOPE_BENCH_COMPARE_OUT')
    """
    name = option.removeprefix("--").replace("-", "_")
    # The run that one command writes is not what another one writes.
    is_shared = name in OPTIONS and (name != "out" or command == "compare")
    words = (name,) if is_shared or command == "compare" or name in (*_FOR_ALL, *_OF_GATES) else (command, name)
    return " ".join(("gapscope", *words)).replace("-", "_").replace(" ", "_").upper()


def _output_of(context: Any, args: Sequence[str]) -> Output:
    """Return how to print where the options could not be read."""
    is_json = any(each == "json" for before, each in pairwise(args) if before == "--log-format")
    is_json |= "--log-format=json" in args or os.environ.get("GAPSCOPE_LOG_FORMAT") == "json"
    as_json = "--json" in args or os.environ.get("GAPSCOPE_JSON", "").lower() in ("1", "true", "yes", "on")
    return Output(
        command=context.command_path.partition(" ")[2], as_json=as_json, log_format="json" if is_json else "text"
    )


def _from_environment(error: typer.BadParameter) -> str:
    """Return which environment variable has the value that cannot be used; nothing where none has."""
    parameter, context = error.param, error.ctx
    if parameter is None or context is None or not parameter.envvar:
        return ""
    source = context.get_parameter_source(str(parameter.name))
    return f" (from {parameter.envvar})" if source is not None and source.name == "ENVIRONMENT" else ""


class BenchCommand(Command):
    """A command of `gapscope bench`."""

    group = "bench"


def add_command(app: typer.Typer, function: Callable[..., None], kind: type[Command] = Command) -> None:
    """Add a function to the commands, with the options that say how every command prints."""
    app.command(cls=kind)(_with_output(function, kind.group))


_FOR_ALL = ("json", "quiet", "log_format")
"""Options of every command."""

_OF_GATES = ("fail_if", "earlier", "pictures", "pictures_url")
"""Options of commands that hold a run against rules."""


def _with_output(command: Callable[..., None], group: str) -> Callable[..., None]:
    """Give a command `--json`, `--quiet` and `--log-format`."""
    signature = inspect.signature(command)
    context = next((each.name for each in signature.parameters.values() if each.annotation is typer.Context), None)
    own = [each.replace(kind=each.KEYWORD_ONLY) for each in signature.parameters.values()]
    shown = inspect.Parameter("_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [*own, *_OUTPUT_PARAMETERS, *([] if context else [shown])]

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        name = arguments[context].info_name if context else arguments.pop("_context").info_name
        as_json, is_quiet, log_format = (arguments.pop(each) for each in _FOR_ALL)
        with use_output(
            Output(command=f"{group} {name}".strip(), as_json=as_json, is_quiet=is_quiet, log_format=log_format)
        ):
            command(**arguments)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _output_parameter(name: str, kind: Any, default: object, text: str) -> inspect.Parameter:
    info = typer.Option(flag(name), help=text, rich_help_panel="Output", show_default=bool(default))
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


_OUTPUT_PARAMETERS = (
    _output_parameter("json", bool, False, "Print one JSON document, which `gapscope schema` describes, not words."),
    _output_parameter("quiet", bool, False, "Print no words and no progress, but errors."),
    _output_parameter("log_format", LogFormat, "text", "What stderr gets: text, or a JSON object per line."),
)
