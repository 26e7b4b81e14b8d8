"""Whether what rules name is there: before a job as far as it is known, and of a run whole."""

import difflib
from collections.abc import Sequence

from gapscope.errors import OptionError
from gapscope.gate.measured import classes_in
from gapscope.gate.rule_file import RuleSet
from gapscope.gate.rules import AnyRule, Scope
from gapscope.run import Run
from gapscope.store.datasets import Pair


def check_names(
    rules: RuleSet,
    *,
    datasets: Sequence[str],
    pairs: Sequence[Pair],
    levels: Sequence[str] | None,
    readings: Sequence[str],
) -> None:
    """Check that rules name pairs, levels and readings that are there.

    Args:
        rules: the rules.
        datasets: the datasets' names.
        pairs: the ordered pairs that are compared.
        levels: the levels' names; None where they are not known yet.
        readings: those whose numbers are computed.

    Raises:
        OptionError: one is not; the message says which there are.
    """
    for rule in rules.rules:
        scope = rule.scope
        if scope.pair is not None and scope.pair not in pairs:
            for name in scope.pair:
                if name not in datasets:
                    raise _error(rule, f"there is no dataset {name}", name, datasets)
            raise _error(rule, f"{scope.pair.name} is not compared", scope.pair.name, [pair.name for pair in pairs])
        if scope.level is not None and levels is not None and scope.level not in levels:
            raise _error(rule, f"there is no level {scope.level}", scope.level, levels)
        if scope.reading is not None and scope.reading not in readings:
            raise _error(rule, f"nothing is compared {scope.reading}", scope.reading, readings)


def check_run(rules: RuleSet, run: Run) -> None:
    """Check that rules name what a finished run has: pairs, levels, readings and classes.

    Raises:
        OptionError: one does not.
    """
    readings = run.record.config.compare.readings_compared
    check_names(rules, datasets=run.datasets, pairs=run.pairs, levels=run.levels, readings=readings)
    for rule in rules.rules:
        if rule.scope.class_name is None or len(classes_in(run, rule.scope)):
            continue
        names = sorted({*classes_in(run, Scope())["class"]})
        if not names:
            raise OptionError(f"rule {rule.text!r}: {run.path} has no classes; `classes` says where they come from")
        raise _error(rule, f"there is no class {rule.scope.class_name}", rule.scope.class_name, names)


_MOST_SHOWN = 12


def _error(rule: AnyRule, message: str, name: str, known: Sequence[str]) -> OptionError:
    close = difflib.get_close_matches(name, known, 1)
    shown = ", ".join(known[:_MOST_SHOWN]) + (", ..." if len(known) > _MOST_SHOWN else "")
    hint = f"; did you mean {close[0]}?" if close else f"; there are {shown}" if known else ""
    return OptionError(f"rule {rule.text!r}: {message}{hint}")
