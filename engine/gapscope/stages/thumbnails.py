"""The thumbnails of a block, kept for the report while its images are decoded for the network anyway."""

import io

from PIL import Image

from gapscope.decode.picture import Picture
from gapscope.sources import Entry
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import SIDE, is_kept, read_block_thumbnails, write_thumbnails

_QUALITY = 85


class BlockThumbnails:
    """The thumbnails of one block; `keep` may be called from several threads."""

    def __init__(self, run: RunStore, dataset: str, block: int, start: int, entries: list[Entry], share: float) -> None:
        """Start with the thumbnails of rows that were embedded before.

        Args:
            run: the run.
            dataset: the dataset's name.
            block: the block's number.
            start: its first row.
            entries: its images.
            share: of the dataset's images whose thumbnails are kept.
        """
        self._run, self._dataset, self._block = run, dataset, block
        wanted = is_kept(dataset, [entry.uri for entry in entries], share)
        self._rows = {entry.uri: row for row, entry in enumerate(entries, start) if wanted[row - start]}
        embedded = {row for row, entry in enumerate(entries, start) if entry.status == "ok"}
        self._jpegs: dict[int, bytes] = {}
        if embedded:
            saved = read_block_thumbnails(run, dataset, block)
            self._jpegs = {row: jpeg for row, jpeg in saved.items() if row in embedded}

    def side(self, entry: Entry) -> int:
        """Return the longest side in pixels of the thumbnail that is wanted of an image, 0 for none."""
        return SIDE if entry.uri in self._rows else 0

    def keep(self, entry: Entry, picture: Picture) -> None:
        """Keep the thumbnail of a decoded picture, if it has one."""
        if picture.thumbnail is not None:
            data = io.BytesIO()
            Image.fromarray(picture.thumbnail).save(data, "JPEG", quality=_QUALITY)
            self._jpegs[self._rows[entry.uri]] = data.getvalue()

    def write(self) -> None:
        """Write them; the same images give the same bytes."""
        write_thumbnails(self._run, self._dataset, self._block, self._jpegs)
