"""Small pictures for the report, kept while images are decoded for the network anyway."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gapscope.decode.picture import Picture
from gapscope.sources import Entry
from gapscope.store.thumbnails import SIDE, is_kept, read_block_thumbnails, write_thumbnails

_QUALITY = 85


class BlockThumbnails:
    """The thumbnails of one block; `keep` may be called from several threads."""

    def __init__(self, run: Path, dataset: str, block: int, start: int, entries: Sequence[Entry], share: float) -> None:
        """Begin with the thumbnails of rows that were embedded before.

        Args:
            run: the run's folder.
            dataset: the dataset's name.
            block: the block's number.
            start: its first row.
            entries: its images.
            share: of the dataset's images whose thumbnails are kept.
        """
        self._to = (run, dataset, block)
        wanted = is_kept(dataset, [entry.uri for entry in entries], share)
        self._rows = {entry.uri: start + at for at, entry in enumerate(entries) if wanted[at]}
        stay = {start + at for at, entry in enumerate(entries) if entry.status == "ok"}
        self._found = {row: data for row, data in read_block_thumbnails(*self._to).items() if row in stay}

    def side(self, entry: Entry) -> int:
        """Return the longest side in pixels of the thumbnail that is wanted of an image, 0 for none."""
        return SIDE if entry.uri in self._rows else 0

    def keep(self, entry: Entry, picture: Picture) -> None:
        """Keep the thumbnail that a picture brings along."""
        if picture.thumbnail is not None:
            data = io.BytesIO()
            Image.fromarray(picture.thumbnail).save(data, "JPEG", quality=_QUALITY)
            self._found[self._rows[entry.uri]] = data.getvalue()

    def write(self) -> None:
        """Write them; the same images give the same bytes."""
        write_thumbnails(*self._to, self._found)
