"""Errors that a damaged run causes, reported as damage."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from gapscope.errors import DamageError, GapscopeError
from gapscope.progress import Silent
from gapscope.store.location import Location
from gapscope.store.run_record import NAME
from gapscope.verify.checks import run_checks


@contextmanager
def diagnose_damage(run: Location) -> Iterator[None]:
    """When the block fails, check whether the run's files are to blame.

    An error of the operating system, such as a full disk, explains itself; only a missing file may be damage.

    Raises:
        DamageError: the files are to blame. An error over a sound run is passed on as it is.
    """
    try:
        yield
    except GapscopeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise
        faults = run_checks(run, Silent()).faults if (run / NAME).exists() else []
        if not faults:
            raise
        more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
        first = faults[0]
        raise DamageError(
            f"{run} is damaged: {first.path} {first.problem}{more}; `gapscope verify {run} --repair` takes out what is "
            "broken, and the same compare command makes it again"
        ) from error
