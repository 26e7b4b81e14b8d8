"""Checks what tells the classes of each dataset, before anything is embedded."""

from collections.abc import Mapping

from gapscope.errors import OptionError
from gapscope.settings import parse_class_rule
from gapscope.sources import Source
from gapscope.store.run_store import RunStore


def check_class_rules(classes: str | Mapping[str, str], sources: Mapping[str, Source]) -> dict[str, str]:
    """Return, per dataset, what its classes come from, in the words of `--classes`.

    Raises:
        OptionError: a rule cannot be read, names a column that its dataset lacks, or is for no dataset.
    """
    by_name = dict.fromkeys(sources, classes) if isinstance(classes, str) else dict(classes)
    for name in by_name:
        if name not in sources:
            raise OptionError(f"`classes` names dataset {name}, and there are {', '.join(sources)}")
    rules = {name: parse_class_rule(by_name.get(name, "auto")) for name in sources}
    for name, rule in rules.items():
        columns = sources[name].columns
        if rule.source == "column" and rule.column not in columns:
            known = f"its columns are {', '.join(columns)}" if columns else "it has no columns"
            raise OptionError(
                f"dataset {name} has no column {rule.column}: {known}; for one dataset alone, give `classes` as "
                "NAME=...",
                argument="classes",
                value=by_name[name],
            )
    return {name: str(rule) for name, rule in rules.items()}


def check_annotated(run: RunStore) -> None:
    """Check that the datasets whose classes come from annotations have some; they are listed by now.

    Raises:
        OptionError: one has none.
    """
    for name, text in run.record.config.classes.items():
        if parse_class_rule(text).source == "annotations" and run.record.datasets[name].annotations is None:
            raise OptionError(
                f"dataset {name} has no annotations; give folder, column:NAME or none for it, as `classes` NAME=...",
                argument="classes",
                value=text,
            )
