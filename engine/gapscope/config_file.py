"""A comparison in a TOML file: its datasets, and every option that `gapscope.compare` takes."""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import msgspec
import tomli_w

from gapscope.errors import OptionError, one_line
from gapscope.settings import OPTIONS, Option
from gapscope.sources.kinds import IN_PYTHON
from gapscope.sources.source import change_path, without_prefix
from gapscope.store.given import IN_RUN
from gapscope.urls import is_url

DATASETS = "datasets"
_PATHS = ("out", "weights", "cache")
_TEXTS_OR_TABLES = ("group", "classes", "value_range")
_LISTS_OR_TABLES = ("vectors", "relocate")


def read_config(path: str | PathLike[str]) -> dict[str, Any]:
    r"""Return the arguments of `gapscope.compare` that a TOML file holds, `datasets` among them if it has some.

    Keys are the names of the arguments, with `_` or `-`. Paths that are not absolute start at the file's folder.

    Raises:
        OptionError: the file cannot be read, or holds something that is no option or no value of it.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        ...     written = file.write('levels = ["P3"]\n[datasets]\nreal = "s3://bucket/photos"\n')
        ...     file.flush()
        ...     read_config(file.name)
        {'levels': ['P3'], 'datasets': {'real': 's3://bucket/photos'}}
    """
    file = Path(path).expanduser().absolute()
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is no TOML file: {one_line(error)}") from error
    options = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name == DATASETS:
            options[name] = _datasets(value, file)
        elif name in OPTIONS:
            options[name] = _value(OPTIONS[name], value, file)
        else:
            close = difflib.get_close_matches(name, [*OPTIONS, DATASETS], 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise OptionError(f"{path}: there is no option {key}{hint}")
    return options


def _datasets(value: Any, file: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(source, str) and source for source in value.values()):
        raise OptionError(f'{file}: [datasets] has a line NAME = "SOURCE" per dataset')
    return {name: _from_folder(source, file) for name, source in value.items()}


def _value(option: Option, value: Any, file: Path) -> Any:
    """Return the value of an option.

    Raises:
        OptionError: it is of another type.
    """
    name = option.name
    if name in _PATHS:
        if not isinstance(value, str):
            raise _wrong(file, name, "a text", value)
        return _from_folder(value, file)
    if name in _TEXTS_OR_TABLES:
        if not isinstance(value, str) and not (isinstance(value, dict) and all(map(_is_text, value.values()))):
            raise _wrong(file, name, "a text, or a table of a text per dataset", value)
        return value
    if name in _LISTS_OR_TABLES:
        return _list_or_table(name, value, file)
    choices = option.choices
    if choices and value not in choices:
        raise _wrong(file, name, f"one of {', '.join(choices)}", value)
    if choices:
        return value
    if name == "speedups" and value == "none":
        return []
    # TOML has lists for Python's sequences, and 1 is a number with a point, too.
    wanted = list[str] if name in ("levels", "speedups") else option.type
    try:
        return msgspec.convert(value, wanted)
    except (msgspec.ValidationError, TypeError) as error:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        kinds = [] if wanted == list[str] else [words[kind] for kind in (*get_args(wanted), wanted) if kind in words]
        raise _wrong(file, name, kinds[0] if kinds else "a list of texts", value) from error


def _list_or_table(name: str, value: Any, file: Path) -> Any:
    moved: Callable[[str], str] = (lambda text: _from_folder(text, file)) if name == "vectors" else str
    if isinstance(value, list) and all(map(_is_text, value)):
        pairs = [text.partition("=") for text in value]
        return [f"{key}={moved(rest)}" if equals else key for key, equals, rest in pairs]
    if isinstance(value, dict):
        table = {key: [each] if isinstance(each, str) else each for key, each in value.items()}
        if all(isinstance(each, list) and all(map(_is_text, each)) for each in table.values()):
            return {
                key: [moved(text) for text in each] if name == "vectors" else each[0] for key, each in table.items()
            }
    raise _wrong(file, name, "a list of texts, or a table", value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _wrong(file: Path, name: str, wanted: str, value: Any) -> OptionError:
    return OptionError(f"{file}: {name} is {wanted}, not {value!r}")


def _from_folder(location: str, file: Path) -> str:
    """Return a location that starts at the folder of the config file, if it is a path that is not absolute."""
    plain = without_prefix(location)
    if is_url(plain) or os.path.isabs(plain) or plain.startswith(("~", IN_RUN, IN_PYTHON)):
        return location
    return change_path(location, lambda path: os.path.normpath(file.parent / path))


def write_config(options: Mapping[str, Any]) -> str:
    """Return the arguments of `gapscope.compare` as the text of a TOML file; those that are None are left out.

    Example:
        >>> print(write_config({"datasets": {"real": "/photos"}, "levels": ["P3"], "weights": None}), end="")
        levels = [
            "P3",
        ]
        <BLANKLINE>
        [datasets]
        real = "/photos"
    """
    plain = {name: _plain(value) for name, value in options.items() if value is not None and value not in ({}, ())}
    tables = {name: value for name, value in plain.items() if isinstance(value, dict)}
    values = {name: value for name, value in plain.items() if name not in tables}
    return tomli_w.dumps(values | tables)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
