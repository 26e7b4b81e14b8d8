"""What in a run's folder is neither a file nor a folder of its own: a run may come from somebody else."""

import os
from pathlib import Path

from gapscope.errors import RunError
from gapscope.store.location import is_remote


def check_no_escaping_links(run: Path) -> None:
    """See that nothing below a run's folder leads out of it or blocks whoever opens it.

    Raises:
        RunError: there is a link to elsewhere, a pipe, a socket or a device.
    """
    if is_remote(run):
        return
    home = os.path.realpath(run)
    waiting = [home]
    while waiting:
        # A folder that is not there or may not be read is told where it is needed.
        try:
            found = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in found:
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if os.path.commonpath([home, target]) != home:
                    raise RunError(
                        f"{entry.path} is a link out of the run, to {target}: remove it, or move it into place"
                    )
            elif entry.is_dir():
                waiting.append(entry.path)
            elif not entry.is_file():
                raise RunError(f"{entry.path} is a pipe, socket or device, which no run holds: remove it")
