"""Rules from the command line and from TOML files."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from gapscope.errors import OptionError, one_line
from gapscope.gate.parse import parse_rule
from gapscope.gate.rules import AnyRule
from gapscope.urls import is_url

_KEYS = ("rules", "earlier")


@dataclass(frozen=True)
class RuleSet:
    """Rules, and the run that those of them compare with that name none.

    Attributes:
        rules: in the order in which they were given.
        earlier: path or URL of the earlier run; None for none.
    """

    rules: tuple[AnyRule, ...]
    earlier: str | None = None


def read_rules(
    texts: Sequence[str | PathLike[str]], *, earlier: str | None = None, is_failure: bool = False
) -> RuleSet:
    r"""Return the rules that texts state; a text that ends in `.toml` is a file of them.

    A file has a list `rules`, and may have `earlier`, the earlier run. Paths of runs in it start at the file's folder.

    Args:
        texts: rules and files of rules.
        earlier: the run that rules compare with which name none; it counts before that of a file.
        is_failure: as of `gapscope.gate.parse_rule`.

    Raises:
        OptionError: a rule states nothing, or a file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        ...     written = file.write('earlier = "v1"\nrules = ["P5 share < 5%", "nothing wider"]\n')
        ...     file.flush()
        ...     found = read_rules([file.name, "any kind"])
        >>> [rule.text for rule in found.rules], Path(found.earlier).name
        (['P5 share < 5%', 'nothing wider', 'any kind'], 'v1')
    """
    rules: list[AnyRule] = []
    for text in texts:
        if not str(text).endswith(".toml"):
            rules.append(parse_rule(str(text), is_failure=is_failure))
            continue
        file = Path(text).expanduser().absolute()
        content = _read(file)
        rules += [_rule_of_file(each, file, is_failure=is_failure) for each in content["rules"]]
        if earlier is None and "earlier" in content:
            earlier = _from_folder(content["earlier"], file)
    named = {rule.earlier for rule in rules if rule.earlier is not None}
    if earlier is None and len(named) == 1:
        (earlier,) = named
    for rule in rules:
        if rule.needs_earlier and rule.earlier is None and earlier is None:
            raise OptionError(
                f"rule {rule.text!r}: it needs an earlier run: write 'diff RUN: {rule.text}', or give `earlier`"
            )
    return RuleSet(tuple(rules), earlier)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{file} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{file} is no TOML file: {one_line(error)}") from error
    for key in content:
        if key not in _KEYS:
            raise OptionError(f"{file}: there is no key {key}; it has {' and '.join(_KEYS)}")
    rules, earlier = content.get("rules"), content.get("earlier")
    if not (isinstance(rules, list) and rules and all(isinstance(rule, str) for rule in rules)):
        raise OptionError(f'{file}: it must have a list of rules, such as rules = ["P5 share < 5%"]')
    if earlier is not None and not isinstance(earlier, str):
        raise OptionError(f"{file}: the key earlier must be the path or URL of a run")
    return content


def _rule_of_file(text: str, file: Path, *, is_failure: bool) -> AnyRule:
    rule = parse_rule(text, is_failure=is_failure)
    return rule if rule.earlier is None else replace(rule, earlier=_from_folder(rule.earlier, file))


def _from_folder(path: str, file: Path) -> str:
    """Return a path that begins at a file's folder where it is not absolute; a URL stays as it is."""
    return path if is_url(path) else str(file.parent / Path(path).expanduser())
