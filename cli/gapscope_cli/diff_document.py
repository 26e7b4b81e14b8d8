"""A diff as a JSON document."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from gapscope.compare.interval import Interval
from gapscope.diff import Versions, describe_left_out
from gapscope.diff.classes import SAME
from gapscope.diff.numbers import interval_at, widens
from gapscope_cli.documents import ClassChange, DiffDocument, Estimate, Gate, KindChange, NumberChange


def diff_document(versions: Versions, *, page: str | None, markdown: str | None, gate: Gate | None) -> DiffDocument:
    """Return what two runs differ in as a document."""
    classes = versions.classes
    return DiffDocument(
        before=str(versions.before.path),
        after=str(versions.after.path),
        left_out=describe_left_out(versions.before, versions.after),
        numbers=[_number(row) for row in versions.numbers.to_dict("records")],
        kinds=msgspec.convert(versions.kinds.to_dict("records"), list[KindChange]),
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
        before=_estimate(interval_at(row, "before")),
        after=_estimate(interval_at(row, "after")),
        p=row["p"],
        verdict=row["verdict"],
        widens=widens(row["number"], row["verdict"]),
    )


def _class(row: Mapping[Hashable, Any]) -> ClassChange:
    before, after = (
        _estimate((row[f"gap_{when}"], row[f"gap_low_{when}"], row[f"gap_high_{when}"])) for when in ("before", "after")
    )
    return ClassChange(
        verdict=row["verdict"],
        query=row["query"],
        reference=row["reference"],
        level=row["level"],
        reading=row["reading"],
        name=row["class"],
        before=before,
        after=after,
    )


def _estimate(interval: Interval) -> Estimate:
    # The ends are missing where there are too few to tell.
    value, low, high = (None if math.isnan(end) else end for end in interval)
    assert value is not None
    return Estimate(value=value, low=low, high=high)
