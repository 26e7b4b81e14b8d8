"""Files and folders that are either whole or not there."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapscope.store.location import Location, file_system, is_remote, make_folder, remove_tree

if TYPE_CHECKING:
    from upath import UPath


@contextmanager
def replacing(path: Location) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, its file is on disk under the name `path`.

    A reader sees the old file or the new one, never a part, whenever the process or the machine stops. Behind a URL the
    file is written on this machine and sent in one piece.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            make_folder(path.parent)
            file_system(path).put_file(str(temporary), str(path))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Location) -> None:
    """Wait until a file, or every file below a folder, is on the disk and not in memory alone.

    A flag that says that they exist must not outlive them when a machine loses power.
    """
    if is_remote(path):
        return
    for file_path in path.rglob("*") if path.is_dir() else [path]:
        # A shard of NaN alone is not written.
        if file_path.is_file():
            with file_path.open("rb") as file:
                os.fsync(file.fileno())


_PARTIAL = re.compile(r"\..+\.\d+\.partial|.+\.[0-9a-f]{32}\.partial")
"""Names of files that `replacing`, `replacing_folder` and Zarr write before they rename them."""


def sweep(folder: Location) -> None:
    """Remove half-written files that a killed process left below a run's folder."""
    if is_remote(folder):
        return
    for path in list(folder.rglob("*.partial")):
        if not _PARTIAL.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_text(path: Location, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Location, value: Any) -> None:
    """Write `value` as JSON to `path`, whole or not at all. NaN and infinity are refused: JSON has neither."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def replacing_folder(path: Location) -> Iterator[Path]:
    """Yield an empty folder beside `path`; when the block ends well, it replaces what was at `path`.

    When the block fails, what was at `path` stays as it was. What a killed process left behind is removed. Behind a URL
    the folder is written on this machine and sent file by file, the pages last.
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


def _send(folder: Path, path: "UPath") -> None:
    remove_tree(path)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in sorted(files, key=lambda file: file.suffix == ".html"):
        target = path.joinpath(*file.relative_to(folder).parts)
        make_folder(target.parent)
        file_system(path).put_file(str(file), str(target))
