"""Opening and listing a source as workers do, with the checks that hold for every source."""

import pickle

from gapscope.sources import Entry, Source, open_source
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import STATUSES


def open_and_list(location: object, *, objects: bool = False) -> tuple[Source, list[Entry]]:
    """Return a source as a worker gets it, and its entries, which must be the same each time."""
    source: Source = pickle.loads(pickle.dumps(open_source("real", str(location), objects=objects)))
    entries = list(source.entries())
    assert list(source.entries()) == entries
    assert len({entry.uri for entry in entries}) == len(entries)
    assert {entry.status for entry in entries} <= set(STATUSES)
    again = open_source("real", source.location, objects=objects)
    assert again == source
    assert list(again.entries()) == entries
    return source, entries


def names(entries: list[Entry]) -> list[str]:
    """Return what follows the last slash of each entry's uri."""
    return [entry.uri.rpartition("/")[2] for entry in entries]


def contents(source: Source, entries: list[Entry]) -> list[bytes]:
    """Return the bytes of each entry."""
    return [source.read(entry) for entry in entries]


def told(source: Source) -> str:
    """Return what a user is told of a source's listing: where its images come from, and its notes."""
    notes = ListingNotes()
    list(source.entries(notes))
    return f"{source.origin}; {notes.describe()}"
