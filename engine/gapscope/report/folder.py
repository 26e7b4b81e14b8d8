"""A folder that is either whole or not there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; when the block ends well it takes the place of what was at `path`.

    When the block fails, what was at `path` stays as it was. What a killed process left behind is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(f".{path.name}.*"):
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    replaced = path.with_name(f".{path.name}.{os.getpid()}.old")
    temporary.mkdir()
    try:
        yield temporary
        # A folder that holds files cannot be renamed over, so the old one steps aside first.
        if path.exists():
            path.rename(replaced)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
