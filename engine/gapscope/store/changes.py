"""How a dataset's source differs from the run's index of it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gapscope.sources.entry import Entry
from gapscope.store.index import indexed_entries, read_entries
from gapscope.store.run_store import RunStore

_GROUP_ENTRIES = 8192
_N_NAMED = 3
TRIED_AGAIN = ("missing", "no-permission", "unreadable", "changed", "removed")
"""Statuses that may be the network's or the disk's fault, not the image's."""


@dataclass(kw_only=True)
class Changes:
    """What is new since a dataset was listed.

    Attributes:
        added: images that are not in the index.
        removed: rows of the index that are not in the source any more, ascending.
        embed: row to entry, of images that must be embedded again: changed, or not readable when they were tried.
        relabel: row to entry, of images of which only the source's own columns changed.
        names: the uris of some images, by what changed.
    """

    added: int = 0
    removed: list[int] = field(default_factory=list)
    embed: dict[int, Entry] = field(default_factory=dict)
    relabel: dict[int, Entry] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=lambda: {"added": [], "removed": [], "changed": []})

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.embed or self.relabel)

    def __str__(self) -> str:
        counts = {"added": self.added, "removed": len(self.removed), "changed": len(self.embed) + len(self.relabel)}
        return ", ".join(
            f"{count:,} {what} ({', '.join(self.names[what])}{', ...' if count > len(self.names[what]) else ''})"
            for what, count in counts.items()
            if count
        )


def find_changes(
    run: RunStore,
    dataset: str,
    entries: Iterable[Entry],
    on_added: Callable[[Sequence[Entry]], None] = lambda group: None,
) -> Changes:
    """Compare what a source lists now with the index; 40 bytes per row are kept in memory.

    Args:
        run: the run.
        dataset: the dataset's name.
        entries: what the source lists now.
        on_added: is called with the new images, a group at a time, in the source's order.
    """
    index = _IndexHashes(indexed_entries(run, dataset))
    changes = Changes()
    remaining = iter(entries)
    while group := list(islice(remaining, _GROUP_ENTRIES)):
        rows = index.rows(group)
        new = [entry for entry, row in zip(group, rows, strict=True) if row < 0]
        changes.added += len(new)
        _add_names(changes, "added", new)
        on_added(new)
        for entry, row in zip(group, rows.tolist(), strict=True):
            if row >= 0:
                _compare(index, changes, entry, row)
    changes.removed = index.rows_not_listed()
    first_removed = np.array(changes.removed[:_N_NAMED], np.int64)
    _add_names(changes, "removed", read_entries(run, dataset, first_removed))
    return changes


def source_rows(run: RunStore, dataset: str, entries: Iterable[Entry]) -> NDArray[np.int64]:
    """Return the number of each row's image among what its source lists now; -1 where that does not list it."""
    index = _IndexHashes(indexed_entries(run, dataset))
    numbers = np.full(len(index.file), -1, np.int64)
    remaining, first = iter(entries), 0
    while group := list(islice(remaining, _GROUP_ENTRIES)):
        rows = index.rows(group)
        listed = np.arange(first, first + len(group))
        numbers[rows[rows >= 0]] = listed[rows >= 0]
        first += len(group)
    return numbers


def _compare(index: "_IndexHashes", changes: Changes, entry: Entry, row: int) -> None:
    if index.file[row] != _hash(_file(entry)) or (index.try_again[row] and entry.status == "listed"):
        changes.embed[row] = entry
    elif index.values[row] != _hash(_values(entry)):
        changes.relabel[row] = entry
    else:
        return
    _add_names(changes, "changed", [entry])


def _add_names(changes: Changes, change: str, entries: Sequence[Entry]) -> None:
    names = changes.names[change]
    names += [entry.uri for entry in entries[: _N_NAMED - len(names)]]


class _IndexHashes:
    """The index's rows by the hash of their uri, and hashes of their other columns."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        hashes = np.fromiter(
            (
                (
                    _hash(entry.uri),
                    _hash(_file(entry)),
                    _hash(_values(entry)),
                    entry.status in TRIED_AGAIN,
                    entry.status == "removed",
                )
                for entry in entries
            ),
            dtype=[("uri", "u8"), ("file", "u8"), ("values", "u8"), ("try_again", "?"), ("removed", "?")],
        )
        self.file, self.values, self.try_again = hashes["file"], hashes["values"], hashes["try_again"]
        self._order = np.argsort(hashes["uri"], kind="stable")
        self._uris = hashes["uri"][self._order]
        # Rows that are known to be removed are not missed again.
        self._seen = hashes["removed"].copy()

    def rows(self, entries: Sequence[Entry]) -> NDArray[np.int64]:
        """Return each entry's row, -1 where the index does not have it."""
        if not len(self._uris):
            return np.full(len(entries), -1, np.int64)
        wanted = np.array([_hash(entry.uri) for entry in entries], np.uint64)
        positions = np.minimum(np.searchsorted(self._uris, wanted), len(self._uris) - 1)
        rows = np.where(self._uris[positions] == wanted, self._order[positions], -1)
        self._seen[rows[rows >= 0]] = True
        return rows

    def rows_not_listed(self) -> list[int]:
        """Return the rows whose image no entry was."""
        return np.flatnonzero(~self._seen).tolist()


def _file(entry: Entry) -> str:
    # As the index stores it: a box in single precision.
    box = None if entry.box is None else (np.array(entry.box[:6], np.float32).tolist(), entry.box.outline)
    return f"{entry.bytes} {entry.mtime_ns} {entry.offset} {box}"


def _values(entry: Entry) -> str:
    # As the index stores them: numbers are floats, and an unknown value is like a missing one.
    known = {name: value for name, value in sorted(entry.values.items()) if value is not None}
    return repr({name: value if isinstance(value, str) else float(value) for name, value in known.items()})


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())
