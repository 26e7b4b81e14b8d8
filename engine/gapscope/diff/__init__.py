"""Has a gap closed from one run to another? Numbers level by level, classes and kinds, beyond their error bars."""

from gapscope.diff.classes import describe_classes, diff_classes
from gapscope.diff.comparable import describe_left_out
from gapscope.diff.kinds import describe_kinds, diff_kinds
from gapscope.diff.numbers import diff_runs, level_verdicts
from gapscope.diff.versions import Versions

__all__ = [
    "Versions",
    "describe_classes",
    "describe_kinds",
    "describe_left_out",
    "diff_classes",
    "diff_kinds",
    "diff_runs",
    "level_verdicts",
]
