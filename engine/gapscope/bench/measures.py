"""What any of our result files measured: named repeats, in which unit, and which way is better.

Benchmarks lay their numbers out as suits them. The same everywhere: a list of numbers holds repeats; entries of a
list that are told apart by their words and whole numbers are cases, and those that are not are repeats of one; and the
word in a path that names a quantity says its unit and which way is better. Numbers without such a word are settings or
answers, and nobody's speed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapscope.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a number counts.

    Attributes:
        words: that name it at the start or end of a key.
        unit: as it is written.
        higher_is_better: else lower is.
    """

    words: tuple[str, ...]
    unit: str
    higher_is_better: bool


# The first that fits counts: a rate is named for its seconds, too.
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
    """Repeats of one quantity.

    Attributes:
        name: the way to it in the file.
        quantity: what is counted.
        repeats: in the order of the file.
    """

    name: str
    quantity: Quantity
    repeats: tuple[float, ...]


def read_result(file: Path) -> dict[str, Any]:
    """Return what a result file holds.

    Raises:
        OptionError: it cannot be read, or is no JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{file}: this is no result of a benchmark ({error})") from error
    if not isinstance(found, dict):
        raise OptionError(f"{file}: this is no result of a benchmark, which is a JSON object")
    return found


def measures_of(result: Mapping[str, Any]) -> dict[str, Measure]:
    """Return the measures of a result by name."""
    found: dict[str, tuple[Quantity, list[float]]] = {}
    body = {key: value for key, value in result.items() if key not in _NOT_MEASURED}
    for path, values in _leaves(body, ()):
        quantity = _quantity(path)
        if quantity is not None:
            found.setdefault(" / ".join(path), (quantity, []))[1].extend(values)
    return {
        name: Measure(name=name, quantity=quantity, repeats=tuple(repeats))
        for name, (quantity, repeats) in found.items()
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
                yield from _leaves(value, (*path, _case(value)))
    elif _is_number(node):
        yield path, [node]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _case(entry: Mapping[str, Any]) -> str:
    """Return what tells an entry of a list from the others: its words and whole numbers that are no measures."""
    words = [
        f"{key} {value}"
        for key, value in entry.items()
        if isinstance(value, str | int) and _quantity((key,)) is None and key not in {"failed", "not_run"}
    ]
    return ", ".join(words)


def _quantity(path: Sequence[str]) -> Quantity | None:
    for key in reversed(path):
        for quantity in _QUANTITIES:
            if any(key == word or key.endswith(f"_{word}") for word in quantity.words):
                return quantity
    return None
