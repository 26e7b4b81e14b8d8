"""A folder that is either whole or not there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapscope.store.place import file_system, is_remote, make_folder, remove_tree


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; when the block ends well it takes the place of what was at `path`.

    When the block fails, what was at `path` stays as it was. What a killed process left behind is removed. Behind a URL
    the folder is made on this machine and sent file by file, the pages last.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
            yield Path(folder)
            _send(Path(folder), path)
        return
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


def _send(folder: Path, path: Path) -> None:
    remove_tree(path)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in sorted(files, key=lambda file: file.suffix == ".html"):
        target = path.joinpath(*file.relative_to(folder).parts)
        make_folder(target.parent)
        file_system(path).put_file(str(file), str(target))
