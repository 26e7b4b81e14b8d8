"""The files below a folder of a remote file system, in the order of their names, without holding all of them."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_REQUESTS = 16
"""Requests at a time."""
_AHEAD = 16
"""Subfolders of a folder that are asked for before it is their turn."""


def files_below(fs: "AbstractFileSystem", folder: str) -> Generator[tuple[str, Mapping[str, Any]], None, None]:
    """Yield the path and fsspec's info of every file below a folder, by ascending path.

    Several folders are asked for at a time. What is held are the names of these: of S3 at most a page of each folder,
    which has a thousand, and of other file systems all names of each.

    Args:
        fs: the file system, which may raise anything.
        folder: path of the folder.

    Example:
        >>> import fsspec
        >>> fs = fsspec.filesystem("memory")
        >>> fs.pipe({"/tree/b.png": b"", "/tree/a/1.png": b"", "/tree/a-1.png": b""})
        >>> [path for path, _ in files_below(fs, "/tree")]
        ['/tree/a-1.png', '/tree/a/1.png', '/tree/b.png']
    """
    requests = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="listing")
    try:
        walk = _Walk(fs, requests)
        folders = [walk.children(folder, walk.request(folder))]
        while folders:
            child, page = next(folders[-1], (None, None))
            if child is None:
                folders.pop()
            elif page is None:
                yield child.path, child.info
            else:
                folders.append(walk.children(child.path, page))
    finally:
        requests.shutdown(wait=False, cancel_futures=True)


class _Child(NamedTuple):
    """A file or folder in a folder."""

    path: str
    is_folder: bool
    info: Mapping[str, Any]

    @property
    def key(self) -> str:
        """By this all paths are in order: what a folder holds comes where its own path and a slash come."""
        return f"{self.path}/" if self.is_folder else self.path


class _Page(NamedTuple):
    """Some of a folder's children, by ascending key, and how to ask for those that follow; empty for none."""

    children: list[_Child]
    following: str


class _Walk(NamedTuple):
    """Asks for pages of folders."""

    fs: "AbstractFileSystem"
    requests: ThreadPoolExecutor

    def request(self, folder: str, following: str = "") -> Future[_Page]:
        return self.requests.submit(_page_reader(self.fs), self.fs, folder, following)

    def children(self, folder: str, page: Future[_Page]) -> Iterator[tuple[_Child, Future[_Page] | None]]:
        """Yield a folder's children by ascending key, subfolders with their first page."""
        pages = [page]
        while pages:
            children, following = pages.pop().result()
            if following:
                pages.append(self.request(folder, following))
            subfolders = (child.path for child in children if child.is_folder)
            ahead = deque[Future[_Page]]()
            for child in children:
                if child.is_folder:
                    while len(ahead) <= _AHEAD and (subfolder := next(subfolders, None)) is not None:
                        ahead.append(self.request(subfolder))
                    yield child, ahead.popleft()
                else:
                    yield child, None


def _page_reader(fs: "AbstractFileSystem") -> "Callable[[AbstractFileSystem, str, str], _Page]":
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
    return _read_s3_page if "s3" in protocols else _read_folder


def _read_s3_page(fs: "AbstractFileSystem", folder: str, following: str) -> _Page:
    """Return a page of ListObjectsV2, whose files and folders together are in order from page to page."""
    bucket = fs.split_path(folder)[0]
    # A key may have an empty name between two slashes, so that nothing is stripped.
    prefix = "" if folder == bucket else f"{folder[len(bucket) + 1 :]}/"
    more = {"ContinuationToken": following} if following else {}
    answer = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **more)
    files = [
        _Child(f"{bucket}/{each['Key']}", False, each | {"size": each["Size"]})
        for each in answer.get("Contents", ())
        # Some programs write an empty object with the name of a folder.
        if not each["Key"].endswith("/")
    ]
    folders = [
        _Child(f"{bucket}/{each['Prefix'].removesuffix('/')}", True, {}) for each in answer.get("CommonPrefixes", ())
    ]
    return _Page(sorted((*files, *folders), key=attrgetter("key")), answer.get("NextContinuationToken", ""))


def _read_folder(fs: "AbstractFileSystem", folder: str, _following: str) -> _Page:
    infos = fs.ls(folder, detail=True)
    # Else the file system keeps the names of everything that is listed.
    fs.invalidate_cache(folder)
    below = f"{folder.rstrip('/')}/"
    children = {}
    for info in infos:
        path = info["name"].rstrip("/")
        # Some file systems list the folder itself too.
        if path.startswith(below) and len(path) > len(below):
            children[path] = _Child(path, info["type"] == "directory", info)
    return _Page(sorted(children.values(), key=attrgetter("key")), "")
