"""Extracts the measures of a benchmark's result file: named repeats, their unit, and which direction is better.

Result files have different layouts, but share three rules:

- A list of numbers holds the repeats of one measurement.
- The objects in a list are cases, told apart by their texts and integers; objects with the same ones are repeats of one
  case.
- A key that ends in a known word, such as `seconds`, gives its numbers a unit and a better direction. All other numbers
  are settings or answers, and are ignored.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapscope.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a number measures.

    Attributes:
        words: a key that equals one of these, or ends in `_` and one of these, holds this quantity.
        unit: as shown to the user.
        higher_is_better: whether larger numbers are better; otherwise smaller ones are.
    """

    words: tuple[str, ...]
    unit: str
    higher_is_better: bool


# The first match wins: "per_s" must come before "s".
_QUANTITIES = (
    Quantity(words=("per_second", "per_second_per_core", "per_s"), unit="per second", higher_is_better=True),
    Quantity(words=("trustworthiness", "recall", "accuracy", "of_ceiling"), unit="share", higher_is_better=True),
    Quantity(words=("seconds", "s"), unit="s", higher_is_better=False),
    Quantity(words=("ms", "milliseconds"), unit="ms", higher_is_better=False),
    Quantity(words=("gib",), unit="GiB", higher_is_better=False),
    Quantity(words=("mib", "mib_per_worker", "megabytes"), unit="MB", higher_is_better=False),
    Quantity(words=("bytes",), unit="bytes", higher_is_better=False),
)
_NOT_MEASURED = ("machine", "settings")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """All repeats of one measurement.

    Attributes:
        name: its path in the file, joined by " / ".
        quantity: unit and better direction.
        repeats: the values in the order of the file.
    """

    name: str
    quantity: Quantity
    repeats: tuple[float, ...]


def read_result(file: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        OptionError: the file cannot be read, or is no JSON object.
    """
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{file}: this is no result of a benchmark ({error})") from error
    if not isinstance(result, dict):
        raise OptionError(f"{file}: this is no result of a benchmark, which is a JSON object")
    return result


def measures_of(result: Mapping[str, Any]) -> dict[str, Measure]:
    """Return the measures of a result by name.

    Example:
        >>> measure = measures_of({"cases": [{"case": "small", "seconds": [1.0, 1.2]}]})["cases / case small / seconds"]
        >>> measure.repeats, measure.quantity.unit, measure.quantity.higher_is_better
        ((1.0, 1.2), 's', False)
    """
    grouped: dict[str, tuple[Quantity, list[float]]] = {}
    body = {key: value for key, value in result.items() if key not in _NOT_MEASURED}
    for path, values in _leaves(body, ()):
        quantity = _quantity(path)
        if quantity is not None:
            grouped.setdefault(" / ".join(path), (quantity, []))[1].extend(values)
    return {
        name: Measure(name=name, quantity=quantity, repeats=tuple(repeats))
        for name, (quantity, repeats) in grouped.items()
    }


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(node, Sequence) and not isinstance(node, str):
        numbers = [value for value in node if _is_number(value)]
        if numbers:
            yield path, numbers
        for value in node:
            if isinstance(value, Mapping):
                yield from _leaves(value, (*path, _case_name(value)))
    elif _is_number(node):
        yield path, [node]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _case_name(entry: Mapping[str, Any]) -> str:
    """Return what tells an object in a list from the others: its texts and integers that are no measures."""
    labels = [
        f"{key} {value}"
        for key, value in entry.items()
        if isinstance(value, str | int) and _quantity((key,)) is None and key not in {"failed", "not_run"}
    ]
    return ", ".join(labels)


def _quantity(path: Sequence[str]) -> Quantity | None:
    for key in reversed(path):
        for quantity in _QUANTITIES:
            if any(key == word or key.endswith(f"_{word}") for word in quantity.words):
                return quantity
    return None
