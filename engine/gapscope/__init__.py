"""gapscope: where, and at which spatial scale, does one image dataset fail to look like another?"""

from importlib.metadata import version

from gapscope.diff import diff_runs
from gapscope.errors import (
    ClusterError,
    DamageError,
    GapscopeError,
    OptionError,
    RunError,
    SourceError,
    UserError,
    WeightsError,
)
from gapscope.pyramid.models import MODELS
from gapscope.run import Run, open_run
from gapscope.stages.pipeline import compare
from gapscope.verify import verify

__version__ = version("gapscope")

__all__ = [
    "MODELS",
    "ClusterError",
    "DamageError",
    "GapscopeError",
    "OptionError",
    "Run",
    "RunError",
    "SourceError",
    "UserError",
    "WeightsError",
    "__version__",
    "compare",
    "diff_runs",
    "open_run",
    "verify",
]
