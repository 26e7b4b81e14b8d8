"""gapscope: where, and at which spatial scale, does one image dataset fail to look like another?

The names here are imported when they are first used, so that `import gapscope` takes no time (PEP 562).
"""

import logging
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gapscope.errors import (
    ClusterError,
    DamageError,
    GapscopeError,
    OptionError,
    RunError,
    SourceError,
    TrackerError,
    UserError,
    WeightsError,
)

if TYPE_CHECKING:
    from gapscope.config_file import read_config
    from gapscope.diff import diff_kinds, diff_runs
    from gapscope.gate import gate
    from gapscope.pyramid.model import Model
    from gapscope.pyramid.models import MODELS
    from gapscope.run import Run, open_run
    from gapscope.stages.again import resume, update
    from gapscope.stages.pipeline import compare
    from gapscope.track import TrackedRun, track_run
    from gapscope.verify import verify

    __version__: str

__all__ = [
    "MODELS",
    "ClusterError",
    "DamageError",
    "GapscopeError",
    "Model",
    "OptionError",
    "Run",
    "RunError",
    "SourceError",
    "TrackedRun",
    "TrackerError",
    "UserError",
    "WeightsError",
    "__version__",
    "compare",
    "diff_kinds",
    "diff_runs",
    "gate",
    "open_run",
    "read_config",
    "resume",
    "track_run",
    "update",
    "verify",
]

_LAZY = {
    "MODELS": "gapscope.pyramid.models",
    "Model": "gapscope.pyramid.model",
    "Run": "gapscope.run",
    "TrackedRun": "gapscope.track",
    "compare": "gapscope.stages.pipeline",
    "diff_kinds": "gapscope.diff",
    "diff_runs": "gapscope.diff",
    "gate": "gapscope.gate",
    "open_run": "gapscope.run",
    "read_config": "gapscope.config_file",
    "resume": "gapscope.stages.again",
    "track_run": "gapscope.track",
    "update": "gapscope.stages.again",
    "verify": "gapscope.verify",
}

# A library is silent unless the program that uses it configures logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("gapscope")
    elif name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def dask_setup(worker: object) -> None:
    """Import what blocks need before a Dask worker takes any: `dask worker --preload gapscope` calls this."""
    del worker
    import_module("gapscope.stages.pipeline")


class _Package(ModuleType):
    """Keeps modules from hiding functions.

    `compare`, `gate` and `verify` are functions of this package and modules in it; importing such a module would
    set the package's attribute to the module.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _LAZY and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
