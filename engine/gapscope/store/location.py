"""Where a run is: a folder of this machine, or a URL with the same operations."""

import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, Union

from typing_extensions import TypeIs

from gapscope.errors import RunError, SourceError, one_line
from gapscope.urls import OBJECT_STORES, absolute, is_url, remote

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = Union[Path, "UPath"]
"""A folder or file of a run: on this machine a `Path`; behind a URL a `UPath`, which has the same operations."""

LocationLike: TypeAlias = Union[str, PathLike[str], "UPath"]
"""What a user may name a run with: a path or a URL."""

_S3: dict[str, Any] = {
    # An overloaded store refuses requests for a while: ten tries of botocore's take about a minute and a half.
    "config_kwargs": {"retries": {"mode": "standard", "max_attempts": 10}, "connect_timeout": 10, "read_timeout": 60}
}
_OPTIONS: dict[str, dict[str, Any]] = {"s3": _S3, "s3a": _S3}


def resolve_location(location: LocationLike) -> Location:
    """Return the absolute path of a run; for a URL, a `UPath` of universal-pathlib, which has a path's operations.

    Raises:
        RunError: the URL carries a password, or the package for such URLs is not installed.
    """
    from upath import UPath

    text = fspath(location) if isinstance(location, PathLike) else str(location)
    text = text.removeprefix("file://")
    if not is_url(text):
        return Path(text).expanduser().absolute()
    try:
        remote(absolute(text))
    except SourceError as error:
        raise RunError(str(error)) from error
    # Listings are not cached, so that what others write meanwhile is seen.
    location_of_url: Location = UPath(text.rstrip("/"), **options_of(text))
    return location_of_url


def is_remote(path: Location) -> TypeIs["UPath"]:
    """Return whether a path is a URL, not a folder of this machine."""
    return not isinstance(path, Path)


def relative_name(path: Location, folder: Location) -> str:
    """Return the name of `path` relative to a folder above it, with forward slashes.

    Example:
        >>> relative_name(Path("/run/manifests/P5.csv"), Path("/run"))
        'manifests/P5.csv'
    """
    return "/".join(path.parts[len(folder.parts) :])


def unique_names(paths: Sequence[Location]) -> list[str]:
    """Return the shortest ends of paths that are different from each other.

    Example:
        >>> unique_names([Path("/a/monday/run"), Path("/a/tuesday/run"), Path("/a/base")])
        ['monday/run', 'tuesday/run', 'base']
    """
    # An object store's parts begin with the bucket, which ends in a slash.
    parts = [[part.strip("/") for part in path.parts] for path in paths]
    lengths = [1] * len(paths)
    while True:
        names = ["/".join(own[-length:]) for own, length in zip(parts, lengths, strict=True)]
        longer = [
            min(length + 1, len(own)) if names.count(name) > 1 else length
            for name, own, length in zip(names, parts, lengths, strict=True)
        ]
        if longer == lengths:
            return names
        lengths = longer


def options_of(url: str) -> dict[str, Any]:
    """Return the options of a URL's file system: retries, and no cache of listings."""
    return {"use_listings_cache": False, **_OPTIONS.get(url.split("://", maxsplit=1)[0], {})}


def zarr_store(path: Location) -> Any:
    """Return the Zarr store at `path`."""
    if not is_remote(path):
        return path
    from zarr.storage import FsspecStore

    return FsspecStore.from_url(str(path), storage_options=options_of(str(path)))


@contextmanager
def readable(path: Location, *, whole: bool = True) -> Iterator[Path | IO[bytes]]:
    """Yield what pyarrow reads a file from.

    Args:
        path: of the file.
        whole: whether all of it is wanted, which behind a URL takes one request; else it is read in parts.
    """
    if not is_remote(path):
        yield path
    elif whole:
        yield io.BytesIO(file_system(path).cat_file(str(path)))
    else:
        with path.open("rb") as file:
            yield file


def make_folder(path: Location) -> None:
    """Make a folder and those above it, where the storage has folders."""
    # Object stores have none, and asked for one they would make a bucket.
    if not is_remote(path) or path.protocol not in OBJECT_STORES:
        path.mkdir(parents=True, exist_ok=True)


def remove_tree(path: Location) -> None:
    """Remove a folder and all in it, if it is there."""
    if not is_remote(path):
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        file_system(path).rm(str(path), recursive=True)


def file_system(path: "UPath") -> Any:
    """Return the file system of a URL."""
    return path.fs


def reason_of(error: BaseException) -> str:
    """Return why a location cannot be read or written, in one line."""
    return getattr(error, "strerror", None) or one_line(error)
