"""The stage that lists every dataset's images into its index, and sees to it that they stay the same."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gapscope.errors import RunError, SourceError
from gapscope.progress import Progress, Task
from gapscope.sources import Entry, Source
from gapscope.store.index import GROUP_ROWS, index_path, listing_digest, write_index
from gapscope.store.record import Record

_BLOCKS = 64
_SMALLEST_BLOCK = 32


def check_not_empty(name: str, source: Source) -> None:
    """Look for a dataset's first image.

    Raises:
        SourceError: there is none.
    """
    if next(iter(source.entries()), None) is None:
        raise SourceError(f"dataset {name}: no file in {source.location} has an image's name (.jpg, .png, ...)")


def list_datasets(run: Path, record: Record, sources: Mapping[str, Source], progress: Progress) -> None:
    """List what is not listed yet; check that the rest still lists the same images.

    Raises:
        RunError: a source has changed since the run was begun.
    """
    for name, source in sources.items():
        with progress.task(f"listing {name}", 0, "image") as task:
            if name in record.datasets and index_path(run, name).exists():
                _check_unchanged(run, record, name, _counted(source.entries(), task))
                continue
            listed, digest = write_index(run, name, _counted(source.entries(), task), source.columns)
        record.datasets[name] = {"listed": listed, "digest": digest}
        record.write(run)
    if not record.block_rows:
        record.block_rows = _block_rows(sum(facts["listed"] for facts in record.datasets.values()))
        record.write(run)


def _counted(entries: Iterator[Entry], task: Task) -> Iterator[Entry]:
    for entry in entries:
        task.advance(1)
        yield entry


def _check_unchanged(run: Path, record: Record, name: str, entries: Iterator[Entry]) -> None:
    listed, digest = listing_digest(entries)
    then = record.datasets[name]
    if digest != then["digest"]:
        raise RunError(
            f"dataset {name}: files in {record.config['datasets'][name]} were added, removed or changed since this run "
            f"was begun ({then['listed']:,} images then, {listed:,} now): use another --out, or put them back"
        )


def _block_rows(images: int) -> int:
    # Small jobs get enough blocks to spread and to resume by, large ones few enough to keep account of.
    rows = _SMALLEST_BLOCK
    while rows < GROUP_ROWS and rows * _BLOCKS < images:
        rows *= 2
    return rows
