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
    numbers = [run.metrics["levels"][level]["style_aside"].get(pair.name) for run in (before, after)]
    if numbers[0] is None or numbers[1] is None:
        return False
    same_k = before.record.config.compare.k == after.record.config.compare.k
    any_trimmed = numbers[0]["trimmed"] or numbers[1]["trimmed"]
    same_others = set(before.datasets) == set(after.datasets)
    return same_k and numbers[0]["trimmed"] == numbers[1]["trimmed"] and (same_others or not any_trimmed)
