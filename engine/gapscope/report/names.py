"""How the page writes images and places: by their full paths, or without what lies outside of the datasets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gapscope.report.points import PointIndex
from gapscope.report.selection import Selection
from gapscope.sources.patterns import base_folder, has_magic
from gapscope.sources.source import without_prefix
from gapscope.store.index import rows_rejected, take_rows
from gapscope.store.run_store import RunStore

MAX_REJECTS = 200
"""Rejected images of a dataset that a page may name; the index in the run has them all."""

_HOMES = ("home", "Users")
_SHARED = ("/", *(f"/{home}/" for home in _HOMES))
"""Folders that hold everybody's: what is below them is relative to something else."""

_ANYWHERE = re.compile(
    r"""
    [A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>;,()]*            # a URL
    | (?<![\w.~/\\<])                                    # or a path from a root, a home, a drive or a server
      (?: ~[\w.-]*/ | / | [A-Za-z]:[\\/] | \\\\ ) [^\s"'<>;,()]+
    """,
    re.VERBOSE,
)
_BEGINS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|~[\w.-]*/|/|[A-Za-z]:[\\/]|\\\\")
_SEPARATOR = re.compile(r"[\\/]+")


@dataclass(frozen=True)
class Names:
    """Writes images and sentences for a page.

    Attributes:
        full: whether paths and URLs are written as they are.
    """

    full: bool = True
    _folders: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    _places: Mapping[str, str] = field(default_factory=dict)

    def image(self, dataset: str, uri: str) -> str:
        """Return the name of an image, or of a folder of images: relative to the dataset's place unless in full."""
        if self.full:
            return uri
        for folder, shown in self._folders[dataset]:
            if uri.startswith(folder) and len(uri) > len(folder):
                return shown + uri[len(folder) :]
        return self.value(uri)

    def value(self, value: str) -> str:
        """Return a column's value, all of which is a path or URL if it begins like one; see `text`."""
        if self.full or not _BEGINS.match(value):
            return self.text(value)
        within = self._within(value)
        return _last_part(within) if _BEGINS.match(within) else self.text(within)

    def text(self, text: str) -> str:
        """Return a text in which, unless in full, the last part of a path or URL stands for it."""
        if self.full or not _SEPARATOR.search(text):
            return text
        return _ANYWHERE.sub(lambda match: _last_part(match[0]), self._within(text))

    def _within(self, text: str) -> str:
        return self._known.sub(lambda match: self._places[match[0]], text)

    @cached_property
    def _known(self) -> re.Pattern[str]:
        places = sorted(self._places, key=lambda place: (-len(place), place))
        ends = [re.escape(place) + ("" if place.endswith("/") else r"(?![\w-])") for place in places]
        return re.compile(rf"(?<![\w.~-])(?:{'|'.join(ends)})" if ends else r"(?!)")


def read_relative_names(run: RunStore, index: PointIndex, selection: Selection) -> Names:
    """Return `relative_names` of what a page of the selected images says."""
    uris = {}
    for number, name in enumerate(index.datasets):
        rows = index.row[selection.image[index.dataset[selection.image] == number]]
        rejected = rows_rejected(run, name).slice(0, MAX_REJECTS)["uri"].to_pylist()
        uris[name] = [*take_rows(run, name, np.sort(rows), ["uri"])["uri"].to_pylist(), *rejected]
    return relative_names(run.record.config.datasets, uris, [run.record.model.weights, str(run.path)])


def relative_names(sources: Mapping[str, str], uris: Mapping[str, Sequence[str]], others: Iterable[str] = ()) -> Names:
    """Return names without absolute paths, user names, hosts and buckets, for a page that is sent away.

    An image is named relative to the folder, list or bucket of its dataset. What a list names elsewhere is relative to
    the folder that such images share, behind `elsewhere 1/`, `elsewhere 2/` and so on where there are several, so that
    no two images of a dataset get one name. In texts, a path with spaces is known as one only where it is below a place
    that is given here.

    Args:
        sources: where each dataset is, as run.json has it.
        uris: of each dataset's images, as far as they are shown.
        others: more paths that texts may hold.

    Example:
        >>> names = relative_names({"real": "/home/me/photos"}, {"real": ["/home/me/photos/a/1.png"]})
        >>> names.image("real", "/home/me/photos/a/1.png"), names.text("60 images in /home/me/photos")
        ('a/1.png', '60 images in photos')
    """
    folders: dict[str, tuple[tuple[str, str], ...]] = {}
    places: dict[str, str] = {}
    for name, source in sources.items():
        location = without_prefix(source)
        path = base_folder(location) if has_magic(location) else location.partition("::")[0]
        folders[name] = tuple(sorted(_folders(path, uris[name]), key=lambda item: -len(item[0])))
        places |= {folder: "" for folder, _ in folders[name] if folder not in _SHARED}
        places |= {place: _last_part(place, name) for place in (location, path, path.rstrip("/")) if place.strip("/")}
    above = [place.rpartition("/")[0] for place in others]
    return Names(False, folders, places | {f"{place}/": "" for place in above if " " in place})


def common_folder(uris: Iterable[str]) -> str:
    """Return the longest folder that all uris lie in, with the slash behind it; empty for none.

    Example:
        >>> common_folder(["/a/b1/x.png", "/a/b2/x.png"])
        '/a/'
    """
    uris = list(uris)
    # What the first and the last in order have in common, all between them have too.
    first, last = min(uris, default=""), max(uris, default="")
    differing = (position for position, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: first.rfind("/", 0, next(differing, min(len(first), len(last)))) + 1]


def _folders(path: str, uris: Iterable[str]) -> list[tuple[str, str]]:
    """Return the folders that the uris of the source at `path` lie in, and what each is written as."""
    own = [f"{path.rstrip('/')}/", f"{path.rstrip('/').rpartition('/')[0]}/"]
    own = [folder for folder in own if folder not in _SHARED and not folder.endswith("://")]
    elsewhere: dict[str, list[str]] = {}
    is_inside = False
    for uri in uris:
        if uri.startswith(tuple(own)):
            is_inside = True
        else:
            elsewhere.setdefault(_root(uri), []).append(uri)
    shared = [common_folder(group) for _, group in sorted(elsewhere.items())]
    shared = [folder for folder in shared if folder]
    if len(shared) == 1 and not is_inside:
        return [*((folder, "") for folder in own), (shared[0], "")]
    return [*((folder, "") for folder in own), *((each, f"elsewhere {at}/") for at, each in enumerate(shared, 1))]


def _root(uri: str) -> str:
    """Return the host or bucket of a URL, or the first two folders of a path, which often name whose it is."""
    return "/".join(uri.split("/")[:-1][:3])


def _last_part(place: str, stand_in: str = "elsewhere") -> str:
    """Return the last part of a path or URL, or a stand-in where that names a user, a host or a bucket."""
    address, _, path = place.rpartition("://")
    parts = [part for part in _SEPARATOR.split(path.partition("?")[0] if address else path) if part]
    is_whose = len(parts) < 2 and bool(address)
    is_whose |= len(parts) > 1 and parts[-2] in _HOMES
    is_whose |= len(parts) == 1 and parts[0].startswith("~")
    return stand_in if is_whose or not parts else parts[-1]
