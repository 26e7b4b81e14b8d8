"""Turns the options of the settings into options of commands, with their defaults, choices and help."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Annotated, Any

import typer

from gapscope.settings import OPTION_GROUPS, OPTIONS, Option
from gapscope_cli.errors import flag

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
