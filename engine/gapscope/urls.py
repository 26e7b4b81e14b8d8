"""Storage URLs: telling them from paths, checking them and opening them as fsspec file systems."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gapscope.errors import SourceError, one_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "r2")
"""URL schemes of object stores."""

_SCHEMES = (*OBJECT_STORES, "http", "https", "hf", "hdfs", "webhdfs", "memory")
"""The schemes that gapscope opens: storage only.

fsspec knows others that unpack archives, log in to other machines or fill in templates, and a list of images from
somebody else may name any of them.
"""


def is_url(location: str) -> bool:
    """Tell a URL from a path.

    Example:
        >>> is_url("s3://bucket/photos"), is_url("/data/photos")
        (True, False)
    """
    return "://" in location


def move(location: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a path or URL with another beginning, if it has one of those that are given; the longest counts.

    Args:
        location: a path or URL.
        pairs: old beginnings with new ones; whole folders, not parts of their names.

    Example:
        >>> move("/data/photos/1.jpg", [("/data", "/mnt")]), move("/database/1.jpg", [("/data", "/mnt")])
        ('/mnt/photos/1.jpg', '/database/1.jpg')
    """
    for old, new in sorted(pairs, key=lambda pair: -len(pair[0])):
        if location == old or location.startswith(old if old.endswith("/") else f"{old}/"):
            return f"{new}{location.removeprefix(old)}"
    return location


def absolute(location: str) -> str:
    """Return a path as an absolute path, with `~` expanded; a URL unchanged.

    `file://` URLs are paths, whose escapes such as `%20` are undone unless there is a file of the name as it stands.

    Raises:
        SourceError: the URL contains a password, which would end up in run.json and in the report.

    Example:
        >>> absolute("s3://bucket/photos"), absolute("file:///data/./photos")
        ('s3://bucket/photos', '/data/photos')
    """
    if location.startswith("file://"):
        location = _path_of(location)
    if not is_url(location):
        path = os.path.abspath(os.path.expanduser(location))
        try:
            # Under a plain C locale Python spells a name that is not ASCII in its own way.
            return os.fsencode(path).decode("utf-8", errors="surrogateescape")
        except UnicodeEncodeError:
            return path
    if "@" in urlsplit(location).netloc:
        raise SourceError(
            f"{location.split('://', maxsplit=1)[0]}://...@...: a password in a URL would be kept in the run; "
            "give it in the environment or in the storage's own configuration"
        )
    return location


def _path_of(url: str) -> str:
    """Return the path of a `file://` URL."""
    host = "file://localhost"
    path = url.removeprefix(host) if url.startswith(f"{host}/") else url.removeprefix("file://")
    return path if "%" not in path or os.path.exists(path) else unquote(path, errors="surrogateescape")


def remote(url: str) -> tuple["AbstractFileSystem", str]:
    """Return the fsspec file system of a URL, and the path within it.

    Raises:
        SourceError: the package for this scheme is not installed, or gapscope does not open the scheme.

    Example:
        >>> fs, path = remote("memory://photos/a.png")
        >>> fs.protocol, path
        ('memory', '/photos/a.png')
    """
    import fsspec

    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES or "::" in url:
        raise SourceError(f"{url}: not a URL of storage: use one of {', '.join(_SCHEMES)}, and no chained URLs")
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise SourceError(f'{url}: needs a package that is not installed; pip install "gapscope[cloud]"') from error
    except ValueError as error:
        raise SourceError(f"{url}: {one_line(error)}") from error
    return fs, path
