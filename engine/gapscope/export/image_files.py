"""The files of the images in an export: where they are already, or written into its folder."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from gapscope.decode.children import thumbnail_in_subprocess
from gapscope.errors import SourceError, UserError
from gapscope.progress import Progress
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.sources.vectors.dataset import has_images
from gapscope.store.index import take_rows
from gapscope.store.run_store import RunStore

_ENDINGS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}
"""Of the formats that every tool reads, by their first bytes; tools go by the ending, and an image's own may be any."""

_LONGEST_STEM = 80


class ImageFiles:
    """Finds the files of images, and writes those that have none."""

    def __init__(self, run: RunStore, folder: Path, progress: Progress) -> None:
        """Prepare to write into `folder`, a subfolder per dataset."""
        self._run, self._folder, self._progress = run, folder, progress
        self._sources: dict[str, Source | None] = {}

    def find(self, dataset: str, row: int, entry: Entry) -> tuple[str, bool]:
        """Return the path of an image's file, and whether it is there.

        An image that is a file on this machine stays where it is. One in an archive, in a table or behind a URL is
        written into the folder. One that cannot be read is called by its uri.
        """
        path = file_of(entry)
        if path is not None and Path(path).is_file():
            return path, True
        written = self.write(dataset, row, entry)
        return (str(written), True) if written is not None else (path or entry.uri, False)

    def write(self, dataset: str, row: int, entry: Entry) -> Path | None:
        """Write the bytes of an image into the folder, and return the path; None where it cannot be read.

        What tools do not read, such as a row of an array, becomes a PNG. What is no image is not written, since the
        run may be a stranger's that names other files.
        """
        source = self._source(dataset)
        if source is None:
            return None
        try:
            data = source.read(entry)
            ending = _ending(data)
            if ending is None:
                data, ending = self._as_png(data, dataset, row, entry), ".png"
        except (Rejected, UserError, OSError):
            return None
        path = self._folder / dataset / f"{row:09d}-{stem_of(entry)}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def _as_png(self, data: bytes, dataset: str, row: int, entry: Entry) -> bytes:
        if entry.box is not None and entry.box.image_width > 0:
            side = round(max(entry.box.image_width, entry.box.image_height))
        else:
            sizes = take_rows(self._run, dataset, np.array([row]), ["width", "height"])
            side = max(sizes[name][0].as_py() or 1 for name in ("width", "height"))
        pixels = thumbnail_in_subprocess(data, side, self._run.record.preprocess(dataset))
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    def _source(self, dataset: str) -> Source | None:
        if dataset not in self._sources:
            try:
                source = self._run.open_source(dataset)
                if not has_images(source):
                    self._progress.note(f"{dataset} has vectors without images: its rows are exported by their names")
                self._sources[dataset] = source
            except SourceError as error:
                self._progress.note(f"the images of {dataset} are out of reach: {error}")
                self._sources[dataset] = None
        return self._sources[dataset]


def path_in_export(path: str | Path, folder: Path) -> str:
    """Return a path below the folder of an export relative to it, and any other as it is.

    Example:
        >>> path_in_export("/out/data/1.png", Path("/out")), path_in_export("s3://b/1.png", Path("/out"))
        ('data/1.png', 's3://b/1.png')
    """
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else str(path)


def file_of(entry: Entry) -> str | None:
    """Return the path or URL of the file that an image or the image of an object is; None for a part of a file.

    Example:
        >>> from gapscope.sources.entry import Box
        >>> file_of(Entry("/data/1.png#7", offset=0, box=Box(0, 0, 9, 9)))
        '/data/1.png'
    """
    if entry.offset < 0:
        return entry.uri
    path = entry.uri.rpartition("#")[0]
    # With another # in it, it is a part of an archive or table, unless a file is called so.
    return path if entry.box is not None and ("#" not in path or Path(path).is_file()) else None


def stem_of(entry: Entry) -> str:
    """Return a name for an image's file, of letters that every tool takes.

    Example:
        >>> stem_of(Entry("s3://b/photos/Bär 1.JPG"))
        'B_r_1'
    """
    uri = entry.uri if entry.box is None else entry.uri.rpartition("#")[0]
    name = re.split(r"[/\\#]", uri)[-1]
    stem = name.rpartition(".")[0] or name
    return re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:_LONGEST_STEM]


def _ending(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((ending for start, ending in _ENDINGS.items() if data.startswith(start)), None)
