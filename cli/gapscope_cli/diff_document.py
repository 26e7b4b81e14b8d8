"""A diff as a JSON document."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from gapscope.diff import describe_left_out
from gapscope.diff.classes import SAME
from gapscope.diff.numbers import widens
from gapscope.run import Run
from gapscope_cli.documents import ClassChange, DiffDocument, Estimate, Gate, KindChange, NumberChange


def diff_document(
    before: Run,
    after: Run,
    kinds: pd.DataFrame,
    classes: pd.DataFrame,
    changes: pd.DataFrame,
    *,
    page: str | None,
    markdown: str | None,
    gate: Gate | None,
) -> DiffDocument:
    """Return what two runs differ in as a document."""
    return DiffDocument(
        before=str(before.path),
        after=str(after.path),
        left_out=describe_left_out(before, after),
        numbers=[_number(row) for row in changes.to_dict("records")],
        kinds=[KindChange(**{str(name): value for name, value in row.items()}) for row in kinds.to_dict("records")],
        classes=[_class(row) for row in classes[classes["verdict"] != SAME].to_dict("records")],
        page=page,
        markdown=markdown,
        gate=gate,
    )


def _number(row: Mapping[Hashable, Any]) -> NumberChange:
    return NumberChange(
        query=row["query"],
        reference=row["reference"],
        level=row["level"],
        reading=row["reading"],
        number=row["number"],
        before=Estimate(value=row["before"], low=row["before_low"], high=row["before_high"]),
        after=Estimate(value=row["after"], low=row["after_low"], high=row["after_high"]),
        p=row["p"],
        verdict=row["verdict"],
        widens=widens(row["number"], row["verdict"]),
    )


def _class(row: Mapping[Hashable, Any]) -> ClassChange:
    ends = {
        when: Estimate(
            value=row[f"gap_{when}"], low=_known(row[f"gap_low_{when}"]), high=_known(row[f"gap_high_{when}"])
        )
        for when in ("before", "after")
    }
    return ClassChange(
        verdict=row["verdict"],
        query=row["query"],
        reference=row["reference"],
        level=row["level"],
        reading=row["reading"],
        name=row["class"],
        before=ends["before"],
        after=ends["after"],
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
