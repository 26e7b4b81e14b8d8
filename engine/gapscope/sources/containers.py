"""A local folder that holds no images itself, but files of many images: Parquet tables or archives."""

import os
from collections.abc import Iterator

from gapscope.errors import SourceError
from gapscope.sources.files import path_bytes, path_text
from gapscope.sources.folder import is_aside, is_aside_folder, is_folder
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes

_NAMES = {".parquet": "Parquet file", ".tar": "tar archive", ".zip": "zip archive"}
_SAVED_DATASET = ("state.json", "dataset_info.json", "dataset_dict.json")


def containers_in(folder: str) -> tuple[str, list[str]] | None:
    """Return the Parquet files or archives below a folder that holds no images.

    Looking ends at the first file with an image's name, so that an ordinary folder costs next to nothing.

    Returns:
        The end of their names, such as `.tar`, and the files, sorted; None if the folder holds images, or neither.

    Raises:
        SourceError: it holds files of several kinds, or a dataset that Hugging Face's `save_to_disk` wrote.
    """
    found: dict[str, list[str]] = {suffix: [] for suffix in _NAMES}
    arrow, saved = "", False
    for path in _files(folder, frozenset()):
        if has_image_suffix(path):
            return None
        suffix = os.path.splitext(path)[1].lower()
        if suffix in found:
            found[suffix].append(path)
        elif suffix == ".arrow":
            arrow = arrow or path
        saved = saved or os.path.basename(path) in _SAVED_DATASET
    kinds = {suffix: sorted(files) for suffix, files in found.items() if files}
    if arrow and saved and not kinds:
        split = "" if os.path.dirname(arrow) == folder else f'["{os.path.basename(os.path.dirname(arrow))}"]'
        raise SourceError(
            f"{folder}: was written by save_to_disk of Hugging Face datasets; export it to Parquet with "
            f'datasets.load_from_disk("{folder}"){split}.to_parquet("images.parquet"), and give that file'
        )
    if len(kinds) > 1:
        held = " and ".join(
            f"{_counted(len(files), _NAMES[suffix])} ({os.path.relpath(files[0], folder)})"
            for suffix, files in kinds.items()
        )
        pattern = os.path.join(folder, "**", f"*{next(iter(kinds))}")
        raise SourceError(f"{folder}: holds {held} and no images; name one kind of them, such as '{pattern}'")
    return next(iter(kinds.items()), None)


def note_containers(suffix: str, number: int, notes: ListingNotes | None) -> None:
    """Tell that a folder was taken for its Parquet files or archives, whose names end in `suffix`."""
    if notes is not None:
        notes.guess(f"the folder holds {_counted(number, _NAMES[suffix])}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _files(folder: str, ancestors: frozenset[tuple[int, int]]) -> Iterator[str]:
    """Yield the files below a folder that `Folder` does not pass over, its own first; links are followed."""
    subfolders = list[str]()
    try:
        status = os.stat(path_bytes(folder))
        if (key := (status.st_dev, status.st_ino)) in ancestors:
            return
        with os.scandir(path_bytes(folder)) as items:
            for item in items:
                name = path_text(item.name)
                if is_folder(item):
                    if not is_aside_folder(name):
                        subfolders.append(os.path.join(folder, name))
                elif not is_aside(name):
                    yield os.path.join(folder, name)
    # What cannot be listed is told by the source that lists the folder.
    except OSError:
        return
    for subfolder in sorted(subfolders):
        yield from _files(subfolder, ancestors | {key})
