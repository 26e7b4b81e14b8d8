"""Whether two runs can be held against each other, and what of them is left out."""

from gapscope.errors import RunError
from gapscope.run import Run
from gapscope.store.datasets import Pair


def check_comparable(before: Run, after: Run) -> None:
    """Check that two runs embed alike, and compare two datasets of the same names.

    Raises:
        RunError: they do not.
    """
    if not {*before.pairs} & {*after.pairs}:
        raise RunError(
            f"{before.path} compares {', '.join(before.datasets)} and {after.path} {', '.join(after.datasets)}: "
            "a dataset must have the same name in both runs"
        )
    if not {*before.levels} & {*after.levels}:
        raise RunError(f"{before.path} and {after.path} have no level in common")
    first, second = (run.record.config.embed for run in (before, after))
    for name in ("model", "size", "fit", "pool"):
        if getattr(first, name) != getattr(second, name):
            raise RunError(
                f"{before.path} embeds with {name} {getattr(first, name)}, {after.path} with {getattr(second, name)}: "
                "compare like with like"
            )
    if before.record.model.weights_sha256 != after.record.model.weights_sha256:
        raise RunError(f"{before.path} and {after.path} embed with different weights: compare like with like")
    metrics = [run.record.config.neighbors.metric for run in (before, after)]
    if metrics[0] != metrics[1]:
        raise RunError(
            f"{before.path} measures {metrics[0]} distances, {after.path} {metrics[1]}: compare like with like"
        )


def describe_left_out(before: Run, after: Run) -> str | None:
    """Return which datasets only one of the two runs has, and that they are left out; None for none."""
    parts = [
        f"{', '.join(names)} (only in {run.path})"
        for run, other in ((before, after), (after, before))
        if (names := [name for name in run.datasets if name not in other.datasets])
    ]
    return f"left out: {' and '.join(parts)}" if parts else None


def alike_style_aside(before: Run, after: Run, level: str, pair: Pair) -> bool:
    """Return whether numbers style aside can be compared: by the same k, and by scalers that were trimmed alike."""
    return _style_aside_difference(before, after, level, pair) is None


def describe_style_aside_left_out(before: Run, after: Run) -> list[str]:
    """Return at which levels numbers style aside of the earlier run are not compared, a line for each reason."""
    reasons: dict[str, dict[str, list[Pair]]] = {}
    pairs = [pair for pair in before.pairs if pair in after.pairs]
    for level in (level for level in before.levels if level in after.levels):
        for pair in pairs:
            # Without such numbers in the earlier run, none are missed.
            if pair.name not in before.metrics["levels"][level]["style_aside"]:
                continue
            if (reason := _style_aside_difference(before, after, level, pair)) is not None:
                reasons.setdefault(reason, {}).setdefault(level, []).append(pair)
    places = {
        why: ", ".join(_place(level, own, pairs) for level, own in levels.items()) for why, levels in reasons.items()
    }
    return [f"numbers style aside at {where} are left out: {why}" for why, where in places.items()]


def _place(level: str, of: list[Pair], pairs: list[Pair]) -> str:
    named = ", ".join(f"{pair.query} against {pair.reference}" for pair in of)
    return level if of == pairs else f"{level} ({named})"


def _style_aside_difference(before: Run, after: Run, level: str, pair: Pair) -> str | None:
    """Return why numbers style aside of two runs cannot be compared, as the end of a sentence; None where they can."""
    numbers = [run.metrics["levels"][level]["style_aside"].get(pair.name) for run in (before, after)]
    if numbers[0] is None or numbers[1] is None:
        return "not both runs have them"
    k = [run.record.config.compare.k for run in (before, after)]
    if k[0] != k[1]:
        return f"the runs have another k ({k[0]} and {k[1]})"
    if numbers[0]["trimmed"] != numbers[1]["trimmed"]:
        return "only one of both runs has trimmed scalers"
    if numbers[0]["trimmed"] and set(before.datasets) != set(after.datasets):
        return "scalers are trimmed, and the runs have other datasets"
    return None
