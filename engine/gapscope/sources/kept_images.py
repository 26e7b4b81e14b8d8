"""Images that a run keeps itself, since nothing else does: a Python program made them and is gone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import modified_ns_if_there
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.file import DamagedParquetError, open_parquet
from gapscope.sources.parquet.images import column_reader, metadata_value
from gapscope.sources.rejects import Rejected

FILE_ROWS = 1024
"""Images per file."""

OWN_COLUMNS = ("name", "image", "bytes", "digest", "status", "error")
_BATCH_ROWS = 256


@dataclass(frozen=True)
class KeptImages:
    """Images in Parquet files of `FILE_ROWS` rows each.

    Attributes:
        path: the folder or URL of the files.
        count: how many images there are.
        columns: what was given beside them.
        location: how run.json names them.
        what: what they were given as, in words.
    """

    path: str
    count: int
    columns: Mapping[str, Kind]
    location: str
    what: str
    objects: bool = False
    folder: str | None = None

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"of {with_article(self.what)} in Python, kept in the run"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per image; one whose name came before has `#` and the number of its occurrence behind it."""
        notes = notes or ListingNotes()
        counter = NameCounter()
        for start in range(0, self.count, FILE_ROWS):
            row = start
            columns = [name for name in OWN_COLUMNS if name != "image"] + [f"value.{name}" for name in self.columns]
            with open_parquet(file_path(self.path, start)) as file:
                for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                    for cells in batch.to_pylist():
                        uri = cells["name"]
                        if (count := counter.add(uri)) > 1:
                            notes.guess(f"an image that is named again is another row, such as {uri}")
                            uri = f"{uri}#{count}"
                        yield Entry(
                            uri,
                            cells["bytes"],
                            # Not a time, but it differs where the image does.
                            cells["digest"],
                            cells["status"],
                            cells["error"],
                            offset=row,
                            values={name: metadata_value(cells[f"value.{name}"]) for name in self.columns},
                        )
                        row += 1

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an image.

        Raises:
            Rejected: they cannot be read.
        """
        start = entry.offset // FILE_ROWS * FILE_ROWS
        path = file_path(self.path, start)
        try:
            data = column_reader(path, "image", modified_ns_if_there(path)).read(entry.offset - start)
        except (SourceError, DamagedParquetError) as error:
            raise Rejected("missing", one_line(error)) from error
        # Arrow raises many types of exceptions on a damaged file.
        except Exception as error:
            raise Rejected("broken", f"the run's own copy cannot be read ({one_line(error)})") from error
        if not data:
            raise Rejected("missing", "the run has no copy of the image")
        return bytes(data)


def with_article(noun: str) -> str:
    """Return a noun behind `a` or `an`.

    Example:
        >>> with_article("array"), with_article("Dataset")
        ('an array', 'a Dataset')
    """
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def file_path(folder: str, start: int) -> str:
    """Return the path of the file whose first image is number `start`.

    Example:
        >>> file_path("run/images/real", 2048)
        'run/images/real/00000002.parquet'
    """
    return f"{folder}/{start // FILE_ROWS:08d}.parquet"
