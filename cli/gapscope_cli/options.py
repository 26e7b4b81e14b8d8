"""Turns the options of the settings into options of commands, with their defaults, choices and help."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gapscope.settings import OPTION_GROUPS, OPTIONS, Option
from gapscope_cli.errors import flag
from gapscope_cli.output import LogFormat, Output, print_error, use_output

OF_ONE_DATASET = {"group": "RULE", "classes": "RULE", "value_range": "LOW:HIGH"}
"""Options that `NAME=...` sets for one dataset, with what stands for their value."""

OF_MANY = ("vectors", "relocate")
"""Options that may be given several times, each time with a part."""

METAVARS = {
    "out": "RUN",
    "weights": "FILE",
    "levels": "P3,P5",
    "vectors": "NAME=SOURCE",
    "relocate": "OLD=NEW",
    "size": "PIXELS",
    "max_pixels": "PIXELS",
    "speedups": "NAMES",
    "cluster": "WHERE",
    "cache": "DIR",
    "reference": "NAME",
    "max_outliers": "N",
    "max_points": "N",
    "landmarks": "IMAGES",
    "gpus": "N",
    "price_per_gpu_hour": "X",
    "sample": "N",
} | {name: f"[NAME=]{value}" for name, value in OF_ONE_DATASET.items()}
"""What stands for a value that is not one of a few words."""

# Types that the command line writes otherwise than Python does.
_TYPES: dict[str, Any] = {
    "out": str | None,
    "weights": Path | None,
    "levels": str | None,
    "speedups": str,
    "cache": str | None,
    **dict.fromkeys(OF_MANY, list[str]),
} | dict.fromkeys(OF_ONE_DATASET, list[str])
_GROUP_OF = {name: title for title, group in OPTION_GROUPS.items() for name in group}


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


def with_options(options: Mapping[str, Option]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options in place of its `**options`; it receives what the library's arguments take."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        # A config file may have what is asked for, such as the run's folder.
        optional = "config" in signature.parameters
        parameters = [each.replace(kind=each.KEYWORD_ONLY) for each in own] + [
            _parameter(each, optional=optional) for each in options.values()
        ]

        def run(**arguments: Any) -> None:
            command(**{name: _from_command_line(name, value) for name, value in arguments.items()})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameter(option: Option, *, optional: bool) -> inspect.Parameter:
    default = None if optional and option.default is MISSING else option.default
    if option.name in OF_MANY:
        default = []
    elif isinstance(default, tuple):
        default = ",".join(default)
    if option.name in OF_ONE_DATASET:
        default = [default]
    info = typer.Option(
        flag(option.name),
        metavar=METAVARS.get(option.name),
        help=option.help,
        rich_help_panel=_GROUP_OF.get(option.name),
        show_default=default is not MISSING and default not in (None, False, []),
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[_TYPES.get(option.name, option.type), info],
    )


def _from_command_line(name: str, value: Any) -> Any:
    """Return what the library takes for an option's value on the command line."""
    if name == "speedups":
        return () if value == "none" else tuple(comma_separated(value))
    if name == "levels" and value is not None:
        return comma_separated(value)
    return value


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether an option stands in the command itself, or in the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def comma_separated(text: str) -> list[str]:
    """Return the names in `a,b`.

    Example:
        >>> comma_separated("P3, P5")
        ['P3', 'P5']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def chosen(*names: str) -> dict[str, Option]:
    """Return some of the options of `gapscope compare`."""
    return {name: OPTIONS[name] for name in names}
