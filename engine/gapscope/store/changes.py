"""How a dataset's source differs from what the run's index says of it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gapscope.sources.entry import Entry
from gapscope.store.index import indexed_entries, read_entries
from gapscope.store.run_store import RunStore

_GROUP = 8192
_NAMED = 3
TRIED_AGAIN = ("missing", "no-permission", "unreadable", "changed", "removed")
"""What may have been the network's or the disk's fault rather than the image's."""


@dataclass(kw_only=True)
class Changes:
    """What is new since a dataset was listed.

    Attributes:
        added: images that are not in the index.
        removed: rows of the index that are not in the source any more, ascending.
        embed: row to entry, of images that must be embedded again: changed, or not readable when they were tried.
        relabel: row to entry, of images of which only the source's own columns changed.
        names: some of the images, by what became of them.
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
    run: RunStore, dataset: str, entries: Iterable[Entry], added: Callable[[Sequence[Entry]], None] = lambda group: None
) -> Changes:
    """Hold what a source lists now against the index; keeps 40 bytes per row in memory.

    Args:
        run: the run.
        dataset: the dataset's name.
        entries: what the source lists now.
        added: is given the new images, some at a time, in the source's order.
    """
    known = _Known(indexed_entries(run, dataset))
    changes = Changes()
    waiting = iter(entries)
    while group := list(islice(waiting, _GROUP)):
        rows = known.rows(group)
        new = [entry for entry, row in zip(group, rows, strict=True) if row < 0]
        changes.added += len(new)
        _name(changes, "added", new)
        added(new)
        for entry, row in zip(group, rows.tolist(), strict=True):
            if row >= 0:
                _hold_against(known, changes, entry, row)
    changes.removed = known.not_seen()
    _name(changes, "removed", read_entries(run, dataset, np.array(changes.removed[:_NAMED], np.int64)))
    return changes


def _hold_against(known: "_Known", changes: Changes, entry: Entry, row: int) -> None:
    if known.file[row] != _hash(_file(entry)) or (known.again[row] and entry.status == "listed"):
        changes.embed[row] = entry
    elif known.values[row] != _hash(_values(entry)):
        changes.relabel[row] = entry
    else:
        return
    _name(changes, "changed", [entry])


def _name(changes: Changes, what: str, entries: Sequence[Entry]) -> None:
    names = changes.names[what]
    names += [entry.uri for entry in entries[: _NAMED - len(names)]]


class _Known:
    """The index's rows by the hash of their uri, and hashes of what it says of them."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        facts = np.fromiter(
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
            dtype=[("uri", "u8"), ("file", "u8"), ("values", "u8"), ("again", "?"), ("gone", "?")],
        )
        self.file, self.values, self.again = facts["file"], facts["values"], facts["again"]
        self._order = np.argsort(facts["uri"], kind="stable")
        self._uris = facts["uri"][self._order]
        # Rows that are known to be gone are not missed again.
        self._seen = facts["gone"].copy()

    def rows(self, entries: Sequence[Entry]) -> NDArray[np.int64]:
        """Return each entry's row, -1 where the index does not have it."""
        if not len(self._uris):
            return np.full(len(entries), -1, np.int64)
        wanted = np.array([_hash(entry.uri) for entry in entries], np.uint64)
        at = np.minimum(np.searchsorted(self._uris, wanted), len(self._uris) - 1)
        rows = np.where(self._uris[at] == wanted, self._order[at], -1)
        self._seen[rows[rows >= 0]] = True
        return rows

    def not_seen(self) -> list[int]:
        """Return the rows that no entry was found to be."""
        return np.flatnonzero(~self._seen).tolist()


def _file(entry: Entry) -> str:
    # As the index keeps it: a box in single precision.
    box = None if entry.box is None else np.array(entry.box, np.float32).tolist()
    return f"{entry.bytes} {entry.mtime_ns} {entry.offset} {box}"


def _values(entry: Entry) -> str:
    # Likewise: numbers are floats, and what is not known is not told from what is not there.
    known = {name: value for name, value in sorted(entry.values.items()) if value is not None}
    return repr({name: value if isinstance(value, str) else float(value) for name, value in known.items()})


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())
