"""images/NAME/: the images that a Python program gave, or the list of their paths: nothing else keeps these.

images/NAME/00000000.parquet  name, image, and what was given beside it, of up to 1,024 images
images/NAME/kept.json         how many images there are, and their columns; whether that is all of them
images/NAME.parquet           paths, where a program gave these
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.errors import DamageError, RunError, SourceError
from gapscope.sources.entry import Kind
from gapscope.sources.given.items import Item
from gapscope.sources.kept_images import FILE_ROWS, KeptImages, file_path
from gapscope.sources.lists.list_file import open_list
from gapscope.sources.source import Source
from gapscope.store.atomic import replacing, write_json
from gapscope.store.location import Location, readable, remove_tree
from gapscope.store.tables import open_table, read_whole, table_writer, write_whole

IN_RUN = "run:"
"""Begins the location of a dataset that lies in the run itself."""

_GROUP_ROWS = 32
_TYPES = {"text": pa.string(), "number": pa.float64()}


@dataclass(kw_only=True)
class Kept:
    """How far a run has kept a dataset's images.

    Attributes:
        what: what they were given as, in words.
        columns: what was given beside them.
        count: images in whole files.
        complete: whether these are all.
    """

    what: str
    columns: dict[str, Kind] = field(default_factory=dict)
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    complete: bool = False


def images_folder(run: Location, dataset: str) -> Location:
    """Return the folder in which a run keeps a dataset's images."""
    return run / "images" / dataset


def list_path(run: Location, dataset: str) -> Location:
    """Return the path of the list in which a run keeps the paths of a dataset's images."""
    return run / "images" / f"{dataset}.parquet"


def kept_location(dataset: str, *, paths: bool) -> str:
    """Return how run.json names images that a run keeps, or a list of paths."""
    return f"{IN_RUN}images/{dataset}{'.parquet' if paths else ''}"


def read_kept(run: Location, dataset: str) -> Kept | None:
    """Return how far a run has kept a dataset's images; None if it has not begun."""
    try:
        text = (images_folder(run, dataset) / "kept.json").read_text(encoding="utf-8")
        return msgspec.convert(json.loads(text), Kept)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DamageError(f"{images_folder(run, dataset)}/kept.json is damaged: use another `out`") from error


def write_kept(run: Location, dataset: str, kept: Kept) -> None:
    """Write how far a run has kept a dataset's images."""
    write_json(images_folder(run, dataset) / "kept.json", asdict(kept))


def keep_images(run: Location, dataset: str, kept: Kept, items: Iterable[Item]) -> None:
    """Write images behind those that the run has kept, a file at a time, in constant memory.

    Raises:
        SourceError: there are no more for now; those so far are kept.
    """
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("image", pa.binary()),
            ("bytes", pa.int64()),
            ("digest", pa.int64()),
            ("status", pa.string()),
            ("error", pa.string()),
            *((f"value.{name}", _TYPES[kind]) for name, kind in kept.columns.items()),
        ]
    )
    stopped: list[SourceError] = []
    batches = _batches(items, FILE_ROWS - kept.count % FILE_ROWS, stopped)
    for first in batches:
        path = images_folder(run, dataset) / file_path("", kept.count).lstrip("/")
        written = kept.count % FILE_ROWS
        with replacing(path) as temporary, table_writer(temporary, schema) as writer:
            if written:
                _copy(path, writer, written)
            for rows in chain([first], batches):
                writer.write_table(pa.Table.from_pylist([_row(item, kept.columns) for item in rows], schema=schema))
                written += len(rows)
                if written == FILE_ROWS:
                    break
        kept.count += written - kept.count % FILE_ROWS
        write_kept(run, dataset, kept)
    if stopped:
        raise stopped[0]
    kept.complete = True
    write_kept(run, dataset, kept)


def _copy(path: Location, writer: pq.ParquetWriter, rows: int) -> None:
    """Copy the first rows of a file. It may have more: whoever wrote them was stopped before it could count them."""
    with readable(path) as earlier, open_table(earlier) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).slice(0, rows)
            rows -= len(table)
            writer.write_table(table)


def _batches(items: Iterable[Item], room: int, stopped: list[SourceError]) -> Iterator[list[Item]]:
    """Yield images in small batches, none of which crosses the end of a file, with `room` left in the first.

    What ends them before their time is put into `stopped`.
    """
    batch: list[Item] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == min(_GROUP_ROWS, room):
                room = room - len(batch) or FILE_ROWS
                yield batch
                batch = []
    except SourceError as error:
        stopped.append(error)
    if batch:
        yield batch


def _row(item: Item, columns: Mapping[str, Kind]) -> dict[str, Any]:
    data = item.data or b""
    return {
        "name": item.name,
        "image": data,
        "bytes": len(data),
        "digest": image_digest(data),
        "status": item.status,
        "error": item.error,
        **{f"value.{name}": _of_kind(item.values.get(name), kind) for name, kind in columns.items()},
    }


def image_digest(data: bytes) -> int:
    """Return a positive number that differs where an image's bytes do."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) >> 1


def _of_kind(value: Any, kind: Kind) -> Any:
    if kind == "text":
        return None if value is None else str(value)
    return float(value) if isinstance(value, int | float) else None


def keep_list(run: Location, dataset: str, table: pa.Table, *, update: bool) -> None:
    """Write a list of paths, in place of an earlier one only with `update`.

    Raises:
        RunError: the run has another list.
    """
    path = list_path(run, dataset)
    if path.exists():
        with readable(path) as file:
            if read_whole(file).equals(table):
                return
        if not update:
            raise RunError(
                f"dataset {dataset}: the list of its images has changed since this run was begun; add `update=True` to "
                "take that over and embed only what is new, or use another `out`"
            )
    with replacing(path) as temporary:
        write_whole(temporary, table)


def open_in_run(run: Location, dataset: str, location: str) -> Source:
    """Return the images that a run keeps, or those on a list that it keeps.

    Raises:
        SourceError: they are not complete: the program that gave them was stopped.
    """
    if location.endswith(".parquet"):
        path = list_path(run, dataset)
        if not path.exists():
            raise SourceError(_give_again(dataset, "list of paths"))
        return open_list(str(path), "path", location)
    kept = read_kept(run, dataset)
    if kept is None:
        raise SourceError(f"dataset {dataset}: {run} has no images of it: a Python program gave them to another run")
    if not kept.complete:
        raise SourceError(_give_again(dataset, kept.what))
    return open_images(run, dataset, location, kept)


def open_images(run: Location, dataset: str, location: str, kept: Kept) -> KeptImages:
    """Return the images that a run has kept so far."""
    return KeptImages(str(images_folder(run, dataset)), kept.count, kept.columns, location, kept.what)


def _give_again(dataset: str, what: str) -> str:
    return (
        f"dataset {dataset}: a Python program was stopped while it gave the {what}; run it again with the same `out`: "
        "it goes on behind the images that are kept"
    )


def remove_given(run: Location, dataset: str) -> None:
    """Remove what a run keeps of a dataset's images."""
    remove_tree(images_folder(run, dataset))
    list_path(run, dataset).unlink(missing_ok=True)
