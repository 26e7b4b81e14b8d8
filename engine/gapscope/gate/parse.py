"""Rules of a gate as people write them: a line of text."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from gapscope.errors import OptionError
from gapscope.gate.numbers import NUMBERS, OF_PAIRS, Of, RuleNumber
from gapscope.gate.rules import AnyRule, KindRule, LimitRule, NoiseRule, Operator, Scope, WiderRule
from gapscope.settings import Reading
from gapscope.store.datasets import Pair
from gapscope.store.gaps import Sort

_TOKEN = re.compile(r"""(?:[^\s<>"']*)(?:"[^"]*"|'[^']*')|[<>]=?|[^\s<>"']+""")
_DIFF = re.compile(r"diff(?:\s+(?P<run>\S.*?))?\s*:\s+(?P<rule>.*)", re.DOTALL)
_READINGS: tuple[Reading, ...] = get_args(Reading)
_SORTS: tuple[Sort, ...] = get_args(Sort)
_NEVER = ("any", "no", "nothing", "anything")
_KIND_WORDS = ("kind", "kinds")
_OPPOSITE: Mapping[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_FORMS = "such as 'real-vs-synthetic P5 style-aside share < 5%', 'any new kind' or 'diff RUN: nothing wider'"


def parse_rule(text: str, *, is_failure: bool = False) -> AnyRule:
    """Return the rule that a line of text states.

    A rule about a number names a limit. Which side of it is the good one follows from the number, because a smaller gap
    is better: `share < 5%`, which must hold, and `share > 5%`, which must not, are the same rule. So are `no new kind`
    and `any new kind`, and `nothing wider` and `anything wider`. What a rule does not name, it means all of.

    Args:
        text: the rule.
        is_failure: whether a limit on a number of which neither side is better, such as `images`, says what must not be
            rather than what must be.

    Raises:
        OptionError: it states none; the message says which word is wrong.

    Example:
        >>> rule = parse_rule("real-vs-synthetic P5 style-aside share < 5%")
        >>> rule.scope.pair.name, rule.scope.level, rule.number.key, rule.operator, rule.limit
        ('real-vs-synthetic', 'P5', 'share_outside', '<', 0.05)
        >>> parse_rule("P5 share >= 5%").operator
        '<'
        >>> parse_rule("diff s3://runs/v1: any new kind").earlier
        's3://runs/v1'
    """
    rest, earlier, is_diff = text.strip(), None, False
    if (match := _DIFF.fullmatch(rest)) is not None:
        rest, earlier, is_diff = match["rule"], match["run"], True
    words = _Words(text, _TOKEN.findall(rest))
    if not words.left:
        raise _error(text, f"is empty: write a rule {_FORMS}")
    scope = words.take_scope()
    rule = _parse_number(words, scope, is_failure=is_failure) if words.has_number else _parse_never(words, scope)
    if is_diff and not rule.needs_earlier:
        raise _error(text, "compares nothing with that run: write `nothing wider`, `no new kind` or `share change`")
    return rule if earlier is None else replace(rule, earlier=earlier)


class _Words:
    """The words of a rule that are not understood yet."""

    def __init__(self, text: str, words: Sequence[str]) -> None:
        self.text, self.left = text, list(words)

    @property
    def has_number(self) -> bool:
        """Whether what is left is about a number: it has an operator, or `within noise`."""
        return any(word in _OPPOSITE for word in self.left) or "within" in self.left

    def take(self, *words: str) -> str | None:
        """Remove the first word that is one of some, and return it; None for none."""
        for place, word in enumerate(self.left):
            if word.lower() in words:
                del self.left[place]
                return word.lower()
        return None

    def take_scope(self) -> Scope:
        """Remove the words that say where the rule looks."""
        reading, sort = self.take(*_READINGS), self.take(*_SORTS)
        level, class_name, kind = (self._take_named(prefix) for prefix in ("level", "class", "kind"))
        pair = None
        for place, word in enumerate(self.left):
            query, joined, reference = word.partition("-vs-")
            if joined:
                if not (query and reference):
                    raise _error(self.text, f"{word} is no pair: write QUERY-vs-REFERENCE")
                pair = Pair(query, reference)
                del self.left[place]
                break
        if class_name is None and self.take("class", "classes"):
            class_name = "*"
        if class_name is not None and kind is not None:
            raise _error(self.text, "is about a class and a kind: write a rule for each")
        return Scope(
            pair=pair,
            level=level,
            reading=reading,  # type: ignore[arg-type]
            class_name=class_name,
            kind=kind,
            sort=sort,  # type: ignore[arg-type]
        )

    def _take_named(self, prefix: str) -> str | None:
        for place, word in enumerate(self.left):
            if word.startswith(f"{prefix}:"):
                del self.left[place]
                name = word[len(prefix) + 1 :].strip("\"'")
                if not name:
                    raise _error(self.text, f"{word} names no {prefix}: write {prefix}:NAME")
                return name
        return None

    def take_level(self, scope: Scope) -> Scope:
        """Take the one word that is left, if any, for a level's name."""
        if not self.left:
            return scope
        if len(self.left) > 1 or scope.level is not None:
            raise _error(
                self.text, f"{self.left[-1]!r} is not understood: write a rule {_FORMS}{_close(self.left[-1])}"
            )
        return replace(scope, level=self.left.pop())


def _parse_number(words: _Words, scope: Scope, *, is_failure: bool) -> LimitRule | NoiseRule:
    if scope.class_name is None and scope.kind is None and words.take("kind"):
        scope = replace(scope, kind="*")
    of: Of = "class" if scope.class_name else "kind" if scope.kind else "level"
    if words.take("within"):
        return _parse_noise(words, scope, of)
    place = next(place for place, word in enumerate(words.left) if word in _OPPOSITE)
    if place != len(words.left) - 2:
        raise _error(words.text, "a limit ends the rule, as in 'share < 5%'")
    written, limit_text = words.left[place:]
    del words.left[place:]
    is_change = words.take("change", "changes") is not None
    number = _number(words, of)
    scope = words.take_level(scope)
    _check_scope(words.text, number, of, scope)
    if is_change and not number.can_change:
        able = ", ".join(name for name, each in NUMBERS["level"].items() if each.can_change)
        raise _error(words.text, f"the change of {number.name} is not known with an interval: take one of {able}")
    operator: Operator = written  # type: ignore[assignment]
    is_below = operator in ("<", "<=")
    is_bad_side = is_failure if number.better == "neither" else is_below != (number.better == "lower")
    return LimitRule(
        text=words.text,
        scope=scope,
        number=number,
        operator=_OPPOSITE[operator] if is_bad_side else operator,
        limit=_limit(words.text, number, limit_text),
        is_change=is_change,
        needs_earlier=is_change,
    )


def _parse_noise(words: _Words, scope: Scope, of: Of) -> NoiseRule:
    if words.take("noise") is None:
        raise _error(words.text, "`within` stands before `noise`, as in 'P5 kid within noise'")
    number = _number(words, of)
    if not number.has_noise_floor:
        able = ", ".join(name for name, each in NUMBERS["level"].items() if each.has_noise_floor)
        raise _error(words.text, f"{number.name} has no noise floor: take one of {able}, or give a limit")
    scope = words.take_level(scope)
    _check_scope(words.text, number, of, scope)
    return NoiseRule(text=words.text, scope=scope, number=number)


def _check_scope(text: str, number: RuleNumber, of: Of, scope: Scope) -> None:
    if of == "level" and scope.sort and number.name not in OF_PAIRS:
        raise _error(text, f"{number.name} is not of {scope.sort} kinds: write `kinds`, or `kind share`")
    if (number.name in OF_PAIRS or of == "kind") and (scope.level or scope.reading):
        raise _error(text, f"{number.name} of kinds is not of one level or reading: leave these out")


def _number(words: _Words, of: Of) -> RuleNumber:
    numbers = NUMBERS[of]
    for place, word in enumerate(words.left):
        number = numbers.get(word.lower().replace("_", "-"))
        if number is not None:
            del words.left[place]
            return number
    known = ", ".join(numbers)
    where = "of a level or pair" if of == "level" else f"of a {of}"
    hint = _close(words.left[-1]) if words.left else ""
    raise _error(words.text, f"names no number {where}: write one of {known}{hint}")


def _limit(text: str, number: RuleNumber, written: str) -> float:
    percent = written.endswith("%")
    try:
        value = float(written.removesuffix("%"))
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise _error(text, f"{written!r} is no limit: write a number, such as {'5%' if number.is_share else '0.1'}")
    if percent:
        if not number.is_share:
            raise _error(text, f"{number.name} is no share: write its limit without %")
        value /= 100
    if number.is_share and abs(value) > 1:
        raise _error(text, f"a share of {written} is more than all: write {written.removesuffix('%')}% or 0 to 1")
    return value


def _parse_never(words: _Words, scope: Scope) -> KindRule | WiderRule:
    """Parse a rule of something that may not be: `no new kind`, `anything wider`."""
    never = words.take(*_NEVER)
    wider = words.take("wider", "widening") is not None
    # `kind:NAME` names it already.
    has_kind = words.take(*_KIND_WORDS) is not None or scope.kind is not None
    verdict = words.take("new", "larger")
    if never is None or not (wider or has_kind):
        unknown = words.left[-1] if words.left else words.text
        raise _error(words.text, f"is no rule: write one {_FORMS}{_close(unknown)}")
    scope = words.take_level(scope)
    if wider:
        if verdict is not None:
            raise _error(words.text, f"says both wider and {verdict}: write a rule for each")
        return WiderRule(text=words.text, scope=scope, needs_earlier=True)
    if scope.class_name is not None:
        raise _error(words.text, "a kind is not of a class: leave class: out")
    if verdict is not None and (scope.level or scope.reading):
        raise _error(words.text, f"{verdict} kinds are not of one level or reading: leave it out")
    return KindRule(
        text=words.text,
        scope=scope,
        verdict=verdict,  # type: ignore[arg-type]
        needs_earlier=verdict is not None,
    )


def _close(word: str) -> str:
    known = [*NUMBERS["level"], *NUMBERS["class"], *_READINGS, *_SORTS, *_NEVER, *_KIND_WORDS, "new", "larger", "wider"]
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _error(text: str, message: str) -> OptionError:
    return OptionError(f"rule {text.strip()!r}: {message}")
