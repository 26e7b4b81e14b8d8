"""Reading annotations as a source does, with the checks that hold for every reader."""

import pickle
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gapscope.sources import Entry
from gapscope.sources.annotations.annotation import Annotation, Outline
from gapscope.sources.annotations.reader import AnnotationReader
from gapscope.sources.notes import ListingNotes


def read_images(reader: AnnotationReader) -> tuple[list[Entry], str]:
    """Return the images of a reader with outlines, and what a user is told of them."""
    worker: AnnotationReader = pickle.loads(pickle.dumps(reader))
    notes = ListingNotes()
    entries = list(worker.images(notes, outlines=True))
    assert list(worker.images(ListingNotes(), outlines=True)) == entries
    assert len({entry.uri for entry in entries}) == len(entries)
    plain = list(worker.images(ListingNotes(), outlines=False))
    assert [_without_outlines(entry) for entry in plain] == [_without_outlines(entry) for entry in entries]
    assert not any(each.outline for entry in plain for each in objects_of(entry))
    for each in (each for entry in entries for each in objects_of(entry)):
        assert (each.edges is None) == bool(each.error)
        assert "\n" not in each.error
    told = f"{reader.origin}; {notes.describe()}"
    assert "\n" not in told
    return entries, told


def objects_of(entry: Entry) -> tuple[Annotation, ...]:
    """Return the objects in an image."""
    assert entry.annotations is not None
    assert entry.annotations.image == entry.uri
    return entry.annotations.objects


def covered(outline: Outline, width: int, height: int) -> NDArray[np.bool_]:
    """Return the pixels of an image that an outline covers, (height, width)."""
    drawn = Image.new("1", (width, height))
    for polygon in outline.polygons:
        ImageDraw.Draw(drawn).polygon(polygon, fill=1, outline=0)
    pixels = np.array(drawn)
    for mask in outline.masks:
        assert (mask.width, mask.height, sum(mask.runs)) == (width, height, width * height)
        inside = np.arange(len(mask.runs)) % 2 == 1
        pixels |= np.repeat(inside, mask.runs).reshape(width, height).T
    return pixels


def _without_outlines(entry: Entry) -> Entry:
    assert entry.annotations is not None
    bare = tuple(replace(each, outline=None) for each in entry.annotations.objects)
    return replace(entry, annotations=replace(entry.annotations, objects=bare))
