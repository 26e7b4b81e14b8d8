"""Links out of a run's folder, and other things that no run holds: a run may come from somebody else."""

import os

from gapscope.errors import RunError
from gapscope.store.location import Location, is_remote


def check_no_escaping_links(run: Location) -> None:
    """Check that nothing below a run's folder leads out of it or blocks whoever opens it.

    Raises:
        RunError: there is a link to elsewhere, a pipe, a socket or a device.
    """
    if is_remote(run):
        return
    home = os.path.realpath(run)
    pending = [home]
    while pending:
        # Whoever needs a folder that is missing or may not be read reports it.
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if os.path.commonpath([home, target]) != home:
                    raise RunError(
                        f"{entry.path} is a link out of the run, to {target}: remove it, or move it into place"
                    )
            elif entry.is_dir():
                pending.append(entry.path)
            elif not entry.is_file():
                raise RunError(f"{entry.path} is a pipe, socket or device, which no run holds: remove it")
