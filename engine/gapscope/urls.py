"""URLs of storage: told from paths, checked, and opened as file systems."""

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gapscope.errors import SourceError, one_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "r2")
_SCHEMES = (*OBJECT_STORES, "http", "https", "hf", "hdfs", "webhdfs", "memory")
"""Of storage alone: fsspec knows others that unpack, log in elsewhere or fill in templates, and lists name any."""


def is_url(location: str) -> bool:
    """Tell a URL from a path."""
    return "://" in location


def absolute(location: str) -> str:
    """Return a path from the root, `~` spelled out; a URL as it is.

    Raises:
        SourceError: a URL carries a password, which would end up in run.json and in the report.
    """
    location = location.removeprefix("file://")
    if not is_url(location):
        return os.path.abspath(os.path.expanduser(location))
    if "@" in urlsplit(location).netloc:
        raise SourceError(
            f"{location.split('://', maxsplit=1)[0]}://...@...: a password in a URL would be kept in the run; "
            "give it in the environment or in the storage's own configuration"
        )
    return location


def remote(url: str) -> tuple["AbstractFileSystem", str]:
    """Return the file system of a URL, and the path within it.

    Raises:
        SourceError: the package for such URLs is not installed, or they are of no storage that gapscope reads.
    """
    import fsspec

    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES or "::" in url:
        raise SourceError(f"{url}: not a URL of storage: one of {', '.join(_SCHEMES)}, and no chain of them")
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise SourceError(f'{url}: needs a package that is not installed; pip install "gapscope[cloud]"') from error
    except ValueError as error:
        raise SourceError(f"{url}: {one_line(error)}") from error
    return fs, path
