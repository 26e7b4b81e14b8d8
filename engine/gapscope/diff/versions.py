"""Two runs of one comparison, and what they differ in, worked out when it is first asked for."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from gapscope.diff.classes import diff_classes
from gapscope.diff.kinds import diff_kinds
from gapscope.diff.numbers import diff_runs
from gapscope.run import Run


@dataclass(frozen=True)
class Versions:
    """An earlier run and a later one. Measuring a large run once more takes minutes, so each table is made once.

    Attributes:
        before: the earlier run.
        after: the later run.

    Example:
        >>> import gapscope
        >>> versions = Versions(gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday"))
        >>> versions.kinds["verdict"].tolist()
        ['closed']
    """

    before: Run
    after: Run

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """The table of `gapscope.diff.diff_runs`."""
        return diff_runs(self.before, self.after)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """The table of `gapscope.diff.diff_classes`."""
        return diff_classes(self.before, self.after)

    @cached_property
    def kinds(self) -> pd.DataFrame:
        """The table of `gapscope.diff.diff_kinds`."""
        return diff_kinds(self.before, self.after)
